"""Bodies that come too slowly; what else can be wrong with them is tried over HTTP."""

import asyncio

import pytest
from fastapi import HTTPException, Request
from starlette.types import Message

from gateway import bodies


async def test_a_body_that_never_ends_is_given_up() -> None:
    beginning: Message = {"type": "http.request", "body": b"{", "more_body": True}
    chunks = [beginning]

    async def receive() -> Message:
        if not chunks:
            await asyncio.Event().wait()
        return chunks.pop()

    with pytest.raises(HTTPException) as refusal:
        await bodies.read(Request({"type": "http", "method": "POST", "headers": []}, receive), time_limit=0.01)

    assert refusal.value.status_code == 408
