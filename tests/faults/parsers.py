"""What reads words of strangers in our programs: whatever these words are, it turns them down in a sentence of ours.

Hypothesis makes them, and makes the one that is not turned down as small as it gets.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from cryptography.fernet import Fernet
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from gateway import bodies
from gateway.whatsapp_shapes import Notification
from konstruct import manifest, slack_tickets
from konstruct.accounts import fields, id_tokens
from konstruct.accounts.id_tokens import Expected
from konstruct.adapters import mcp_wire, stripe_events
from konstruct.adapters.openai_format import CallsInPieces
from konstruct.errors import KonstructError
from konstruct.knowledge import sitemap
from konstruct.knowledge.robots import Robots
from portal import access
from tests.faults.catalogue import tell_progress
from tests.support.stripe_double import sign as sign_stripe

SECRET: Final = "whsec_of_nobody"
KEYS: Final = (SecretStr(Fernet.generate_key().decode()),)
SIGNING: Final = RSAKey.generate_key(2048, {"kid": "1"})
SHARED: Final = OctKey.import_key("x" * 32, {"kid": "1"})
EXPECTED: Final = Expected("https://id.example.com", "client", "nonce")

ODD: Final = ("\ud800", "a\0b", "\udfff\ud800", "9" * 5_000, "\u202e", "[" * 2_000)
TEXT: Final = st.text(max_size=60) | st.text(st.characters(), max_size=10) | st.sampled_from(ODD)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
MOSTLY_JSON: Final = st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode())


@dataclass
class Parsed:
    seed: int
    inputs: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    @property
    def amiss(self) -> dict[str, list[str]]:
        return {"broken": self.broken} if self.broken else {}

    def counts(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "inputs": sum(self.inputs.values()),
            "by_parser": self.inputs,
            "seconds": round(self.seconds),
            "broken": self.broken,
        }


def _body(said: bytes) -> None:
    # Whatever it lets through can be written down, in the database and anywhere else.
    json.dumps(bodies.parse_json(said), ensure_ascii=False).encode()


def _event_of_stripe(said: bytes) -> None:
    text = said.decode(errors="replace")
    event = stripe_events.verified(text.encode(), sign_stripe(text.encode(), SECRET), [SecretStr(SECRET)])
    assert "\0" not in f"{event.event_id}{event.type}{event.customer_id}{event.subscription_id}"
    f"{event.event_id}{event.type}{event.customer_id}{event.subscription_id}".encode()


def _message_of_a_tool(said: list[bytes]) -> None:
    events = mcp_wire._Events()
    try:
        for piece in said:
            for data in events.feed(piece):
                mcp_wire._read(data)
    except mcp_wire.WireError:
        pass


def _call_of_a_model(said: list[tuple[Any, Any, Any, Any]]) -> None:
    calls = CallsInPieces(come_whole=False)
    for index, call_id, name, arguments in said:
        function = SimpleNamespace(name=name, arguments=arguments)
        calls.take([SimpleNamespace(index=index, id=call_id, function=function)])
    for call in calls.calls(is_over=True):
        # All of it is kept, and sent to the next model.
        f"{call.id}{call.name}{call.arguments}".encode()


def _claims(said: Any) -> None:
    claims = {"iss": EXPECTED.issuer, "aud": EXPECTED.client_id, "nonce": "nonce", "sub": "1", "iat": int(time.time())}
    claims |= {"exp": int(time.time()) + 60, **(said if isinstance(said, dict) else {"sub": said})}
    for header, key in (({"alg": "RS256", "kid": "1"}, SIGNING), ({"alg": "HS256", "kid": "1"}, SHARED)):
        token = jws.serialize_compact(header, json.dumps(claims), key)
        who = id_tokens.identity(token, [SIGNING.as_dict(private=False)], EXPECTED)
        f"{who.subject}{who.email}{who.name}".encode()


def _way_on(said: str) -> None:
    to = access.local_path(said)
    assert to.startswith("/")
    assert not to.startswith(("//", "/\\"))
    assert to.isprintable()


CLAIMS: Final = st.dictionaries(
    st.sampled_from(
        ["iss", "aud", "sub", "nonce", "exp", "iat", "nbf", "email", "email_verified", "name", "tid", "azp"]
    ),
    JSON,
    max_size=4,
)
MANIFEST: Final = st.dictionaries(
    st.sampled_from(["tenant", "name", "employees", "connections", "tools", "desk", "limits", "knowledge", "models"]),
    JSON,
    max_size=5,
)
PIECES: Final = st.lists(
    st.tuples(st.integers(0, 3), st.none() | TEXT, st.none() | TEXT, st.none() | TEXT | st.just('{"a": "\ud83d')),
    max_size=6,
)
FRAMES: Final = st.lists(
    MOSTLY_JSON.map(lambda said: b"data: " + said + b"\n\n")
    | st.binary(max_size=40)
    | st.sampled_from([b"\n", b"data:"]),
    max_size=5,
)
XML: Final = st.sampled_from(
    ["urlset", "url", "loc", "lastmod", "sitemapindex", "sitemap", "!DOCTYPE x [<!ENTITY a 'b'>]"]
)
SITEMAP: Final = st.lists(
    XML.map(lambda name: f"<{name}>") | XML.map(lambda name: f"</{name}>") | TEXT, max_size=12
).map(lambda parts: ('<?xml version="1.0"?>' + "".join(parts)).encode("utf-8", "replace"))
PARSERS: Final[dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]]] = {
    "bodies": (MOSTLY_JSON, _body),
    "posts of WhatsApp": (JSON, Notification.model_validate),
    "events of Stripe": (MOSTLY_JSON | CLAIMS.map(lambda said: json.dumps(said).encode()), _event_of_stripe),
    "tickets": (TEXT, lambda said: slack_tickets.unseal(KEYS, said)),
    "tokens": (TEXT, lambda said: id_tokens.identity(said, [SIGNING.as_dict(private=False)], EXPECTED)),
    "claims of tokens": (CLAIMS, _claims),
    "answers of tools": (FRAMES, _message_of_a_tool),
    "calls of models": (PIECES, _call_of_a_model),
    "manifests": (TEXT | MANIFEST.map(json.dumps), lambda said: manifest.parse(said, "x.yaml", {})),
    "addresses": (TEXT | TEXT.map("{}@x.example".format), fields.email),
    "names": (TEXT, fields.name),
    "ways on": (TEXT | TEXT.map("/{}".format), _way_on),
    "sitemaps": (st.binary(max_size=60) | SITEMAP, sitemap.read),
    "robots": (TEXT.map("User-agent: *\n{}".format), lambda said: Robots(said).allows("https://x.example/a")),
}


def tried(name: str, inputs: int, number: int) -> str | None:
    """What it raised that is none of ours, with the smallest input that has it do so; None if nothing was."""
    strategy, parse = PARSERS[name]
    smallest: list[object] = []

    @seed(number)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(strategy)
    def read(said: Any) -> None:
        try:
            parse(said)
        except KonstructError:
            pass
        except BaseException:
            smallest[:] = [said]
            raise

    try:
        read()
    except Exception as error:
        return f"{name}: {type(error).__name__}: {str(error)[:200]} at {ascii(smallest[0] if smallest else None)[:400]}"
    return None


async def parsed(inputs: int, number: int) -> Parsed:
    """Each parser so many of them. The one that is wrong on purpose takes more of them to be found out, by itself: in
    tests/faults/test_malformed.py."""
    found, began = Parsed(number), time.monotonic()
    for name in PARSERS:
        each = max(1, inputs // len(PARSERS))
        # In a thread of its own: it takes its time, and others are waited for meanwhile.
        if (broken := await asyncio.to_thread(tried, name, each, number)) is not None:
            found.broken.append(broken)
        found.inputs[name] = each
        tell_progress(len(found.inputs), len(PARSERS))
    found.seconds = time.monotonic() - began
    return found
