"""The product as Slack sees it: signed events go in, chat.postMessage comes back. Plays both ends of Slack."""

import asyncio
import json
import time
from collections import Counter
from itertools import count

import aiohttp
from aiohttp import web

from tests.support.slack_double import events
from tests.support.slack_double.delivery import sign
from tests.support.slack_double.world import Json, World

SIGNING_SECRET = "bench-signing-secret"
QUESTION = "How much does it cost to fix a flat tire, and how long does it take?"
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 1.0


class Product:
    """Each conversation is one thread of a DM of its own."""

    name = "product"

    def __init__(self, http: aiohttp.ClientSession, events_url: str) -> None:
        self.world = World()
        self.workspace = self.world.add_workspace()
        self.calls: Counter[str] = Counter()
        self._http = http
        self._events_url = events_url
        self._people = count(1)
        self._replies: dict[str, asyncio.Future[float]] = {}

    def api(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/{method}", self._called)
        return app

    async def _called(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        method = request.match_info["method"]
        self.calls[method] += 1
        if method != "chat.postMessage":
            return web.json_response({"ok": True})
        arguments = await request.json()
        # A reply that nobody waits for, or a second one, is an error of the product and stops the run.
        self._replies.pop(arguments["thread_ts"]).set_result(at)
        message = {"thread_ts": arguments["thread_ts"]}
        return web.json_response({"ok": True, "ts": self.world.next_ts(), "message": message})

    def conversation(self) -> "Thread":
        return Thread(self, f"U{next(self._people):08}")

    async def _is_taken(self, body: bytes, headers: dict[str, str]) -> bool:
        async with self._http.post(self._events_url, data=body, headers=headers) as answer:
            return answer.ok

    async def turn(self, event: Json, root: str) -> float:
        body = json.dumps(events.envelope(self.world, self.workspace, event)).encode()
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(SIGNING_SECRET, stamp, body),
        }
        reply: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._replies[root] = reply
        began = time.monotonic()
        while not await self._is_taken(body, headers):
            # Slack delivers again what was refused, and the time goes on.
            self.calls["refused events"] += 1
            await asyncio.sleep(RETRY_SECONDS)
        return await asyncio.wait_for(reply, PATIENCE_SECONDS) - began


class Thread:
    def __init__(self, product: Product, user: str) -> None:
        self._product = product
        self._user = user
        self._channel = product.workspace.dm_with(user)
        self._root: str | None = None

    async def turn(self) -> float:
        world, workspace = self._product.world, self._product.workspace
        said = events.person_message(self._user, QUESTION, world.next_ts(), workspace.team_id)
        if self._root is not None:
            said |= {"thread_ts": self._root, "parent_user_id": self._user}
        self._root = self._root or said["ts"]
        return await self._product.turn(events.message(self._channel, said), self._root)
