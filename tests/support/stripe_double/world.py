"""What the pretended Stripe holds: objects as the API shows them, what time it is for each, and events of all changes.

- Ids begin with what they are of; times are whole seconds: https://docs.stripe.com/api
- Events keep the object as it was, and what of it was different before: https://docs.stripe.com/api/events/object
- Whoever is attached to a test clock lives in its time: https://docs.stripe.com/billing/testing/test-clocks
"""

import copy
import secrets
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.support.stripe_double.wire import Json, missing, shown

API_VERSION: Final = "2026-10-28.endive"
_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass
class Rules:
    """What a Stripe account sets in its dashboard."""

    retry_days: tuple[int, ...] = (3, 5, 7)
    """Between one attempt at a renewal's payment and the next."""
    after_retries: str = "canceled"
    """Or `unpaid`, or `past_due`: https://docs.stripe.com/billing/revenue-recovery/smart-retries"""
    billing_mode: str = "flexible"
    """Or `classic`. In the flexible mode a cancellation in the Billing Portal sets `cancel_at` and leaves
    `cancel_at_period_end` false: https://docs.stripe.com/billing/subscriptions/billing-mode/compare"""
    retries_on_new_card: bool = False
    """Whether a card that somebody gives in the portal is charged for what is open."""


@dataclass
class Asked:
    """The request that is being answered, for the events it causes."""

    id: str | None = None
    idempotency_key: str | None = None


@dataclass
class World:
    rules: Rules = field(default_factory=Rules)
    base_url: str = ""
    objects: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    declined: dict[str, str] = field(default_factory=dict)
    """By customer: why every payment of theirs fails."""
    asked: Asked = field(default_factory=Asked)
    on_event: list[Callable[[Json], None]] = field(default_factory=list)
    on_deleted_customer: list[Callable[["World", Json], None]] = field(default_factory=list)
    ahead: int = 0
    """How far the account's own time is ahead of this machine's."""
    frozen: int | None = None
    _meant: dict[str | None, int] = field(default_factory=dict)
    """While a clock advances: the moment it has come to."""

    def now(self, clock: str | None = None) -> int:
        """Of a test clock, or of the account itself."""
        if clock in self._meant:
            return self._meant[clock]
        if clock is not None:
            return int(self.objects[clock]["frozen_time"])
        return self.frozen if self.frozen is not None else int(time.time()) + self.ahead

    def set_time(self, moment: int) -> None:
        """The account's own."""
        if self.frozen is not None:
            self.frozen = moment
        else:
            self.ahead = max(self.ahead, moment - int(time.time()))

    def now_of(self, customer: str | None) -> int:
        return self.now(self.clock_of(customer))

    def clock_of(self, customer: str | None) -> str | None:
        held = self.objects.get(customer or "")
        return held.get("test_clock") if held else None

    @contextmanager
    def at(self, clock: str | None, moment: int) -> Iterator[None]:
        self._meant[clock] = moment
        try:
            yield
        finally:
            del self._meant[clock]

    def add(self, prefix: str, kind: str, clock: str | None = None, *, is_long: bool = True, **fields: object) -> Json:
        made: Json = {
            "id": f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(24 if is_long else 14))}",
            "object": kind,
            "created": self.now(clock),
            "livemode": False,
            **fields,
        }
        self.objects[made["id"]] = made
        return made

    def line_id(self) -> str:
        return f"il_{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"

    def find(self, kind: str, given: object, *, param: str = "id", status: int = 400) -> Json:
        held = self.objects.get(str(given))
        if held is None or held["object"] != kind:
            raise missing(kind.rpartition(".")[2], given, param=param, status=status)
        return held

    def all_of(self, kind: str, **fields: object) -> list[Json]:
        return [
            each
            for each in self.objects.values()
            if each["object"] == kind and all(each.get(name) == value for name, value in fields.items())
        ]

    def emit(self, kind: str, about: Json, previous: Json | None = None) -> Json:
        customer = about["id"] if about["object"] == "customer" else about.get("customer")
        event = self.add(
            "evt",
            "event",
            self.clock_of(customer),
            api_version=API_VERSION,
            data={"object": shown(about)} | ({"previous_attributes": previous} if previous is not None else {}),
            pending_webhooks=1,
            request={"id": self.asked.id, "idempotency_key": self.asked.idempotency_key},
            type=kind,
        )
        self.events.append(event)
        for tell in self.on_event:
            tell(event)
        return event

    @contextmanager
    def changing(self, held: Json, kind: str | None = None) -> Iterator[None]:
        """Tells in an event what is different after it, if anything is."""
        before = shown(copy.deepcopy(held))
        yield
        after = shown(held)
        previous = {name: before.get(name) for name in after if before.get(name) != after[name]}
        if previous:
            family = "customer.subscription" if held["object"] == "subscription" else held["object"]
            self.emit(kind or f"{family}.updated", held, previous)


def merge_metadata(held: Json, given: Json | str | None) -> None:
    """An empty value takes a key away, an empty string all of them: https://docs.stripe.com/api/metadata"""
    if given == "":
        held["metadata"] = {}
    elif isinstance(given, dict):
        merged = {**(held.get("metadata") or {}), **given}
        held["metadata"] = {name: value for name, value in merged.items() if value != ""}
