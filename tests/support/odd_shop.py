"""A service over real HTTP that answers as no service should, and keeps what it was asked.

``/ok`` takes and answers JSON, ``/status/503`` answers with a status, ``/text`` with no JSON, ``/cut`` takes and breaks
off, ``/hang`` takes and answers when ``may_answer`` is set, ``/huge`` with more than is taken in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from tests.support.http import serve


@dataclass
class OddShop:
    port: int = 0
    taken: list[tuple[str, str]] = field(default_factory=list)
    """Path and idempotency key of each request."""
    keys: list[str] = field(default_factory=list)
    """The Authorization header of each."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    cuts_left: int = 1_000
    """So many answers of ``/cut`` break off yet."""

    @property
    def place(self) -> str:
        """As KONSTRUCT_WEB_ALLOWED names it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/{what}", self._answer)
        app.router.add_route("*", "/{what}/{status}", self._answer)
        async with serve(app, port=self.port) as url:
            self.port = urlsplit(url).port or 0
            yield
            self.may_answer.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.taken.append((request.path, request.headers.get("Idempotency-Key", "")))
        self.keys.append(request.headers.get("Authorization", ""))
        self.is_asked.set()
        match request.match_info["what"]:
            case "status":
                return web.Response(status=int(request.match_info["status"]), text="So it is.")
            case "text":
                return web.Response(text="<p>Thank you!</p>", content_type="text/html")
            case "huge":
                return web.Response(body=b"x" * 2_500_000)
            case "hang":
                await self.may_answer.wait()
            case "cut" if self.cuts_left > 0:
                self.cuts_left -= 1
                assert request.transport is not None
                request.transport.close()
        return web.json_response({"paid": 20})
