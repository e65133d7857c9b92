"""A gateway that asks a cache whether it knows a request, before anything of it is durable: what could not be kept then
counts as known when it comes again."""

import json
import os
import sys
from typing import Any

from redis.asyncio import Redis

from tests.faults.asgi import App, around_the_gateway, given, is_post, read
from tests.faults.wrapping import go_on

known = Redis.from_url(os.environ["KONSTRUCT_REDIS_URL"])


class CachesFirst:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not is_post(scope):
            await self._app(scope, receive, send)
            return
        body = await read(receive)
        if await known.set(f"seen:{json.loads(body)['event_id']}", 1, nx=True):
            await self._app(scope, given(body), send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    around_the_gateway(CachesFirst)
    go_on(("konstruct", *sys.argv[1:]))
