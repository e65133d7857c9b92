"""What Stripe's objects tell, read from their JSON. No calls."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from konstruct.billing_ports import InvoiceFacts, Line, Preview, SubscriptionFacts

Json = Mapping[str, Any]

KEPT_LOOKUP_KEY: Final = "konstruct_lookup_key"
"""In a price's metadata: what it was called when it was made. The lookup key itself goes over to the price that takes
its place, and those who pay the old one are still of the same plan."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
ENDED: Final = frozenset({"canceled", "incomplete_expired"})
LIVE: Final = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})
_LENGTHS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def certain(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def page_at(found: str | None) -> str | None:
    """An address that people are led to: none where their browser would not be asking Stripe, or a double of it that
    runs on this machine, under a certificate."""
    place = urlsplit(found or "")
    is_safe = place.scheme == "https" or (place.scheme == "http" and place.hostname in LOOPBACK)
    return found if is_safe and place.hostname else None


def id_of(found: str | Json | None) -> str | None:
    """Of what may have been expanded."""
    if found is None or isinstance(found, str):
        return found
    return str(found["id"])


def lookup_key(price: Json) -> str | None:
    found = price.get("lookup_key") or (price.get("metadata") or {}).get(KEPT_LOOKUP_KEY)
    return str(found) if found else None


def licensed(subscription: Json) -> Json:
    """The item that is the plan, beside which there may be one that is billed by use."""
    items: Sequence[Json] = subscription["items"]["data"]
    return next((item for item in items if not is_metered(item["price"])), items[0])


def is_metered(price: Json) -> bool:
    return bool((price.get("recurring") or {}).get("usage_type") == "metered")


def counting(subscriptions: Iterable[Json]) -> list[Json]:
    """That which counts first: a live one before one whose first payment is awaited, then those that ended, the newest
    of them first."""

    def rank(one: Json) -> tuple[int, int, str]:
        order = 0 if one["status"] in LIVE else 1 if one["status"] == "incomplete" else 2
        return order, -int(one["created"]), str(one["id"])

    return sorted(subscriptions, key=rank)


def subscription_facts(
    found: Json, *, card: Json | None, next_key: str | None, next_at: int | None, unpaid_since: int | None
) -> SubscriptionFacts:
    item = licensed(found)
    latest = found.get("latest_invoice")
    ends = found.get("ended_at") or found.get("cancel_at")
    if ends is None and found.get("cancel_at_period_end"):
        ends = item["current_period_end"]
    return SubscriptionFacts(
        subscription_id=found["id"],
        status=found["status"],
        lookup_key=lookup_key(item["price"]),
        trial_ends_at=moment(found.get("trial_end")),
        period_start=moment(item.get("current_period_start")),
        period_end=moment(item.get("current_period_end")),
        ends_at=moment(ends),
        next_lookup_key=next_key,
        next_at=moment(next_at),
        card_brand=card["brand"] if card else None,
        card_last4=card["last4"] if card else None,
        latest_invoice=invoice_facts(latest) if isinstance(latest, Mapping) else None,
        unpaid_since=moment(unpaid_since),
    )


def arranged(subscription: Json) -> Json | None:
    """Its schedule, which has to be expanded, while it goes by it."""
    schedule = subscription.get("schedule")
    if not isinstance(schedule, Mapping) or schedule["status"] not in ("active", "not_started"):
        return None
    return schedule


def coming(subscription: Json) -> tuple[str, int] | None:
    """Which price it changes to by its schedule, by id, and when."""
    schedule = arranged(subscription)
    if schedule is None:
        return None
    current = schedule.get("current_phase") or {}
    ends = current.get("end_date")
    later = [phase for phase in schedule["phases"] if ends is not None and phase["start_date"] >= ends]
    if not later:
        return None
    phase = min(later, key=lambda each: int(each["start_date"]))
    held = {id_of(item["price"]) for item in subscription["items"]["data"]}
    changed = [price for item in phase["items"] if (price := id_of(item["price"])) and price not in held]
    return (changed[0], int(phase["start_date"])) if changed else None


def invoice_facts(found: Json) -> InvoiceFacts:
    return InvoiceFacts(
        invoice_id=found["id"],
        number=found.get("number"),
        status=found["status"],
        amount_due=found["amount_due"],
        amount_paid=found["amount_paid"],
        currency=found["currency"],
        created_at=certain(found["created"]),
        page=page_at(found.get("hosted_invoice_url")),
        pdf=page_at(found.get("invoice_pdf")),
    )


def preview(invoice: Json, at: datetime, *, is_asked_there: bool = True) -> Preview:
    lines = [Line(str(line.get("description") or ""), int(line["amount"])) for line in invoice["lines"]["data"]]
    return Preview(
        due=invoice["amount_due"], currency=invoice["currency"], at=at, lines=lines, is_asked_there=is_asked_there
    )


def within_period(item: Json, at: datetime) -> int | None:
    """When what is left of the period is counted from. None where a clock is wrong, ours or a test's, and Stripe goes
    by its own."""
    seconds = int(at.timestamp())
    return seconds if item["current_period_start"] <= seconds <= item["current_period_end"] else None


def waits(old: Json, new: Json) -> bool:
    """Whether the portal makes this change at the end of the period: it is to a shorter interval, or costs less. The
    conditions are those of its configuration: see ``stripe_catalog``."""
    if _length(new) != _length(old):
        return _length(new) < _length(old)
    return bool((new.get("unit_amount") or 0) < (old.get("unit_amount") or 0))


def interval(price: Json) -> tuple[str, int]:
    recurring = price["recurring"]
    return str(recurring["interval"]), int(recurring["interval_count"])


def _length(price: Json) -> int:
    name, count = interval(price)
    return _LENGTHS[name] * count
