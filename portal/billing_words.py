"""What businesses pay for, in words: amounts, states of subscriptions, limits, and what stands on every page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from konstruct.billing.allowances import MEGABYTE, Allowance
from konstruct.billing.entitlements import Entitlement
from konstruct.billing.plans import FEATURES, LIMITS, Every, Feature, Limit, Plan
from konstruct.billing.standing import GRACE
from konstruct.tables import BillingAccount
from portal.words import Tone

EVERY: Final[Mapping[Every, str]] = {"month": "a month", "year": "a year"}
LIMIT_TITLES: Final[Mapping[Limit, str]] = {
    "employees": "AI employees",
    "connections": "Channels",
    "messages": "Messages this month",
    "seats": "People in the team",
    "knowledge_mb": "Knowledge",
    "retention_days": "Messages are kept",
}
FEATURE_TITLES: Final[Mapping[Feature, str]] = {
    "whatsapp": "WhatsApp",
    "tools": "Tools and actions",
    "own_keys": "Your own model keys",
    "api": "REST API",
    "audit_export": "Export of the audit trail",
}
STATES: Final[Mapping[str, tuple[str, Tone]]] = {
    "none": ("No subscription", "neutral"),
    "trialing": ("Trial", "info"),
    "active": ("Active", "ok"),
    "past_due": ("Payment failed", "warning"),
    "unpaid": ("Unpaid", "danger"),
    "paused": ("Paused", "warning"),
    "canceled": ("Ended", "neutral"),
    "incomplete": ("Not paid yet", "warning"),
    "incomplete_expired": ("No subscription", "neutral"),
}
INVOICES: Final[Mapping[str, tuple[str, Tone]]] = {
    "draft": ("Being prepared", "neutral"),
    "open": ("To be paid", "warning"),
    "paid": ("Paid", "ok"),
    "uncollectible": ("Given up", "danger"),
    "void": ("Void", "neutral"),
}
_WITHOUT_CENTS: Final = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)
"""Currencies whose minor unit is the whole one, by https://docs.stripe.com/currencies#zero-decimal."""
_THOUSANDTHS: Final = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
_SIGNS: Final[Mapping[str, str]] = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
_MARKS: Final = 6
_CARDS: Final[Mapping[str, str]] = {"amex": "American Express", "jcb": "JCB", "unionpay": "UnionPay"}


@dataclass(frozen=True)
class Notice:
    """What holds for the whole business, across every page. Which sentence it is, `layouts/notice.html` says."""

    kind: str
    tone: Tone
    plan: str
    at: datetime | None = None
    """When it happens, or until when something goes on."""
    days: int = 0
    """Until then, the last one begun counting."""


def notice(entitled: Entitlement, now: datetime) -> Notice | None:
    account, banner = entitled.account, entitled.standing.banner
    if account is None or entitled.plan is None:
        return None
    plan = entitled.plan.name
    match banner:
        case "trial":
            return Notice("trial", "info", plan, account.trial_ends_at, days_until(account.trial_ends_at, now))
        case "past_due":
            until = account.past_due_since + GRACE if account.past_due_since else None
            return Notice("past_due", "warning", plan, until, days_until(until, now))
        case "restricted" | "unpaid":
            return Notice("restricted", "danger", plan)
        case "ending":
            return Notice("ending", "warning", plan, account.ends_at, days_until(account.ends_at, now))
        case "paused" | "incomplete":
            return Notice(banner, "warning", plan)
        case _:
            # One that has ended is told of on the page of billing alone: it may stay so for years.
            return None


def days_until(moment: datetime | None, now: datetime) -> int:
    return max(0, math.ceil((moment - now) / timedelta(days=1))) if moment else 0


def in_days(days: int) -> str:
    return "today" if not days else "one day left" if days == 1 else f"{days} days left"


def state(entitled: Entitlement) -> tuple[str, Tone]:
    """The badge of a subscription."""
    account, banner = entitled.account, entitled.standing.banner
    if account is None:
        return "Not billed", "neutral"
    if banner == "ending":
        return "Ends with the period", "warning"
    if banner == "restricted":
        return "Payment overdue", "danger"
    if banner == "ended":
        return STATES["canceled"]
    return STATES[account.status]


def amount(minor: int, currency: str) -> str:
    """``$49.00``, ``¥4,900``, ``CHF 12.50``: of minor units, exactly."""
    places = 0 if currency in _WITHOUT_CENTS else 3 if currency in _THOUSANDTHS else 2
    exact = Decimal(abs(minor)).scaleb(-places)
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return f"{'−' if minor < 0 else ''}{sign}{exact:,.{places}f}"


def price(minor: int, currency: str) -> str:
    """As prices are written: whole where it is whole."""
    written = amount(minor, currency)
    return written.removesuffix(".00")


