"""The double itself: serves the Web API, checks who calls, records every call, fails on request."""

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.support.faults import Fault, Faulty
from tests.support.http import serve
from tests.support.slack_double import events, methods, streams
from tests.support.slack_double.consent import Allowed, Consent
from tests.support.slack_double.delivery import SLACK_PATIENCE, EventSource
from tests.support.slack_double.methods import Caller
from tests.support.slack_double.rules import SlackError
from tests.support.slack_double.world import Json, Workspace, World

METHODS = methods.METHODS | streams.METHODS
STRUCTURED = ("blocks", "attachments", "metadata", "prompts", "loading_messages", "chunks")

SPOKEN = frozenset({"chat.postMessage", "chat.startStream", "chat.appendStream", "chat.update"})
"""Calls by which people are shown more than before."""
ECHOED = frozenset({"chat.postMessage", "chat.startStream", "chat.stopStream"})


@dataclass
class Call:
    """One call of a Web API method, as it arrived and as it was answered."""

    method: str
    token: str | None
    args: Json
    at: float
    """Monotonic seconds; one clock for all processes of a machine."""
    answer: Json | None = None
    """None while the call is held, and when it was failed on request."""


class SlackDouble(EventSource, Faulty):
    def __init__(
        self,
        *,
        signing_secret: str = "8f742231b10e8888abcd99yyyzzz85a5",
        client_id: str = "1111.2222",
        client_secret: str = "client-secret",
        app_token: str = "xapp-1-A0KONSTRUCT-1-double",
        events_url: str | None = None,
        echoes: bool = False,
        seconds_between_messages: float = 0.0,
    ) -> None:
        """``echoes``: the bot's own messages come back as events, as they do from Slack."""
        super().__init__(World(), signing_secret=signing_secret, events_url=events_url)
        self.client_id, self.client_secret, self.app_token = client_id, client_secret, app_token
        self.consent = Consent(self.world, client_id, client_secret)
        self.echoes = echoes
        self.seconds_between_messages = seconds_between_messages
        self.url = ""
        self.calls: list[Call] = []
        self.spoken_at: dict[str, list[float]] = {}
        """By ts, when each call arrived that made a message what it is; it stands there later, when it was held."""
        self._changed = asyncio.Condition()
        Faulty.__init__(self)
        self._last_post: dict[str, float] = {}
        self._echoing: set[asyncio.Task[Any]] = set()
        self._serving: set[asyncio.Task[Any]] = set()

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @asynccontextmanager
    async def running(self, *, port: int = 0, routes: list[web.RouteDef] | None = None) -> AsyncIterator[Self]:
        app = web.Application(client_max_size=16 * 2**20)
        app.add_routes([web.route("*", "/api/{method}", self._api), web.get("/link", self.sockets.handle)])
        app.add_routes([web.get("/files/{file}", self.files.handle), web.post("/upload/{file}", self.files.take)])
        app.add_routes(
            [web.get("/oauth/v2/authorize", self.consent.ask), web.post("/oauth/v2/authorize", self.consent.answer)]
        )
        app.add_routes(routes or [])
        app.on_shutdown.append(self.sockets.close)
        patience = aiohttp.ClientTimeout(total=SLACK_PATIENCE)
        # One that was kept may be closed by its server just as it is used again.
        connections = aiohttp.TCPConnector(limit=0, force_close=True)
        async with (
            serve(app, port=port) as self.url,
            aiohttp.ClientSession(timeout=patience, connector=connections) as self._http,
        ):
            self.world.url = self.url
            yield self
            for task in self._echoing | self._serving:
                task.cancel()

    def fail_next(
        self,
        method: str,
        *,
        error: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        accepted: bool = False,
    ) -> None:
        """``error`` is Slack's code; a ``status`` alone answers with a page that is not JSON. With a channel behind it,
        as in ``chat.postMessage C1``, the method fails there alone."""
        is_limited = error == "ratelimited"
        self._fail(
            method,
            Fault(
                status=status or (429 if is_limited else 200),
                body=json.dumps({"ok": False, "error": error}) if error else "<html><body>Server Error</body></html>",
                headers=(("Retry-After", str(retry_after if retry_after is not None else 1)),) if is_limited else (),
                accepted=accepted,
            ),
        )

    async def echoed(self) -> None:
        """Returns when the echoes on their way have been delivered."""
        await asyncio.gather(*self._echoing)

    def issue_code(self, workspace: Workspace) -> str:
        """What the consent page would hand to the redirect URL; good for one oauth.v2.access."""
        return self.consent.issue(Allowed(workspace))

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def bot_messages(self, channel_id: str, *, thread_ts: str | None = None, team: str | None = None) -> list[Json]:
        """What any bot of ours wrote there through the API, in order."""
        workspace, channel = self.find_channel(channel_id, team)
        return [
            message
            for message in channel.messages.values()
            if message.get("bot_id") == workspace.bot_id and thread_ts in (None, message.get("thread_ts"))
        ]

    async def wait_for_message(
        self,
        channel_id: str,
        count: int = 1,
        *,
        thread_ts: str | None = None,
        team: str | None = None,
        timeout: float = 20.0,
    ) -> list[Json]:
        """The bot's messages once there are at least ``count`` of them."""
        place = {"thread_ts": thread_ts, "team": team}
        await self._until(
            lambda: len(self.bot_messages(channel_id, **place)) >= count,
            timeout,
            f"{count} messages in {channel_id} {place}",
        )
        return self.bot_messages(channel_id, **place)

    async def wait_for_call(self, method: str, count: int = 1, *, timeout: float = 20.0) -> list[Call]:
        await self._until(lambda: len(self.calls_of(method)) >= count, timeout, f"{count} calls of {method}")
        return self.calls_of(method)

    async def wait_for_whisper(self, count: int = 1, *, timeout: float = 20.0) -> list[tuple[str, str, str]]:
        await self._until(lambda: len(self.world.whispers) >= count, timeout, f"{count} whispers")
        return self.world.whispers

    async def _until(self, holds: Callable[[], bool], timeout: float, what: str) -> None:
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            seen = "\n".join(f"  {call.method} {call.args} -> {call.answer}" for call in self.calls[-20:])
            raise AssertionError(f"no {what} within {timeout} s; the last calls were:\n{seen}") from None

    async def _api(self, request: web.Request) -> web.StreamResponse:
        # What Slack has taken it carries out, whether or not its caller still listens.
        serving = asyncio.create_task(self._serve(request))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        return await asyncio.shield(serving)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call, problem = await _read(request)
        self.calls.append(call)
        await self._notify()
        fault = self._next_fault(call.method) or self._next_fault(f"{call.method} {call.args.get('channel')}")
        if fault and not fault.accepted and (answer := await fault.play(request)):
            return answer
        call.answer = problem.body if problem else self._answer(call, request)
        if call.method in SPOKEN and call.answer["ok"]:
            self.spoken_at.setdefault(call.answer["ts"], []).append(call.at)
        await self._notify()
        self._echo(call)
        if fault and fault.accepted and (answer := await fault.play(request)):
            return answer
        if call.answer.get("error") == "ratelimited":
            return web.json_response(call.answer, status=429, headers={"Retry-After": "1"})
        return web.json_response(call.answer)

    def _answer(self, call: Call, request: web.Request) -> Json:
        try:
            if call.method == "oauth.v2.access":
                return self.consent.exchange(call.args, _basic_credentials(request))
            if call.method == "apps.connections.open":
                return self._open_socket(call)
            if call.method not in METHODS and call.method != "apps.uninstall":
                raise SlackError("unknown_method", req_method=call.method)
            caller = self._authenticate(call.token)
            if call.method == "apps.uninstall":
                return self._uninstall(call, caller)
            if call.method == "chat.postMessage":
                self._pace(str(call.args.get("channel")))
            return methods.call(METHODS[call.method], caller, call.args)
        except SlackError as refusal:
            return refusal.body

    def _authenticate(self, token: str | None) -> Caller:
        if token is None:
            raise SlackError("not_authed")
        if token == self.app_token:
            raise SlackError("not_allowed_token_type")
        workspaces = [w for w in self.world.workspaces.values() if token in (w.bot_token, *w.older_tokens)]
        if not workspaces:
            raise SlackError("invalid_auth")
        if token in workspaces[0].expired_tokens:
            raise SlackError("token_expired")
        if workspaces[0].token_state != "active":
            raise SlackError(workspaces[0].token_state)
        return Caller(self.world, workspaces)

    def _pace(self, channel_id: str) -> None:
        now = time.monotonic()
        if now - self._last_post.get(channel_id, 0.0) < self.seconds_between_messages:
            raise SlackError("ratelimited")
        self._last_post[channel_id] = now

    def _uninstall(self, call: Call, caller: Caller) -> Json:
        answer = self.consent.uninstall(call.args, caller.workspaces)
        if self.events_url:
            for kind in ("app_uninstalled", "tokens_revoked"):
                event = {"type": kind, "tokens": {"bot": [caller.home.bot_user_id]}}
                self._spawn(self.deliver(event, team=caller.home.team_id))
        return answer

    def _open_socket(self, call: Call) -> Json:
        if call.token != self.app_token:
            raise SlackError("not_allowed_token_type" if call.token else "not_authed")
        host = self.url.removeprefix("http://")
        return {"ok": True, "url": f"ws://{host}/link?ticket={self.sockets.new_ticket()}&app_id={self.world.app_id}"}

    def _echo(self, call: Call) -> None:
        if not self.echoes or call.method not in ECHOED or not (call.answer and call.answer["ok"]):
            return
        workspace, channel = self._authenticate(call.token).channel(call.args["channel"])
        message = channel.messages[call.answer["ts"]]
        if call.method == "chat.stopStream":
            event = events.message_changed(channel, message, message | {"text": ""}, self.world.next_ts())
        else:
            event = events.message(channel, message)
        self._spawn(self.deliver(event, team=workspace.team_id))

    def _spawn(self, delivery: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(delivery)
        self._echoing.add(task)
        task.add_done_callback(self._echoing.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _read(request: web.Request) -> tuple[Call, SlackError | None]:
    """The call, and what is wrong with its body if anything. A token in a JSON body does not count."""
    name = request.match_info["method"]
    args: Json = dict(request.query)
    problem = None
    if request.content_type == "application/json":
        if name in METHODS and METHODS[name].takes_json:
            try:
                body = await request.json()
                args |= body if isinstance(body, dict) else {}
                problem = None if isinstance(body, dict) else SlackError("json_not_object")
            except ValueError:
                problem = SlackError("invalid_json")
        args.pop("token", None)
    else:
        args |= dict(await request.post())
    for structured in STRUCTURED:
        if isinstance(args.get(structured), str):
            args[structured] = _parsed(args[structured])
    scheme, _, header_token = request.headers.get("Authorization", "").partition(" ")
    token = header_token if scheme == "Bearer" else args.get("token")
    args.pop("token", None)
    return Call(name, token or None, args, time.monotonic()), problem


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _basic_credentials(request: web.Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return None
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return client_id, client_secret
