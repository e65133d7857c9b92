"""A gateway that acknowledges what comes in before it is durable: what it was still at when it was killed is lost."""

import asyncio
import sys
from typing import Any

from tests.faults.asgi import App, around_the_gateway, given, is_post, read
from tests.faults.wrapping import go_on


class AcknowledgesFirst:
    def __init__(self, app: App) -> None:
        self._app = app
        self._under_way: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not is_post(scope):
            await self._app(scope, receive, send)
            return
        task = asyncio.create_task(self._app(scope, given(await read(receive)), _nothing))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def _nothing(message: Any) -> None:
    pass


if __name__ == "__main__":
    around_the_gateway(AcknowledgesFirst)
    go_on(("konstruct", *sys.argv[1:]))
