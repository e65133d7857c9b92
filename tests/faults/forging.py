"""Posts to each of the webhooks by people who are not who they say, or speak of what is not theirs."""

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from konstruct.errors import Unauthentic
from tests.faults.callers import Caller
from tests.faults.people import Office, Person
from tests.support import slack_double, stripe_double
from tests.support.graph_double import Json, Number, webhooks
from tests.support.graph_double import sign as meta_sign
from tests.support.graph_double.delivery import as_sent

STALE: Final = (301, 600, 86_400, -330, -86_400)
"""Seconds since it was signed; less than 0: it will have been."""
REFUSED: Final = Unauthentic.status
KEPT_ASIDE: Final = 200
"""It is authentic and of nobody's channel: somebody may look at it, and nothing else comes of it."""
NOBODYS: Final = "100000000000000"
ZEROS: Final = "0" * 64


@dataclass(frozen=True)
class Forgery:
    what: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    answer: int = REFUSED
    """What it has to be answered with."""


@dataclass
class Forger:
    """Knows all addresses and everybody's names; of secrets those that are not the right ones, and old signatures."""

    chance: random.Random
    slack_secret: str
    meta_secret: str
    stripe_secret: str
    app_secret: str
    """Of the Meta app of ``other``."""
    person: Person
    caller: Caller
    other: Office
    """Another tenant than theirs, with a Meta app of its own."""

    @property
    def kinds(self) -> tuple[Callable[[], Forgery], ...]:
        slack = (self.slack_signed_elsewhere, self.slack_replay, self.slack_altered, self.slack_unsigned)
        meta = (self.meta_signed_elsewhere, self.meta_altered, self.meta_unsigned, self.meta_at_another_address)
        unknown = (self.slack_of_nobody, self.meta_of_nobody, self.meta_of_another_account, self.meta_of_another_tenant)
        stripe = (self.stripe_signed_elsewhere, self.stripe_replay, self.stripe_altered, self.stripe_unsigned)
        return (*slack, *meta, *unknown, *stripe)

    def slack_signed_elsewhere(self) -> Forgery:
        body, wrong = self._event(), self._wrong_secret(self.meta_secret)
        return _slack("signed by another app", body, slack_double.sign(wrong, _now(), body))

    def slack_replay(self) -> Forgery:
        body, stamp = self._event(), str(int(time.time()) - self.chance.choice(STALE))
        return _slack("signed at another time", body, slack_double.sign(self.slack_secret, stamp, body), stamp)

    def slack_altered(self) -> Forgery:
        return _slack("altered", self._event(), slack_double.sign(self.slack_secret, _now(), self._event()))

    def slack_unsigned(self) -> Forgery:
        return _slack("unsigned", self._event(), self.chance.choice(("", "v0=", f"v0={ZEROS}")))

    def slack_of_nobody(self) -> Forgery:
        body = self._event().replace(self.person.office.workspace.team_id.encode(), b"T0NOBODYS")
        signature = slack_double.sign(self.slack_secret, _now(), body)
        return replace(_slack("of a workspace that nobody connected", body, signature), answer=KEPT_ASIDE)

    def meta_signed_elsewhere(self) -> Forgery:
        body, wrong = self._notification(), self._wrong_secret(self.slack_secret, self.app_secret)
        return _meta("signed by another app", body, meta_sign(wrong, body))

    def meta_altered(self) -> Forgery:
        return _meta("altered", self._notification(), meta_sign(self.meta_secret, self._notification()))

    def meta_unsigned(self) -> Forgery:
        return _meta("unsigned", self._notification(), self.chance.choice(("", "sha256=", f"sha256={ZEROS}")))

    def meta_at_another_address(self) -> Forgery:
        body = self._notification()
        forged = _meta("at the address of a tenant with its own app", body, meta_sign(self.meta_secret, body))
        return replace(forged, path=self._others_path)

    def meta_of_another_tenant(self) -> Forgery:
        body = self._notification()
        forged = _meta("signed by a tenant's own app, about another's number", body, meta_sign(self.app_secret, body))
        return replace(forged, path=self._others_path, answer=KEPT_ASIDE)

    def meta_of_nobody(self) -> Forgery:
        body = self._notification(replace(self.caller.office.number, phone_number_id=NOBODYS))
        forged = _meta("about a number that nobody connected", body, meta_sign(self.meta_secret, body))
        return replace(forged, answer=KEPT_ASIDE)

    def meta_of_another_account(self) -> Forgery:
        body = self._notification(replace(self.caller.office.number, waba_id=NOBODYS))
        forged = _meta("about a number, as another account's", body, meta_sign(self.meta_secret, body))
        return replace(forged, answer=KEPT_ASIDE)

    def stripe_signed_elsewhere(self) -> Forgery:
        body = _invoice()
        wrong = self._wrong_secret(self.slack_secret, self.meta_secret)
        return _stripe("signed by somebody else", body, stripe_double.sign(body, wrong))

    def stripe_replay(self) -> Forgery:
        body, at = _invoice(), int(time.time()) - self.chance.choice(STALE)
        return _stripe("signed at another time", body, stripe_double.sign(body, self.stripe_secret, at))

    def stripe_altered(self) -> Forgery:
        return _stripe("altered", _invoice(), stripe_double.sign(_invoice(), self.stripe_secret))

    def stripe_unsigned(self) -> Forgery:
        return _stripe("unsigned", _invoice(), self.chance.choice(("", f"t={_now()}", f"t={_now()},v1={ZEROS}")))

    @property
    def _others_path(self) -> str:
        return f"/whatsapp/{self.other.number.phone_number_id}"

    def _wrong_secret(self, *right_elsewhere: str) -> str:
        return self.chance.choice((secrets.token_hex(16), *right_elsewhere))

    def _event(self) -> bytes:
        return json.dumps(self.person.envelope("Forged")).encode()

    def _notification(self, number: Number | None = None) -> bytes:
        """``number``: that it is about, if not the caller's office's."""
        told, contact = number or self.caller.office.number, self.caller.contact
        wamid = f"wamid.{secrets.token_hex(16)}"
        said = webhooks.message(contact, wamid, time.time(), "text", {"body": "Forged"})
        return as_sent(webhooks.payload((told, webhooks.messages(told, contact, said))))


def _slack(what: str, body: bytes, signature: str, stamp: str = "") -> Forgery:
    headers = {"X-Slack-Request-Timestamp": stamp or _now(), "X-Slack-Signature": signature}
    return Forgery(f"Slack: {what}", "/slack/events", body, headers | {"Content-Type": "application/json"})


def _meta(what: str, body: bytes, signature: str) -> Forgery:
    return Forgery(f"WhatsApp: {what}", "/whatsapp", body, {"X-Hub-Signature-256": signature})


def _stripe(what: str, body: bytes, signature: str) -> Forgery:
    return Forgery(f"Stripe: {what}", "/stripe/webhook", body, {"Stripe-Signature": signature})


def _now() -> str:
    return str(int(time.time()))


def _invoice() -> bytes:
    about: Json = {"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "paid"}
    event = {"id": f"evt_{secrets.token_hex(12)}", "object": "event", "type": "invoice.paid", "data": {"object": about}}
    return json.dumps(event | {"created": int(time.time())}).encode()
