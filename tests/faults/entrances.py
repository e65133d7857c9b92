"""Every way into the gateway and the portal, and requests for each of them as nobody should send them."""

import json
import random
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import asyncpg
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from gateway.api.described import described
from konstruct import api_keys
from konstruct.api_keys import SCOPES
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.gateway.office import Office, add_workspace, open_office
from tests.support import slack_double
from tests.support.hostile import ODD, forged_signature, hostile, like, mangled, mutated
from tests.support.members import COOKIE, Enrolled
from tests.support.showroom import Showroom, furnish
from tests.support.slack_double import SlackDouble
from tests.support.slack_double import events as built
from tests.support.stripe_double import sign as sign_stripe
from tests.support.whatsapp_posts import APP_SECRET, VERIFY_TOKEN, Number, open_number, posted
from tests.support.whatsapp_posts import sign as sign_whatsapp
from tests.tenancy.test_every_route import TABLES

STRIPE_SECRET: Final = "whsec_of_nobody"
SHAPES: Final = Path(__file__).parents[1] / "gateway" / "whatsapp_shapes"
REQUESTS_OF_A_KEY: Final = 400
"""After which another one is used: each may be used only so often."""
_PLACES: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_LEAVES: Final = ("/sign-out",)
"""After which nothing more could be tried."""
GATEWAY: Final = {
    "slack_signing_secret": "8f742231b10e8888abcd99yyyzzz85a5",
    "slack_client_id": "1111.2222",
    "slack_client_secret": "client-secret",
    "whatsapp_app_secret": APP_SECRET,
    "whatsapp_verify_token": VERIFY_TOKEN,
    "stripe_webhook_secret": STRIPE_SECRET,
    # Nobody is there: what leads outside is refused at once.
    **dict.fromkeys(("slack_api_url", "graph_api_url", "stripe_api_url"), "http://127.0.0.1:9/"),
    **dict.fromkeys(("openai_base_url", "anthropic_base_url"), "http://127.0.0.1:9/v1"),
}
"""Settings of a gateway with all of its entrances."""


@dataclass
class Sent:
    to_portal: bool
    method: str
    path: str
    """With its query, as it goes over the wire."""
    body: bytes = b""
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    refused: bool = False
    """Nothing but 401 may come of it."""
    kept: bytes | None = None
    """What has to be kept aside for a person, or be kept as a message with this id, when it is acknowledged."""


Entrance = Callable[[random.Random], Sent]


