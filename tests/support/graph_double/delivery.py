"""How Meta sends webhooks: signed, over HTTP; and the people who cause them.

What the webhooks look like is in ``webhooks``; the Graph API is not here.
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from tests.support.graph_double import webhooks
from tests.support.graph_double.rules import GraphError
from tests.support.graph_double.world import Json, Media, Number, Person, Sent, World


@dataclass(frozen=True)
class Delivery:
    """One attempt and what came of it."""

    payload: Json
    status: int | None
    """None when no HTTP answer came."""
    elapsed: float
    body: str = ""


@dataclass(frozen=True)
class Said:
    id: str
    """The wamid."""
    delivery: Delivery | None
    """None where there is no webhook."""


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def as_sent(payload: Json) -> bytes:
    """Meta's way to write JSON: what is not ASCII is escaped, and slashes are too."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode()


class WebhookSource:
    """The sending half of Meta."""

    def __init__(self, world: World, *, app_secret: str, webhook_url: str | None) -> None:
        self.world = world
        self.app_secret = app_secret
        self.webhook_url = webhook_url
        self._http: aiohttp.ClientSession | None = None

    async def post(
        self,
        body: bytes,
        *,
        secret: str | None = None,
        signed: bytes | None = None,
        payload: Json | None = None,
        url: str | None = None,
    ) -> Delivery:
        """Raw bytes, signed; another ``secret``, or other bytes that are ``signed``, make a forgery. ``url``: where to,
        if not to the webhook."""
        target = url or self.webhook_url
        assert self._http is not None, "the double is not running"
        assert target is not None, "there is no webhook"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": sign(secret or self.app_secret, body if signed is None else signed),
        }
        started = time.monotonic()
        try:
            async with self._http.post(target, data=body, headers=headers, allow_redirects=False) as answer:
                text = await answer.text()
                return Delivery(payload or {}, answer.status, time.monotonic() - started, text)
        except (aiohttp.ClientError, TimeoutError):
            return Delivery(payload or {}, None, time.monotonic() - started)

    async def verify(self, token: str, challenge: str = "1158201444") -> Delivery:
        """The request that an app's webhook is set up with."""
        assert self._http is not None, "the double is not running"
        assert self.webhook_url is not None, "there is no webhook"
        query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}
        started = time.monotonic()
        async with self._http.get(self.webhook_url, params=query) as answer:
            return Delivery({}, answer.status, time.monotonic() - started, await answer.text())

    async def deliver(self, *changes: tuple[Number, Json]) -> Delivery:
        """All in one request."""
        payload = webhooks.payload(*changes)
        return await self.post(as_sent(payload), payload=payload)

    async def person_says(
        self, number: Number, person: Person, text: str, *, ago: timedelta = timedelta(0), **more: object
    ) -> Said:
        """``ago``: it comes late. ``more``: such as ``context``."""
        return await self.person_sends(number, person, "text", {"body": text}, ago=ago, **more)

    async def person_sends(
        self,
        number: Number,
        person: Person,
        kind: str,
        content: Json,
        *,
        ago: timedelta = timedelta(0),
        **more: object,
    ) -> Said:
        """Any type of message, its content as it stands in the webhook."""
        change = self.written(number, person, kind, content, ago=ago, **more)
        wamid = str(change["value"]["messages"][0]["id"])
        if self.webhook_url is None:
            return Said(wamid, None)
        return Said(wamid, await self.deliver((number, change)))

    def written(
        self,
        number: Number,
        person: Person,
        kind: str,
        content: Json,
        *,
        ago: timedelta = timedelta(0),
        **more: object,
    ) -> Json:
        """The change that tells of it, not delivered yet."""
        at, wamid = self.world.now() - ago.total_seconds(), self.world.next_wamid()
        self.world.note_written(number, person, at)
        self.world.received[wamid] = (number, person)
        said = webhooks.message(person, wamid, at, kind, content, **more)
        return webhooks.messages(number, person, said)

    async def person_sends_file(
        self, number: Number, person: Person, kind: str, media_type: str, content: bytes, **more: object
    ) -> tuple[Said, Media]:
        """``kind``: image, video, audio, document or sticker. ``more``: such as ``caption`` and ``filename``."""
        media = self.world.keep(number, media_type, content)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        about = webhooks.media(media.id, media_type, digest, **more)
        return await self.person_sends(number, person, kind, about), media

    async def person_presses(self, sent: Sent, title: str) -> Said:
        """A button, or a row of a list, by what it says."""
        action = sent.body["interactive"]["action"]
        rows = [row for section in action.get("sections", []) for row in section["rows"]]
        replies = [button["reply"] for button in action.get("buttons", [])]
        kind = "list_reply" if rows else "button_reply"
        [pressed] = [reply for reply in rows + replies if reply["title"] == title]
        context = {"from": sent.number.display_phone_number, "id": sent.id}
        content = {"type": kind, kind: {"id": pressed["id"], "title": title}}
        return await self.person_sends(sent.number, sent.person, "interactive", content, context=context)

    async def business_writes(self, number: Number, person: Person, text: str) -> Said:
        """From its phone, past us."""
        wamid = self.world.next_wamid()
        echo = webhooks.echo(number, person, wamid, self.world.now(), text)
        return Said(wamid, await self.deliver((number, webhooks.echoes(number, echo))))

    async def status(self, sent: Sent, state: str, *, code: int | None = None, details: str = "") -> Delivery:
        """``code``: why it failed."""
        return await self.deliver((sent.number, self.reported(sent, state, code=code, details=details)))

    def reported(self, sent: Sent, state: str, *, code: int | None = None, details: str = "") -> Json:
        """The change that tells of it, not delivered yet."""
        sent.statuses.append(state)
        errors = [] if code is None else [GraphError(code, details).in_status()]
        return webhooks.statuses(sent.number, webhooks.status(sent, state, self.world.now(), errors))
