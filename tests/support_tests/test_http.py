"""Serving apps inside a test: both kinds are up when told so, and gone afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web
from fastapi import FastAPI

from konstruct.embedded.loopback import free_port
from tests.support.http import serve


async def test_an_asgi_app_is_served_with_its_lifespan() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        events.append("up")
        yield
        events.append("down")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def hello() -> list[str]:
        return events

    async with serve(app) as base_url, httpx.AsyncClient() as http:
        assert (await http.get(base_url)).json() == ["up"]
    assert events == ["up", "down"]


async def test_an_app_that_cannot_start_is_an_error() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    with pytest.raises(RuntimeError):
        async with serve(FastAPI(lifespan=lifespan)):
            pass


async def test_a_port_can_be_chosen_and_is_free_again_afterwards() -> None:
    port = free_port()
    for _ in range(2):
        async with serve(web.Application(), port=port) as base_url, httpx.AsyncClient() as http:
            assert base_url == f"http://127.0.0.1:{port}"
            assert (await http.get(base_url)).status_code == 404
