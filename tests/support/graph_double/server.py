"""The double itself: serves the Graph API, checks who calls, records every call, fails on request."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.support.faults import Fault, Faulty
from tests.support.graph_double import accounts, methods
from tests.support.graph_double.delivery import WebhookSource
from tests.support.graph_double.rules import GraphError
from tests.support.graph_double.world import APP_ID, App, ApprovedTemplate, Json, Number, Person, Sent, World
from tests.support.http import serve

VERSION = "v25.0"
META_PATIENCE = 10.0


@dataclass
class Call:
    """One call, as it arrived and as it was answered."""

    what: str
    """messages, read, media, info, download or unknown, or one of ``accounts.CALLS``."""
    token: str | None
    path: str
    body: Json
    at: float
    answer: Json | None = None
    """None while the call is held, when it was failed on request, and for a download."""


class GraphDouble(WebhookSource, Faulty):
    def __init__(
        self,
        *,
        app_secret: str = "5f3a0c19e8b24d7e",
        webhook_url: str | None = None,
        reports: tuple[str, ...] = (),
        refuses_late: bool = False,
        burst: int = 45,
        messages_a_second: int = 80,
    ) -> None:
        """``reports``: the statuses that Meta tells of every message by itself. ``refuses_late``: what cannot be
        delivered is accepted first, and its failure reported, as Meta does it most of the time."""
        super().__init__(
            World(burst=burst, messages_a_second=messages_a_second), app_secret=app_secret, webhook_url=webhook_url
        )
        self.reports, self.refuses_late = reports, refuses_late
        self.app = App(APP_ID, "Acme Messaging", app_secret)
        self.url = ""
        self.calls: list[Call] = []
        self._changed = asyncio.Condition()
        Faulty.__init__(self)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def api_url(self) -> str:
        return f"{self.url}/{VERSION}/"

    @asynccontextmanager
    async def running(self, *, port: int = 0) -> AsyncIterator[Self]:
        app = web.Application(client_max_size=110 * 2**20)
        app.add_routes([web.route("*", "/{path:.*}", self._shielded)])
        patience = aiohttp.ClientTimeout(total=META_PATIENCE)
        # One that was kept may be closed by its server just as it is used again.
        connections = aiohttp.TCPConnector(limit=0, force_close=True)
        async with (
            serve(app, port=port) as self.url,
            aiohttp.ClientSession(timeout=patience, connector=connections) as self._http,
        ):
            yield self
            for task in self._tasks:
                task.cancel()

    def add_number(
        self, display_phone_number: str | None = None, *, waba_id: str | None = None, token: str | None = None
    ) -> Number:
        number = Number(
            phone_number_id=self.world.next_id(),
            waba_id=waba_id or self.world.next_id(),
            display_phone_number=display_phone_number or f"1555078{len(self.world.numbers):04}",
            token=token or f"EAAG{secrets.token_hex(16)}",
        )
        self.world.numbers[number.phone_number_id] = number
        return number

    def approve_template(self, number: Number, name: str, language: str = "en", *, places: int = 0) -> ApprovedTemplate:
        template = number.templates[name, language] = ApprovedTemplate(places)
        return template

    def person(
        self,
        wa_id: str | None = "16505551234",
        name: str = "Sheena Nelson",
        *,
        user_id: str | None = None,
        username: str | None = None,
    ) -> Person:
        person = Person(wa_id, name, user_id, username)
        self.world.people.append(person)
        return person

    def pass_time(self, period: timedelta) -> None:
        self.world.pass_time(period)

    def fail_next(
        self,
        what: str,
        *,
        code: int | None = None,
        status: int | None = None,
        text: str = "<html>Sorry, something went wrong.</html>",
        retry_after: int | None = None,
        accepted: bool = False,
    ) -> None:
        """``code`` is Graph's; a ``status`` alone answers with ``text``."""
        error = GraphError(code) if code is not None else None
        headers = (("Retry-After", str(retry_after)),) if retry_after is not None else ()
        body = json.dumps(error.body) if error else text
        chosen = status or (error.status if error else 500)
        self._fail(what, Fault(status=chosen, body=body, headers=headers, accepted=accepted))

    def calls_of(self, what: str) -> list[Call]:
        return [call for call in self.calls if call.what == what]

    def sent(self, number: Number | None = None, person: Person | None = None) -> list[Sent]:
        return [
            sent
            for sent in self.world.sent
            if number in (None, sent.number) and (person is None or sent.person is person)
        ]

    async def wait_for_sent(
        self, number: Number | None = None, person: Person | None = None, count: int = 1, *, timeout: float = 20.0
    ) -> list[Sent]:
        """What was sent there once there are at least ``count`` messages."""
        await self._until(lambda: len(self.sent(number, person)) >= count, timeout, f"{count} messages")
        return self.sent(number, person)

    async def wait_for_call(self, what: str, count: int = 1, *, timeout: float = 20.0) -> list[Call]:
        await self._until(lambda: len(self.calls_of(what)) >= count, timeout, f"{count} calls of {what}")
        return self.calls_of(what)

    async def reported_all(self) -> None:
        """Returns when the reports on their way have been delivered."""
        while tasks := [task for task in self._tasks if task.get_name() == "report"]:
            await asyncio.gather(*tasks)

    async def _until(self, holds: Callable[[], bool], timeout: float, what: str) -> None:
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            seen = "\n".join(f"  {call.what} {call.body} -> {call.answer}" for call in self.calls[-20:])
            raise AssertionError(f"no {what} within {timeout} s; the last calls were:\n{seen}") from None

    async def _shielded(self, request: web.Request) -> web.StreamResponse:
        # What Meta has taken it carries out, whether or not its caller still listens.
        return await asyncio.shield(self._spawn(self._serve(request), "serve"))

    def _spawn(self, coroutine: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = await _read(request)
        self.calls.append(call)
        await self._notify()
        fault = self._next_fault(call.what)
        if fault and not fault.accepted and (answer := await fault.play(request)):
            return answer
        answered = self._answer(call)
        await self._notify()
        if fault and fault.accepted and (answer := await fault.play(request)):
            return answer
        return answered

    def _answer(self, call: Call) -> web.Response:
        try:
            if call.what == "download":
                return self._download(call)
            call.answer = self._carried_out(call)
            return web.json_response(call.answer)
        except GraphError as refusal:
            call.answer = refusal.body
            return web.json_response(refusal.body, status=refusal.status)

    def _carried_out(self, call: Call) -> Json:
        if call.what in accounts.CALLS:
            return accounts.answer(self.world, self.app, call.what, call.token, call.path, call.body)
        number = methods.number_of(self.world, call.token, call.what, call.path, call.body)
        match call.what:
            case "messages":
                sent, refusal = methods.take(self.world, number, call.body, refuses_late=self.refuses_late)
                if refusal:
                    self._report(sent, "failed", code=refusal.code)
                else:
                    for state in self.reports:
                        self._report(sent, state)
                return methods.accepted(sent)
            case "read":
                return methods.mark_read(self.world, number, call.body)
            case "media":
                return methods.keep_file(self.world, number, call.body)
        return methods.about_file(self.world, number, call.path, self.url)

    def _report(self, sent: Sent, state: str, *, code: int | None = None) -> None:
        if self.webhook_url is not None:
            self._spawn(self.status(sent, state, code=code), "report")

    def _download(self, call: Call) -> web.Response:
        status, media = methods.at_address(self.world, call.token, call.path)
        if media is None:
            return web.Response(status=status)
        return web.Response(body=media.content, headers={"Content-Type": media.media_type})

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _read(request: web.Request) -> Call:
    path = request.match_info["path"]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    body: Json = dict(request.query)
    if request.content_type == "multipart/form-data":
        body |= {name: _field(field) for name, field in (await request.post()).items()}
    elif request.can_read_body:
        try:
            read = await request.json()
        except ValueError:
            read = None
        body |= read if isinstance(read, dict) else {}
    version, _, below = path.partition("/")
    if version != VERSION:
        is_file = path.startswith(methods.FILES)
        return Call("download" if is_file else "unknown", token or None, path, body, time.monotonic())
    what = _what(request.method, below, body)
    return Call(what, token if scheme == "Bearer" and token else None, below, body, time.monotonic())


def _field(field: object) -> object:
    if not isinstance(field, web.FileField):
        return field
    with field.file:
        return {"type": field.content_type, "content": field.file.read(), "name": field.filename}


def _what(method: str, path: str, body: Json) -> str:
    match method, path.split("/"):
        case "POST", [_, "messages"]:
            return "read" if "status" in body else "messages"
        case "POST", [_, "media"]:
            return "media"
        case "GET", ["debug_token"]:
            return "token"
        case "GET", ["me"]:
            return "me"
        case "GET", [_] if "fields" in body:
            return "number"
        case "GET", [_, "phone_numbers"]:
            return "numbers"
        case "GET", [_, "message_templates"]:
            return "templates"
        case (("GET" | "POST" | "DELETE"), [_, "subscribed_apps"]):
            return {"GET": "subscribed", "POST": "subscribe", "DELETE": "unsubscribe"}[method]
        case "GET", [_]:
            return "info"
    return "unknown"