@dataclass
class World:
    """Two offices with channels, and a business where much has happened, whose programs and owner come in."""

    office: Office
    number: Number
    slack: SlackDouble
    owner: Enrolled
    keys: list[str]
    ids: dict[str, list[str]]
    operations: list[tuple[str, str, Mapping[str, Any]]]
    parts: Mapping[str, Any]
    pages: list[tuple[str, str, list[str]]]
    shapes: list[Any]
    _numbers: Any = field(default_factory=count)

    @property
    def entrances(self) -> dict[str, tuple[int, Entrance]]:
        """With how much of all goes there."""
        return {
            "slack events": (10, self.slack_event),
            "slack interactivity": (10, self.slack_interaction),
            "slack install": (2, self.slack_install),
            "whatsapp": (10, self.whatsapp),
            "whatsapp verification": (2, self.whatsapp_verification),
            "stripe": (10, self.stripe),
            "api": (30, self.api),
            "portal forms": (16, self.form),
            "portal addresses": (10, self.address),
        }

    def slack_event(self, chance: random.Random) -> Sent:
        number = next(self._numbers)
        ts = f"{int(time.time())}.{number % 1_000_000:06}"
        text = f"<@{self.office.workspace.bot_user_id}> word {number}"
        said = built.person_message("U1", text, ts, self.office.workspace.team_id)
        event = built.app_mention(self.office.workspace.channels["C1"], said)
        envelope = built.envelope(self.slack.world, self.office.workspace, event)
        is_good = chance.random() < 0.05
        body = json.dumps(envelope).encode() if is_good else hostile([envelope], chance)
        return self._of_slack("/slack/events", body, chance, kept=ts.encode() if is_good else body)

    def slack_interaction(self, chance: random.Random) -> Sent:
        workspace = self.office.workspace
        channel, shown = workspace.channels["C1"], {"ts": "1.2", "text": "x"}
        action = {
            "action_id": chance.choice(["approve", "deny", "rate", "claim"]),
            "value": chance.choice(self.anything),
        }
        pressed = built.block_actions(self.slack.world, workspace, channel, shown, "U1", action)
        body = urlencode({"payload": hostile([pressed], chance)}).encode()
        return self._of_slack("/slack/interactivity", mangled(body, chance) if chance.random() < 0.2 else body, chance)

    def _of_slack(self, path: str, body: bytes, chance: random.Random, *, kept: bytes | None = None) -> Sent:
        now = str(int(time.time())).encode()
        signature = slack_double.sign(GATEWAY["slack_signing_secret"], now.decode(), body).encode()
        is_forged = chance.random() < 0.2
        if is_forged:
            signature = forged_signature(chance, signature)
        headers = [("X-Slack-Request-Timestamp", now), ("X-Slack-Signature", signature)]
        return Sent(False, "POST", path, body, headers, is_forged, None if is_forged else kept)

    def slack_install(self, chance: random.Random) -> Sent:
        ticket = chance.choice([secrets.token_urlsafe(40), "gAAAAA" + "A" * 90, *self.anything])
        page, name = chance.choice([("install", "ticket"), ("oauth_redirect", "state")])
        query = {name: ticket, "code": chance.choice(["", "c"])}
        return Sent(False, "GET", f"/slack/{page}?{_query(query, chance)}")

    def whatsapp(self, chance: random.Random) -> Sent:
        is_good = chance.random() < 0.05
        message = self.number.text("word", wa_id=str(16505550000 + chance.randrange(1_000)))
        body = posted(self.number.messages(message)) if is_good else hostile(self.shapes, chance)
        signature, is_forged = sign_whatsapp(body), chance.random() < 0.2
        if is_forged:
            signature = forged_signature(chance, signature)
        kept = None if is_forged else message["id"].encode() if is_good else body
        path = "/whatsapp"
        if chance.random() < 0.1:
            # Of a number whose tenant has an app of its own, which none of these has.
            path, is_forged, kept = f"/whatsapp/{quote(chance.choice(self.anything), safe='')}", True, None
        return Sent(False, "POST", path, body, [("X-Hub-Signature-256", signature)], is_forged, kept)

    def whatsapp_verification(self, chance: random.Random) -> Sent:
        names = {f"hub.{name}": chance.choice(self.anything) for name in ("verify_token", "challenge")}
        path = chance.choice(["/whatsapp", f"/whatsapp/{quote(chance.choice(self.anything), safe='')}"])
        return Sent(False, "GET", f"{path}?{_query({'hub.mode': 'subscribe', **names}, chance)}")

    def stripe(self, chance: random.Random) -> Sent:
        about = {"id": "sub_1", "object": "subscription", "customer": "cus_nobody"}
        made = {"id": f"evt_{secrets.token_hex(8)}", "type": "customer.subscription.updated", "created": 1_790_000_000}
        event = {**made, "object": "event", "data": {"object": about}}
        # Stripe's signature is of a text.
        body = hostile([event], chance).decode(errors="replace").encode()
        said, is_forged = sign_stripe(body, STRIPE_SECRET).encode(), chance.random() < 0.2
        if is_forged:
            when, _, digest = said.partition(b",v1=")
            said = when + b",v1=" + forged_signature(chance, digest)
        headers = [("Stripe-Signature", said)]
        return Sent(False, "POST", "/stripe/webhook", body, headers, is_forged, None if is_forged else body)

    def api(self, chance: random.Random) -> Sent:
        method, path, operation = chance.choice(self.operations)
        headers, is_stranger = [], chance.random() < 0.1
        if not is_stranger:
            headers.append(("Authorization", f"Bearer {chance.choice(self.keys)}".encode()))
        elif chance.random() < 0.7:
            wrong = chance.choice(
                [b"Bearer ", b"Bearer kst_" + b"x" * 43, b"Basic eA==", b"Bearer \xff", b"kst_", b"\t"]
            )
            headers.append(("Authorization", wrong))
        headers.append(("Idempotency-Key", chance.choice([secrets.token_hex(8).encode(), b"x", b"\xff", b" "])))
        query = {
            each["name"]: str(like(each["schema"], chance, self.parts, self.anything))
            for each in operation.get("parameters", ())
            if each["in"] == "query" and (each.get("required") or chance.random() < 0.4)
        }
        body, kind = self._body(operation, chance)
        headers.append(("Content-Type", kind))
        address = f"/api/v1{self._filled(path, chance)}" + (f"?{_query(query, chance)}" if query else "")
        return Sent(False, method.upper(), address, body, headers, is_stranger)

    def _body(self, operation: Mapping[str, Any], chance: random.Random) -> tuple[bytes, bytes]:
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            document = like(content["application/json"]["schema"], chance, self.parts, self.anything)
            what = chance.random()
            if what < 0.3:
                return as_json(document), b"application/json"
            if what < 0.8 and document:
                return as_json(mutated(document, chance)), b"application/json"
            return mangled(as_json(document), chance), b"application/json"
        if "multipart/form-data" in content:
            return _multipart({"agent": "ana"}, "files", chance)
        return (chance.choice(_FILES), b"application/octet-stream") if content else (b"", b"text/plain")

    def form(self, chance: random.Random) -> Sent:
        method, path, names = chance.choice([page for page in self.pages if page[0] != "GET"])
        fields = {name: chance.choice(self.anything) for name in names if chance.random() < 0.8}
        if chance.random() < 0.15:
            body, kind = _multipart(fields, chance.choice(["upload", "files", "file", *names[:3]]), chance)
        else:
            body, kind = _query(fields, chance).encode(), b"application/x-www-form-urlencoded"
        if chance.random() < 0.1:
            body = mangled(body or b"x", chance)
        return self._of_portal(method, path, "", chance, body, [("Content-Type", kind)])

    def address(self, chance: random.Random) -> Sent:
        _, path, names = chance.choice([page for page in self.pages if page[0] == "GET"])
        fields = {name: chance.choice(self.anything) for name in (*names, "state", "code") if chance.random() < 0.6}
        return self._of_portal("GET", path, _query(fields, chance), chance, b"", [])

    def _of_portal(
        self, method: str, path: str, query: str, chance: random.Random, body: bytes, headers: list[tuple[str, bytes]]
    ) -> Sent:
        cookies = [b"__Host-konstruct-toast=" + quote(chance.choice(self.anything)).encode()]
        if chance.random() < 0.9:
            cookies.append(f"{COOKIE}={self.owner.cookie}".encode())
        said = [*headers, ("Cookie", b"; ".join(cookies)), ("Sec-Fetch-Site", b"same-origin")]
        if chance.random() < 0.3:
            said.append(("HX-Request", b"true"))
        return Sent(True, method, self._filled(path, chance) + (f"?{query}" if query else ""), body, said)

    def _filled(self, path: str, chance: random.Random) -> str:
        def value(place: re.Match[str]) -> str:
            if place[1] == "tenant":
                return self.owner.slug
            if chance.random() < 0.7 and (known := self.ids.get(place[1])):
                return chance.choice(known)
            return quote(chance.choice(self.anything), safe="") or "x"

        return _PLACES.sub(value, path)

    @property
    def anything(self) -> list[str]:
        """What may stand in a field: ids that there are, words that mean something, and what means nothing anywhere."""
        return [*_TEXTS, *(each[0] for each in self.ids.values() if each)]


