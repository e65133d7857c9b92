"""What a subscription's state lets its tenant have: one table, which gateway, workflows and portal all go by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from konstruct.tables import BillingAccount

Level = Literal["unlimited", "full", "grace", "restricted", "free"]
Banner = Literal["", "trial", "past_due", "restricted", "ending", "ended", "paused", "unpaid", "incomplete"]

GRACE: Final = timedelta(days=7)
"""For so long after the invoice that was not paid, everything goes on."""


@dataclass(frozen=True)
class Standing:
    level: Level
    banner: Banner = ""

    @property
    def has_plan(self) -> bool:
        """Whether the plan's own limits and features hold; else those of the free plan do."""
        return self.level in ("full", "grace")

    @property
    def may_add(self) -> bool:
        """Whether anything may be added at all: not while an invoice is long overdue."""
        return self.level != "restricted"


UNBILLED: Final = Standing("unlimited")

TABLE: Final[dict[str, Standing]] = {
    "none": Standing("free"),
    "trialing": Standing("full", "trial"),
    "active": Standing("full"),
    "past_due": Standing("grace", "past_due"),
    "past_due, after grace": Standing("restricted", "restricted"),
    "ending": Standing("full", "ending"),
    "unpaid": Standing("restricted", "unpaid"),
    "paused": Standing("free", "paused"),
    "canceled": Standing("free", "ended"),
    # The first payment was not made, so nothing was ever given.
    "incomplete": Standing("free", "incomplete"),
    "incomplete_expired": Standing("free"),
}
"""By the subscription's status, as Stripe names it, and what time has made of it."""


def standing(account: BillingAccount | None, now: datetime) -> Standing:
    """Of a tenant, from what is known of it; whether Stripe answers just now changes nothing."""
    return UNBILLED if account is None else TABLE[_state(account, now)]


def _state(account: BillingAccount, now: datetime) -> str:
    if account.status == "past_due" and account.past_due_since and now >= account.past_due_since + GRACE:
        return "past_due, after grace"
    if account.status in ("trialing", "active") and account.ends_at is not None:
        # Stripe may tell of the end late; that it was to end then is known all the same.
        return "canceled" if now >= account.ends_at else "ending"
    return account.status
