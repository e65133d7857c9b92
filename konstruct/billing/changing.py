"""Changing a subscription: what it would cost, Stripe's pages where it is done, and going on after a cancellation."""

import secrets
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlmodel import select

from konstruct import audit
from konstruct.billing import plans, subscriptions
from konstruct.billing.plans import Every
from konstruct.billing_ports import Flow, Hosted, InvoiceFacts, Payments, Preview
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now

Visit = Literal["home", "change", "cancel", "card"]

_SHOWN_FOR: Final = timedelta(minutes=15)
"""For so long what a change was shown to cost is what it costs."""
_NO_SUBSCRIPTION: Final = "There is no subscription to change: choose a plan first."


async def preview(
    database: Database,
    payments: Payments,
    tenant_id: UUID,
    plan_key: str,
    every: Every,
    *,
    now: datetime | None = None,
) -> Preview:
    """What changing to a plan would cost at once. Where it waits for the end of the period, ``at`` is that, and
    nothing is due.

    Raises:
        BadInput: there is no such plan, or it has no price, or it is this one.
        Conflict: there is no subscription.
        PaymentsUnavailable, PaymentsRefused
    """
    account, keys = await _asked(database, tenant_id, plan_key, every)
    return await payments.preview_change(_subscription(account), keys, now or utc_now())


async def portal(
    database: Database,
    payments: Payments,
    tenant_id: UUID,
    visit: Visit,
    *,
    actor: str,
    return_url: str,
    plan_key: str | None = None,
    every: Every | None = None,
    shown_at: datetime | None = None,
) -> Hosted:
    """Stripe's pages, for one purpose or, as ``home``, for all. A ``change`` needs ``plan_key`` and ``every``.

    Where Stripe's portal cannot make a change, it is made by this: see ``Preview.is_asked_there``. What leads on is
    then ``return_url``, or where it is to be paid, and it costs what was shown at ``shown_at``, if that was just now.

    Raises:
        BadInput: of the plan, as for ``preview``.
        Conflict: there is no subscription for it, or, as ``cancel``, it is to end already.
        PaymentsUnavailable, PaymentsRefused
    """
    keys: list[str] = []
    if visit == "change":
        account, keys = await _asked(database, tenant_id, plan_key or "", every or "month")
    else:
        account = await _account(database, tenant_id)
    # Pages that nobody is sent to do nothing, and a change that was made is none any more: each visit is its own.
    attempt, customer_id = f"portal/{tenant_id}/{secrets.token_hex(8)}", account.customer_id
    if customer_id is None:
        raise Conflict(_NO_SUBSCRIPTION)
    if visit == "change":
        at, subscription_id = _counted_from(shown_at), _subscription(account)
        opened = await payments.change(
            customer_id, subscription_id, keys, at=at, return_url=return_url, attempt=attempt
        )
    else:
        flow = _flow(account, visit)
        opened = await payments.open_portal(customer_id, return_url=return_url, flow=flow, attempt=attempt)
    async with database.tenant_session(tenant_id) as session:
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action="billing.portal_opened",
            purpose=visit,
            plan=plan_key,
            every=every,
        )
    return opened


async def resume(database: Database, payments: Payments, tenant_id: UUID, *, actor: str) -> BillingAccount:
    """It goes on as it is: it neither ends with its period nor changes then.

    Raises:
        Conflict: nothing of the kind is to come.
        PaymentsUnavailable, PaymentsRefused
    """
    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed(await subscriptions.locked(session))
        subscription_id, number = _subscription(account), account.asked
        if account.ends_at is None and account.next_plan is None:
            raise Conflict("The subscription goes on anyway.")
    await payments.resume(subscription_id, attempt=f"resume/{tenant_id}/{subscription_id}/{number}")
    async with database.tenant_session(tenant_id) as session:
        audit.record(
            session, tenant_id=tenant_id, actor=actor, action="billing.resumed", subscription_id=subscription_id
        )
    synced = await subscriptions.sync(database, payments, tenant_id)
    return subscriptions.billed(synced)


async def next_invoice(database: Database, payments: Payments, tenant_id: UUID) -> Preview | None:
    """What is charged next, where something is. Raises PaymentsUnavailable, PaymentsRefused."""
    account = await _account(database, tenant_id)
    if account.subscription_id is None or account.status not in subscriptions.LIVE:
        return None
    return await payments.next_invoice(account.subscription_id)


async def invoices(database: Database, payments: Payments, tenant_id: UUID) -> list[InvoiceFacts]:
    """The newest first. Raises PaymentsUnavailable, PaymentsRefused."""
    account = await _account(database, tenant_id)
    return [] if account.customer_id is None else await payments.invoices(account.customer_id)


async def _account(database: Database, tenant_id: UUID) -> BillingAccount:
    async with database.tenant_session(tenant_id) as session:
        return subscriptions.billed((await session.scalars(select(BillingAccount))).one_or_none())


async def _asked(database: Database, tenant_id: UUID, plan_key: str, every: Every) -> tuple[BillingAccount, list[str]]:
    """The account, and the prices that it is to change to, the plan's own first."""
    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed((await session.scalars(select(BillingAccount))).one_or_none())
        plan = plans.for_sale(await plans.listed(session), plan_key, every)
    _subscription(account)
    if (account.plan, account.billed_every) == (plan_key, every):
        raise BadInput("This is the plan that the business has already.")
    return account, plans.lookup_keys(plan, every)


def _counted_from(shown_at: datetime | None) -> datetime:
    """Nobody chooses the moment by which they pay."""
    now = utc_now()
    return shown_at if shown_at is not None and now - _SHOWN_FOR <= shown_at <= now else now


def _subscription(account: BillingAccount) -> str:
    if account.subscription_id is None or account.status not in subscriptions.LIVE:
        raise Conflict(_NO_SUBSCRIPTION)
    return account.subscription_id


def _flow(account: BillingAccount, visit: Visit) -> Flow | None:
    if visit == "cancel":
        subscription_id = _subscription(account)
        if account.ends_at is not None:
            raise Conflict("The subscription is to end already.")
        return Flow("cancel", subscription_id)
    return Flow("card") if visit == "card" else None