_TEXTS: Final = [
    *(odd.encode("utf-8", "replace").decode()[:2_000] for odd in ODD if isinstance(odd, str)),
    *("ada", "openai", "1", "0", "-1", "9" * 30, "9" * 5_000, "1e309", "nan", "true", "on", "²", "٣", "publish", "try"),
    *("2026-11-29", "0001-01-01", "9999-12-31", "2026-02-30", "12:00", "anna@example.com", "a@b", "https://127.0.0.1/"),
    *("[]", "{}", '{"a":1}', '["x", null]', "[" * 3_000, "\x7f\x1b[31m", "\ufffe\uffff", "<b>x</b>", "{{7*7}}", "%s%n"),
    *("WyJ4IiwieCJd", "MDAwMS0wMS0wMX54", "=?utf-8?q?x?=", "\r\nX-A: b", "admin", "owner", "Europe/Lisbon", "de"),
]
_FILES: Final = [
    *(b"", b"x" * 3_000, b"%PDF-1.7\n%%EOF", b"PK\x03\x04" + b"\0" * 60, b"\x89PNG\r\n\x1a\n" + b"\0" * 40),
    *(
        b"GIF89a\xff\xff\xff\xff",
        b"\xff\xd8\xff\xe0" + b"\0" * 30,
        b"<svg onload=alert(1)>",
        b"\xff\xfe" + b"x" * 9,
        b"a,b\n" * 9,
    ),
]


def as_json(document: Any) -> bytes:
    return json.dumps(document, default=str).encode()


def _query(fields: Mapping[str, str], chance: random.Random) -> str:
    """Well-formed mostly; sometimes with bytes that are no text in any way."""
    written = urlencode(fields, errors="replace")
    return (
        written + chance.choice(["&x=%", "&x=%ff%fe", "&x=%ED%A0%80", "&=&&", "&x=%00"])
        if chance.random() < 0.2
        else written
    )


