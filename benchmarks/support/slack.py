"""Slack as a benchmark plays it, both its ends: signed events go in, ``chat.postMessage`` comes back."""

import asyncio
import json
import secrets
import time
from collections import Counter
from itertools import count
from typing import Final

import aiohttp
from aiohttp import web

from tests.support.slack_double import events
from tests.support.slack_double.delivery import sign
from tests.support.slack_double.world import Json, Workspace, World

SIGNING_SECRET: Final = "bench-signing-secret"
QUESTION: Final = "How much does it cost to fix a flat tire, and how long does it take?"
PATIENCE_SECONDS: Final = 120.0
RETRY_SECONDS: Final = 1.0
ANSWERED_WITHIN: Final = aiohttp.ClientTimeout(total=10.0)
"""Slack waits for three seconds; a machine that is full of a benchmark may take longer."""


class Slack:
    """All that is under test call this one, each by answers in threads that were begun here."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.world = World()
        self.calls: Counter[str] = Counter()
        """Also ``refused events``, which are delivered again, and ``strays``: what nobody waited for."""
        self._http = http
        self._replies: dict[str, asyncio.Future[float]] = {}
        self._unheard: set[str] = set()
        self._posted: dict[str, Json] = {}

    def api(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/{method}", self._called)
        app.router.add_get("/api/conversations.replies", self._looked_up)
        return app

    async def _looked_up(self, request: web.Request) -> web.Response:
        """Of a thread, what was posted last in it: somebody is not sure whether their message came."""
        posted = self._posted.get(request.query["ts"])
        return web.json_response({"ok": True, "messages": [posted] if posted else []})

    async def _called(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        method = request.match_info["method"]
        self.calls[method] += 1
        if method == "chat.startStream":
            # An answer that takes its time would be shown as it comes, and a turn be more calls than one.
            return web.json_response({"ok": False, "error": "feature_not_enabled"})
        if method != "chat.postMessage":
            return web.json_response({"ok": True})
        arguments = await request.json()
        root, ts = arguments.get("thread_ts", ""), self.world.next_ts()
        waiting = self._replies.pop(root, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(at)
        elif root not in self._unheard:
            self.calls["strays"] += 1
        posted = self._posted[root] = {"thread_ts": root, "ts": ts, "metadata": arguments.get("metadata")}
        return web.json_response({"ok": True, "ts": ts, "message": posted})

    async def say(self, events_url: str, workspace: Workspace, event: Json, root: str) -> None:
        """Once, whether it is taken or not, and without waiting for an answer in that thread, then or ever."""
        self._unheard.add(root)
        if not await self._is_taken(events_url, json.dumps(events.envelope(self.world, workspace, event)).encode()):
            self.calls["refused events"] += 1

    async def _post(self, events_url: str, workspace: Workspace, event: Json) -> None:
        """Returns when it was taken. Slack delivers again what was refused."""
        body = json.dumps(events.envelope(self.world, workspace, event)).encode()
        while not await self._is_taken(events_url, body):
            self.calls["refused events"] += 1
            await asyncio.sleep(RETRY_SECONDS)

    async def _is_taken(self, events_url: str, body: bytes) -> bool:
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(SIGNING_SECRET, stamp, body),
        }
        try:
            async with self._http.post(events_url, data=body, headers=headers, timeout=ANSWERED_WITHIN) as answer:
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def turn(self, events_url: str, workspace: Workspace, event: Json, root: str) -> float:
        """Seconds from before the POST to the reply in the thread. Raises TimeoutError when there is none."""
        reply: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._replies[root] = reply
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._post(events_url, workspace, event)
            return await reply - began

    def check(self) -> None:
        """A reply that nobody waits for, or a second one, is an error of what is measured, whose figures are void."""
        if self.calls["strays"]:
            raise RuntimeError(f"{self.calls['strays']} replies came that nobody waited for.")


class Office:
    """People who write to one workspace by one way in. Each conversation is a thread of a direct message of its own."""

    def __init__(self, name: str, slack: Slack, workspace: Workspace, *events_urls: str) -> None:
        """``events_urls``: who takes the events, each of them in turn."""
        self.name = name
        self.slack = slack
        self.workspace = workspace
        self._events_urls = events_urls
        self._begun = count()

    def conversation(self) -> "Thread":
        number = next(self._begun)
        return Thread(self, f"U{secrets.token_hex(5).upper()}", self._events_urls[number % len(self._events_urls)])


class Thread:
    def __init__(self, office: Office, user: str, events_url: str) -> None:
        self.turns = 0
        self._office = office
        self._user = user
        self._events_url = events_url
        self._channel = office.workspace.dm_with(user)
        self._root: str | None = None

    async def turn(self) -> float:
        event, root = self._said()
        self.turns += 1
        return await self._office.slack.turn(self._events_url, self._office.workspace, event, root)

    async def say(self) -> None:
        """Without waiting for an answer."""
        event, root = self._said()
        await self._office.slack.say(self._events_url, self._office.workspace, event, root)

    def _said(self) -> tuple[Json, str]:
        slack, workspace = self._office.slack, self._office.workspace
        said = events.person_message(self._user, QUESTION, slack.world.next_ts(), workspace.team_id)
        if self._root is not None:
            said |= {"thread_ts": self._root, "parent_user_id": self._user}
        self._root = self._root or str(said["ts"])
        return events.message(self._channel, said), self._root
