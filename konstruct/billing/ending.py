"""The end of what a business pays, when the business itself is deleted: nobody is left to cancel it."""

from typing import Final
from uuid import UUID

import structlog
from sqlmodel import select

from konstruct.billing_ports import Payments
from konstruct.db import Database
from konstruct.errors import PaymentsRefused
from konstruct.tables import BillingAccount

_UNKNOWN: Final = "resource_missing"

log = structlog.get_logger(__name__)


async def end(database: Database, payments: Payments | None, tenant_id: UUID) -> None:
    """Ends its subscriptions at Stripe, at once, before what is known of them is removed.

    Raises:
        PaymentsUnavailable, PaymentsRefused: they may go on, so it is to be tried again.
    """
    async with database.tenant_session(tenant_id) as session:
        account = (await session.scalars(select(BillingAccount))).one_or_none()
    if account is None or account.customer_id is None:
        return
    if payments is None:
        # Whoever took the key out of the settings has to see to it at Stripe. What is to be removed does not wait.
        log.warning("subscription_not_ended", tenant_id=str(tenant_id), customer_id=account.customer_id)
        return
    if account.checkout_session_id is not None:
        try:
            await payments.close_checkout(account.checkout_session_id)
        except PaymentsRefused as error:
            if error.code != _UNKNOWN:
                raise
    try:
        await payments.end_all(account.customer_id)
    except PaymentsRefused as error:
        # A customer who was deleted there pays nothing any more.
        if error.code != _UNKNOWN:
            raise