def monthly(plan: Plan, every: Every) -> str | None:
    """What a month comes to where it is paid yearly, rounded up to a whole minor unit."""
    found = plan.prices.get(every)
    return price(-(-found.amount // 12), plan.currency) if found is not None and every == "year" else None


def saved(plan: Plan) -> int:
    """How many percent a year costs less than twelve months; none where there are not both."""
    month, year = plan.prices.get("month"), plan.prices.get("year")
    if month is None or year is None or not month.amount:
        return 0
    return max(0, 100 - -(-100 * year.amount // (12 * month.amount)))


def most(limit: Limit, number: int | None) -> str:
    """What a plan includes, as it stands in a list of it."""
    match limit:
        case "employees":
            return _many(number, "AI employee", "AI employees")
        case "connections":
            return _many(number, "channel", "channels")
        case "messages":
            return f"{_many(number, 'message', 'messages')} a month"
        case "seats":
            return _many(number, "person in the team", "people in the team")
        case "knowledge_mb":
            return "Unlimited knowledge" if number is None else f"{_bytes(number * MEGABYTE)} of knowledge"
        case "retention_days":
            return "Messages kept as long as you say" if number is None else f"Messages kept for {days(number)}"


def includes(plan: Plan) -> Sequence[tuple[str, bool]]:
    """All that plans differ in, and whether this one has it."""
    limits = [(most(limit, plan.limits.of(limit)), True) for limit in LIMITS]
    return [*limits, *((FEATURE_TITLES[feature], feature in plan.features) for feature in FEATURES)]


def used(of: Allowance) -> str:
    """``3 of 5``."""
    if of.limit == "retention_days":
        return "for good" if of.used is None else f"for {days(of.used)}"
    shown = _bytes if of.limit == "knowledge_mb" else _count
    return shown(of.used or 0) if of.most is None else f"{shown(of.used or 0)} of {shown(of.most)}"


def strain(of: Allowance) -> tuple[str, Tone] | None:
    """The badge of what comes near its limit. Of messages the last is the end; the last seat is just taken."""
    if of.is_over:
        return "More than the plan has", "danger" if of.percent is not None else "warning"
    if of.is_full:
        return ("Used up", "danger") if of.limit == "messages" else ("All in use", "warning")
    return (f"{of.percent}% used", "warning") if of.is_near else None


def tone(of: Allowance) -> str:
    """Of its bar."""
    said = strain(of)
    return "" if said is None else "over" if said[1] == "danger" else "near"


def lost(used: Sequence[Allowance], entitled: Entitlement, plan: Plan) -> list[str]:
    """What a tenant has now and this plan does not include."""
    found = []
    for each in used:
        limit = plan.limits.of(each.limit)
        if each.limit in ("messages", "retention_days") or limit is None or each.used is None:
            continue
        counted = limit * MEGABYTE if each.limit == "knowledge_mb" else limit
        if each.used > counted:
            shown = _bytes if each.limit == "knowledge_mb" else _count
            found.append(f"{LIMIT_TITLES[each.limit]}: {shown(each.used)} now, {shown(counted)} then.")
    gone = [FEATURE_TITLES[each] for each in FEATURES if each in entitled.features - plan.features]
    return [*found, *([f"{', '.join(gone)}."] if gone else [])]


def mark(account: BillingAccount) -> str:
    """What an account is like before somebody goes to Stripe, as it goes with them in an address."""
    card = account.detail.get("card") or {}
    ends = "ends" if account.ends_at is not None else ""
    return ":".join(
        (account.plan, account.billed_every or "", account.status, ends, account.next_plan or "", card.get("last4", ""))
    )


def changed(was: str, now: Entitlement) -> str | None:
    """What somebody did at Stripe, as far as it can be told by what is different from ``mark``."""
    before, account = was.split(":"), now.account
    if account is None or now.plan is None or len(before) != _MARKS:
        return None
    after, name = mark(account).split(":"), now.plan.name
    if before[:2] != after[:2]:
        return f"{name} holds from now on."
    if before[2] in ("past_due", "unpaid") and after[2] == "active":
        return "Thank you, it is paid. Everything is as before."
    if before[3] != after[3]:
        return f"{name} ends with its period. Until then everything stays." if after[3] else f"{name} goes on."
    if before[4] != after[4]:
        return "The plan changes when the period ends. Until then everything stays." if after[4] else f"{name} goes on."
    return "The card was changed." if before[5] != after[5] else None


def days(number: int) -> str:
    if number >= 365 and number % 365 == 0:
        return _many(number // 365, "year", "years")
    return _many(number, "day", "days")


def card(account: BillingAccount) -> str | None:
    found = account.detail.get("card")
    if not found:
        return None
    brand = str(found.get("brand"))
    return f"{_CARDS.get(brand, brand.capitalize())} ending in {found.get('last4')}"


def _count(number: int) -> str:
    return f"{number:,}"


def _many(number: int | None, one: str, more: str) -> str:
    if number is None:
        return f"Unlimited {more}"
    return f"{number:,} {one if number == 1 else more}"


def _bytes(number: int) -> str:
    """Whole megabytes and gigabytes as they are; else with one digit, never rounded to what a limit is not."""
    for size, unit in ((1_000 * MEGABYTE, "GB"), (MEGABYTE, "MB")):
        if number >= size:
            tenths = 10 * number // size
            return f"{tenths // 10:,}{f'.{tenths % 10}' if tenths % 10 else ''} {unit}"
    return f"{number / MEGABYTE:.1f} MB" if number >= MEGABYTE // 10 else f"{-(-number // 1000)} kB"
