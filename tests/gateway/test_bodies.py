"""Bodies that come too slowly, or are said to be too large; what else can be wrong with them is tried over HTTP."""

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


@pytest.mark.parametrize(("said", "status"), [(b"1001", 413), (b"9" * 5_000, 413), (b"1000", 408), (b"\xb2", 408)])
async def test_what_is_said_to_be_too_large_is_not_waited_for(said: bytes, status: int) -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-length", said)]}, receive)
    with pytest.raises(HTTPException) as refusal:
        await bodies.read(request, most_bytes=1_000, time_limit=0.01)

    assert refusal.value.status_code == status