def _multipart(fields: Mapping[str, str], name: str, chance: random.Random) -> tuple[bytes, bytes]:
    """A form with a file, which is not always what it says."""
    edge = b"edge"
    parts = [
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (field.encode(), value.encode("utf-8", "replace"))
        for field, value in fields.items()
    ]
    called = chance.choice([b"a.pdf", b"../../x", b"a\0b", b"\xff.png", b"", b"x" * 5_000, b'a"b'])
    kind = chance.choice([b"application/pdf", b"image/png", b"text/html", b"\xff", b""])
    head = b'Content-Disposition: form-data; name="%s"; filename="%s"\r\n' % (name.encode(), called)
    parts.append(head + b"Content-Type: " + kind + b"\r\n\r\n" + chance.choice(_FILES))
    whole = b"".join(b"--%s\r\n%s\r\n" % (edge, part) for part in parts) + b"--%s--\r\n" % edge
    if chance.random() < 0.3:
        whole = mangled(whole, chance)
    kinds = [
        b"multipart/form-data; boundary=edge",
        b"multipart/form-data",
        b"multipart/form-data; boundary=" + b"e" * 300,
    ]
    return whole, chance.choice([kinds[0], kinds[0], *kinds])


async def opened(settings: Settings, database: Database, vault: Vault, administrator: str, requests: int) -> World:
    """``settings``: of the portal; ``administrator``: where whoever sees all tenants asks; ``requests``: to the API."""
    slack = SlackDouble()
    office = await open_office(database, vault, add_workspace(slack))
    office.workspace.add_channel("C1")
    number = await open_number(database, vault)
    showroom = await furnish(database, vault)
    keys, ids = await keys_of(showroom, requests), await known_ids(administrator, showroom)
    ids |= {"provider": ["openai", "anthropic"], "number": ["1", "2"], "source": ["handbook"]}
    document = json.loads(described())
    operations = [(method, path, each) for path, all_ in document["paths"].items() for method, each in all_.items()]
    shapes = [
        json.loads(path.read_text().replace("NUMBER", number.phone_number_id).replace("WABA", number.waba_id))
        for path in sorted(SHAPES.glob("*.json"))
    ]
    parts = document["components"]["schemas"]
    return World(office, number, slack, showroom.owner, keys, ids, operations, parts, await _pages(settings), shapes)


async def keys_of(showroom: Showroom, requests: int) -> list[str]:
    """As many as so many requests take, each of which may do all that a key can."""
    async with showroom.rich.session() as session:
        return [
            (await api_keys.make(session, showroom.rich.tenant_id, f"key-{n}", SCOPES, actor="test")).get_secret_value()
            for n in range(1 + requests // REQUESTS_OF_A_KEY)
        ]


async def known_ids(administrator: str, showroom: Showroom) -> dict[str, list[str]]:
    """Of what the business has where much has happened, by what an address calls them."""
    tenant_id = showroom.rich.tenant_id
    connection = await asyncpg.connect(administrator)
    try:
        ids = {
            name: [str(row["id"]) for row in await connection.fetch(query, tenant_id)]
            for name, query in {
                name: f"select id from {table} where tenant_id = $1 limit 30" for name, table in TABLES.items()
            }.items()
        }
        employees = await connection.fetch("select key from employees where tenant_id = $1", tenant_id)
    finally:
        await connection.close()
    for other, known in {"contact": "contact_id", "conversation": "conversation_id", "handoff": "handoff_id"}.items():
        ids[other] = ids[known]
    return ids | {
        "key": [row["key"] for row in employees] + ["handbook", "order-status"],
        "user_id": [str(showroom.owner.user_id)],
    }


async def _pages(settings: Settings) -> list[tuple[str, str, list[str]]]:
    """Method, path and fields of every page and form; streams never end, and are left out."""
    guard = build(settings)
    assert isinstance(guard.app, FastAPI)
    found = [
        (method, str(route.path), list(_fields(route.dependant)))
        for route in iter_route_contexts(guard.app.routes)
        if isinstance(route.original_route, APIRoute) and route.path not in _LEAVES and "stream" not in str(route.path)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]
    await guard.services.close()
    return found


def _fields(dependant: Dependant) -> Sequence[str]:
    own = [field.alias for field in (*dependant.body_params, *dependant.query_params)]
    return [*own, *(name for inner in dependant.dependencies for name in _fields(inner))]
