"""What Stripe says of a tenant, written to its row. The row is made anew from one look; no event's content is believed.

Looks are numbered in the order in which they began, and one that began earlier never replaces what a later one found:
whatever happens at Stripe after a look began is told by an event of its own, which has it looked at again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import audit
from konstruct.billing import plans
from konstruct.billing.plans import FREE, Plan
from konstruct.billing_ports import CustomerFacts, InvoiceFacts, Payments, SubscriptionFacts
from konstruct.db import Database
from konstruct.errors import Conflict, PaymentsRefused, PaymentsUnavailable
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now

ACTOR: Final = "stripe"
LIVE: Final = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})
"""What a subscription is called while there is one to change, and no other to begin."""

_UNPAID: Final = frozenset({"past_due", "unpaid"})
_TOLD: Final = (
    *("plan", "status", "billed_every", "subscription_id", "trial_ends_at", "period_end"),
    *("ends_at", "next_plan", "next_plan_at", "past_due_since"),
)
"""What the trail has of a change; the rest is only shown."""


async def locked(session: AsyncSession) -> BillingAccount | None:
    """Of the session's tenant, so that what is decided by it still holds when that is written."""
    return (await session.scalars(select(BillingAccount).with_for_update())).one_or_none()


def billed(account: BillingAccount | None) -> BillingAccount:
    """Raises Conflict where the tenant is not billed."""
    if account is None:
        raise Conflict("This business is not billed here: there is no plan to choose, and no limit.")
    return account


async def sync(database: Database, payments: Payments, tenant_id: UUID) -> BillingAccount | None:
    """Has the row say what Stripe says now. None where the tenant is not billed, or is no customer of Stripe's yet.

    Raises:
        PaymentsUnavailable, PaymentsRefused: what was known before holds, and the row says why.
    """
    async with database.tenant_session(tenant_id) as session:
        account = await locked(session)
        if account is None or account.customer_id is None:
            return None
        account.asked += 1
        number, customer_id = account.asked, account.customer_id
    try:
        found = await payments.look(customer_id)
    except (PaymentsUnavailable, PaymentsRefused) as error:
        await _note(database, tenant_id, number, str(error))
        raise
    async with database.tenant_session(tenant_id) as session:
        account = await locked(session)
        # Another customer took the place of one that was deleted meanwhile.
        if account is not None and number > account.applied and account.customer_id == customer_id:
            _apply(session, account, await plans.listed(session), found)
            account.applied, account.synced_at = number, utc_now()
        return account


async def _note(database: Database, tenant_id: UUID, number: int, problem: str) -> None:
    async with database.tenant_session(tenant_id) as session:
        account = await locked(session)
        if account is not None and number > account.applied:
            account.problem = problem


def _apply(session: AsyncSession, account: BillingAccount, offered: list[Plan], found: CustomerFacts) -> None:
    before = {name: getattr(account, name) for name in _TOLD}
    for name, value in _row(account, offered, found).items():
        if getattr(account, name) != value:
            setattr(account, name, value)
    changes = {
        name: {"before": _plain(before[name]), "after": _plain(getattr(account, name))}
        for name in _TOLD
        if before[name] != getattr(account, name)
    }
    if changes:
        audit.record(session, tenant_id=account.tenant_id, actor=ACTOR, action="billing.changed", changes=changes)


def _row(account: BillingAccount, offered: list[Plan], found: CustomerFacts) -> dict[str, Any]:
    one = found.subscription
    values = _of_none() if one is None else _of(one, offered)
    if found.is_deleted:
        # Its next subscription is another customer's.
        values |= {"customer_id": None, "status": "canceled" if account.subscription_id else "none"}
    if values["plan"] is None:
        # A price that is taken from the plans is not taken from those who pay it.
        values["plan"] = account.plan
    values["had_trial"] = account.had_trial or found.had_trial
    values["detail"] = _detail(one, found.others)
    return values


def _of_none() -> dict[str, Any]:
    empty = ("subscription_id", "billed_every", "trial_ends_at", "period_start", "period_end", "ends_at")
    more = ("next_plan", "next_plan_at", "past_due_since", "problem")
    return {"plan": FREE, "status": "none"} | dict.fromkeys((*empty, *more))


def _of(one: SubscriptionFacts, offered: list[Plan]) -> dict[str, Any]:
    known, coming = plans.of_price(offered, one.lookup_key), plans.of_price(offered, one.next_lookup_key)
    problem = None if known else "No plan has the price of its subscription at Stripe: what was known before holds."
    return {
        "plan": known[0].key if known else None,
        "billed_every": known[1] if known else None,
        "status": one.status,
        "subscription_id": one.subscription_id,
        "trial_ends_at": one.trial_ends_at,
        "period_start": one.period_start,
        "period_end": one.period_end,
        "ends_at": one.ends_at,
        "next_plan": coming[0].key if coming else None,
        "next_plan_at": one.next_at if coming else None,
        "past_due_since": one.unpaid_since if one.status in _UNPAID else None,
        "problem": problem,
    }


def _detail(one: SubscriptionFacts | None, others: Sequence[str]) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if one is not None and one.card_last4:
        detail["card"] = {"brand": one.card_brand, "last4": one.card_last4}
    if one is not None and one.latest_invoice is not None:
        detail["invoice"] = _invoice(one.latest_invoice)
    if others:
        detail["others"] = list(others)
    return detail


def _invoice(invoice: InvoiceFacts) -> dict[str, Any]:
    return {
        "id": invoice.invoice_id,
        "number": invoice.number,
        "status": invoice.status,
        "amount_due": invoice.amount_due,
        "amount_paid": invoice.amount_paid,
        "currency": invoice.currency,
        "created_at": invoice.created_at.isoformat(),
        "page": invoice.page,
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
