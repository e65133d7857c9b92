"""The first subscription: a page at Stripe to pay at, and what is done once somebody comes back from there."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlmodel import select

from konstruct import audit
from konstruct.billing import plans, subscriptions
from konstruct.billing.plans import Every
from konstruct.billing_ports import Hosted, Payments
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound, PaymentsRefused
from konstruct.tables import BillingAccount, Tenant
from konstruct.tables.base import utc_now

SESSION_ID: Final = "{CHECKOUT_SESSION_ID}"
"""Where it stands in an address, Stripe puts the session's id."""
_SESSION: Final = re.compile(r"cs_[A-Za-z0-9_]{1,200}")


@dataclass(frozen=True)
class Buyer:
    """Who stands at the till."""

    actor: str
    email: str


@dataclass(frozen=True)
class Urls:
    success: str
    """With ``SESSION_ID`` in it."""
    cancel: str


async def open(
    database: Database, payments: Payments, tenant_id: UUID, plan_key: str, every: Every, who: Buyer, urls: Urls
) -> Hosted:
    """At most one is open for a tenant: the latest.

    Raises:
        BadInput: there is no such plan, or it has no price.
        Conflict: it has a subscription, or is not billed.
        PaymentsUnavailable, PaymentsRefused
    """
    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed(await subscriptions.locked(session))
        plan = plans.for_sale(await plans.listed(session), plan_key, every)
        earlier = account.checkout_session_id
    customer_id = await _customer(database, payments, tenant_id, who)
    if earlier is not None:
        # Before it is looked whether there is a subscription: none can come of it afterwards.
        await payments.close_checkout(earlier)
    seen = await subscriptions.sync(database, payments, tenant_id)
    if seen is None or seen.customer_id != customer_id:
        raise Conflict("The customer was removed at Stripe just now. Try again.")
    _must_have_none(seen)
    opened = await payments.open_checkout(
        customer_id,
        plans.lookup_keys(plan, every),
        tenant_id=tenant_id,
        trial_days=0 if seen.had_trial else plan.trial_days,
        success_url=urls.success,
        cancel_url=urls.cancel,
        # Whoever presses twice gets the same page; an hour later it is another, as pages expire.
        attempt=f"checkout/{tenant_id}/{earlier}/{plan_key}/{every}/{utc_now():%Y-%m-%d %H}",
    )
    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed(await subscriptions.locked(session))
        replaced, account.checkout_session_id = account.checkout_session_id, opened.id
        audit.record(
            session, tenant_id=tenant_id, actor=who.actor, action="billing.checkout_opened", plan=plan_key, every=every
        )
    if replaced is not None and replaced not in (earlier, opened.id):
        await _close_rival(payments, replaced, opened)
    return opened


async def _close_rival(payments: Payments, rival: str, opened: Hosted) -> None:
    """Somebody else opened one in the same moment: the later one stays, unless the other was paid already."""
    await payments.close_checkout(rival)
    if (await payments.checkout(rival)).status == "complete":
        await payments.close_checkout(opened.id)
        raise Conflict("Somebody else has just subscribed for this business. Look at its plan again.")


async def done(database: Database, payments: Payments, tenant_id: UUID, session_id: str) -> BillingAccount:
    """Whoever paid is back: has the row say what Stripe says, without waiting for its webhook.

    Raises:
        NotFound: no page of this tenant's.
        PaymentsUnavailable, PaymentsRefused
    """
    async with database.tenant_session(tenant_id) as session:
        account = (await session.scalars(select(BillingAccount))).one_or_none()
    customer_id = account.customer_id if account else None
    if customer_id is None or not _SESSION.fullmatch(session_id):
        raise NotFound("There is no such payment.")
    try:
        found = await payments.checkout(session_id)
    except PaymentsRefused as error:
        if error.code == "resource_missing":
            raise NotFound("There is no such payment.") from error
        raise
    if found.customer_id != customer_id:
        raise NotFound("There is no such payment.")
    synced = await subscriptions.sync(database, payments, tenant_id)
    if synced is None:
        raise NotFound("There is no such payment.")
    return synced


def _must_have_none(account: BillingAccount) -> None:
    if account.status in subscriptions.LIVE:
        raise Conflict("There is a subscription already: change it instead of beginning another.")


async def _customer(database: Database, payments: Payments, tenant_id: UUID, who: Buyer) -> str:
    """Made when it is first needed, and once."""
    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed(await subscriptions.locked(session))
        if account.customer_id is not None:
            return account.customer_id
        tenant = (await session.scalars(select(Tenant))).one()
        # Looks are counted while there is a customer alone: after one was deleted, this is another attempt.
        name, attempt = tenant.name, f"customer/{tenant_id}/{account.asked}"
    made = await payments.make_customer(tenant_id, name, who.email, attempt=attempt)
    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed(await subscriptions.locked(session))
        if account.customer_id is None:
            account.customer_id = made
            audit.record(
                session, tenant_id=tenant_id, actor=who.actor, action="billing.customer_made", customer_id=made
            )
        return account.customer_id
