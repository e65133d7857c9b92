"""A gateway that acknowledges what comes in before it is durable: what it was still at when it was killed is lost."""

import asyncio
from typing import Any

import gateway.app
from konstruct.cli import main
from konstruct.settings import Settings

build = gateway.app.build


class AcknowledgesFirst:
    def __init__(self, app: Any) -> None:
        self._app = app
        self._under_way: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        task = asyncio.create_task(self._app(scope, _given(body), _nothing))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        message: dict[str, Any] = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _given(body: bytes) -> Any:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return waiting.pop() if waiting else await asyncio.Event().wait()

    return receive


async def _nothing(message: Any) -> None:
    pass


def wrapped(settings: Settings) -> Any:
    return AcknowledgesFirst(build(settings))


if __name__ == "__main__":
    gateway.app.build = wrapped
    main()
