"""Serving an app on a free loopback port inside a test's own event loop.

Nothing about any vendor belongs here.
"""

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from aiohttp import web

from konstruct import serving

ASGIApp = Any  # Starlette, FastAPI and bare callables have no common static type.


@asynccontextmanager
async def serve(
    app: web.Application | ASGIApp, *, port: int = 0, limits: serving.Limits | None = None
) -> AsyncIterator[str]:
    """Yields the base URL once the app accepts connections, its lifespan done.

    ``limits``: of the product's own server, by which ASGI apps are served.
    """
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        listener.setblocking(False)
        is_aiohttp = isinstance(app, web.Application)
        async with _serve_aiohttp(app, listener) if is_aiohttp else _serve_asgi(app, listener, limits):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def _serve_aiohttp(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    # A handler is cancelled when its client goes away: that is how the doubles notice. The short
    # time-out is for handlers that a test left hanging on purpose.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


class _QuietServer(serving.Server):
    """Says when it is up, and leaves the test process's signal handlers alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            # Uvicorn means to end a process of its own; here it would end the tests' event loop.
            raise RuntimeError("the app's lifespan did not start") from None
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def _serve_asgi(app: ASGIApp, listener: socket.socket, limits: serving.Limits | None) -> AsyncIterator[None]:
    server = _QuietServer(serving.configured(app, limits=limits, timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    is_up = asyncio.create_task(server.is_up.wait())
    await asyncio.wait({running, is_up}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not running.done():
            yield
    finally:
        is_up.cancel()
        server.should_exit = True
        await running  # Raises what kept the app from starting, if anything did.


def reset_connection(request: web.Request) -> None:
    """Cuts the connection under a request as a crash does: the client gets a reset, not an answer."""
    if request.transport is None:
        return
    linger_no_more = struct.pack("ii", 1, 0)
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_no_more)
    request.transport.abort()


async def until_stopped() -> None:
    """For servers that run as processes: returns at SIGTERM or Ctrl-C."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
