"""Socket Mode: the same payloads over a websocket that we open, for development without a public address."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from pydantic import SecretStr
from slack_bolt import BoltResponse
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from konstruct.errors import KonstructError

Receive = Callable[[bytes], Awaitable[BoltResponse]]

log = structlog.get_logger(__name__)


@asynccontextmanager
async def listening(app: AsyncApp, app_token: SecretStr, receive: Receive) -> AsyncIterator[None]:
    """Connects in the background, and again whenever the connection is gone; nothing waits for Slack."""
    handler = _Handler(app, app_token, receive)
    connecting = asyncio.create_task(handler.client.connect())  # type: ignore[no-untyped-call]  # The SDK's own gap.
    try:
        yield
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await handler.client.close()  # type: ignore[no-untyped-call]


class _Handler(AsyncSocketModeHandler):
    def __init__(self, app: AsyncApp, app_token: SecretStr, receive: Receive) -> None:
        super().__init__(app, app_token.get_secret_value())
        self._receive = receive

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # As Bolt's own.
        started = time.time()
        try:
            answer = await self._receive(json.dumps(req.payload).encode())
        except KonstructError as error:
            # Slack delivers again what is not acknowledged.
            log.warning("slack_event_not_acknowledged", error=str(error))
            return
        await send_async_response(client, req, answer, started)
