"""A shop's own REST API on loopback: orders to look at, and refunds, each of which acts once for its idempotency key.

service = ServiceDouble()
async with service.running():
    released = service.hold_next_refund()         # takes the refund, and answers when released is set
    ...
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tests.support.http import serve

Json = dict[str, Any]


@dataclass
class ServiceDouble:
    key: str = "sk-shop"
    orders: dict[str, Json] = field(default_factory=lambda: {"A-17": {"state": "shipped", "carrier": "Hermes"}})
    answers: dict[str, Any] = field(default_factory=dict)
    """What other paths answer, as JSON."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each."""
    refunds: dict[str, Json] = field(default_factory=dict)
    """By idempotency key: what was paid back."""
    repeated: list[str] = field(default_factory=list)
    """Idempotency keys that came again."""
    unkeyed: list[Json] = field(default_factory=list)
    """What was paid back without a key, as often as it was asked for."""
    port: int = 0
    _holds: list[asyncio.Event] = field(default_factory=list)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def place(self) -> str:
        """As KONSTRUCT_WEB_ALLOWED names it."""
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/orders/{order}", self._order)
        app.router.add_post("/refunds", self._refund)
        app.router.add_get("/{path:.*}", self._other)
        async with serve(app, port=self.port) as url:
            self.port = urlsplit(url).port or 0
            yield

    def hold_next_refund(self) -> asyncio.Event:
        """It is done at once, and answered when the event is set."""
        self._holds.append(asyncio.Event())
        return self._holds[-1]

    def paid(self, order: str) -> list[float]:
        """What was paid back of an order, once for each time."""
        return [refund["amount"] for refund in (*self.refunds.values(), *self.unkeyed) if refund["order"] == order]

    async def wait_for_refund(self, order: str) -> None:
        """Until it was asked for, whether or not that was answered."""
        async with asyncio.timeout(40), self._came:
            await self._came.wait_for(lambda: bool(self.paid(order)))

    def _check(self, request: web.Request) -> None:
        self.requests.append((request.method, request.path_qs))
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized(text="Unknown key.")

    async def _order(self, request: web.Request) -> web.Response:
        self._check(request)
        order = self.orders.get(request.match_info["order"])
        if order is None:
            raise web.HTTPNotFound(text=json.dumps({"error": "no such order"}), content_type="application/json")
        return web.json_response({"order": order})

    async def _other(self, request: web.Request) -> web.Response:
        self._check(request)
        if request.path not in self.answers:
            raise web.HTTPNotFound
        return web.json_response(self.answers[request.path])

    async def _refund(self, request: web.Request) -> web.Response:
        self._check(request)
        key = request.headers.get("Idempotency-Key", "")
        asked = await request.json()
        async with self._came:
            if not key:
                self.unkeyed.append(asked)
            elif key in self.refunds:
                self.repeated.append(key)
            else:
                self.refunds[key] = asked
            self._came.notify_all()
        if self._holds:
            await self._holds.pop(0).wait()
        return web.json_response({"refunded": asked["amount"]})
