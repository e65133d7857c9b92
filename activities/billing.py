"""Payments in the background: subscriptions are compared with what Stripe says, and use is told there."""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct.billing import events, metering, reconciling, subscriptions
from konstruct.billing_ports import Payments
from konstruct.contracts.billing import Metered, Reconciled, SubscriptionState
from konstruct.db import Database
from konstruct.errors import KonstructError, Misconfigured, PaymentsUnavailable

TENANTS_AT_ONCE: Final = 4
"""That are compared side by side: Stripe takes so many requests a second, and people come first."""
TENANTS_IN_A_PAGE: Final = 20
SENDS_IN_A_RUN: Final = 50
"""Of one tenant; the next run goes on, and others have their turn before."""

log = structlog.get_logger(__name__)


class Billing:
    def __init__(self, database: Database, payments: Payments | None) -> None:
        """``payments``: None where nobody is billed."""
        self._database = database
        self._payments = payments
        self._room = asyncio.Semaphore(TENANTS_AT_ONCE)

    @activity.defn(name="sync_subscription")
    async def sync_subscription(self, state: SubscriptionState) -> None:
        """Looks at Stripe, and then settles what it had told of until that look began."""
        if self._payments is None:
            raise Misconfigured("KONSTRUCT_STRIPE_SECRET_KEY is not set, so Stripe cannot be asked.")
        async with heartbeat():
            async with self._database.tenant_session(state.tenant_id) as session:
                until = await events.now(session)
            await subscriptions.sync(self._database, self._payments, state.tenant_id)
            async with self._database.tenant_session(state.tenant_id) as session:
                await events.settle(session, until)

    @activity.defn(name="reconcile_subscriptions")
    async def reconcile_subscriptions(self) -> Reconciled:
        """Looks at Stripe for every tenant that is a customer there, whatever was told of it or got lost.

        Raises PaymentsUnavailable where Stripe answers of none: then all of it is done later.
        """
        if self._payments is None:
            return Reconciled(0, 0)
        done = failed = 0
        after: UUID | None = None
        async with heartbeat():
            await events.forget(self._database)
            while found := await reconciling.tenants(self._database, after, TENANTS_IN_A_PAGE):
                errors = await asyncio.gather(*(self._look(self._payments, tenant_id) for tenant_id in found))
                if all(isinstance(error, PaymentsUnavailable) for error in errors):
                    raise PaymentsUnavailable("Stripe does not answer.")
                done, failed = done + errors.count(None), failed + len(found) - errors.count(None)
                after = found[-1]
        return Reconciled(done, failed)

    async def _look(self, payments: Payments, tenant_id: UUID) -> Exception | None:
        async with self._room:
            try:
                await subscriptions.sync(self._database, payments, tenant_id)
            except (KonstructError, DBAPIError) as error:
                # One tenant's trouble must not hold up the others.
                log.warning("reconciling_failed", tenant_id=str(tenant_id), error=str(error))
                return error
            return None

    @activity.defn(name="meter_usage")
    async def meter_usage(self) -> Metered:
        if self._payments is None:
            return Metered(0, 0)
        sent = failed = 0
        after: UUID | None = None
        async with heartbeat():
            while found := await metering.tenants(self._database, after, TENANTS_IN_A_PAGE):
                for tenant_id in found:
                    try:
                        rows, is_whole = await self._meter(self._payments, tenant_id)
                    except PaymentsUnavailable as error:
                        # It would be the same for the others; what waits is sent by the next run.
                        log.warning("metering_stopped", error=str(error))
                        return Metered(sent, failed + 1)
                    sent, failed = sent + rows, failed + (not is_whole)
                after = found[-1]
        return Metered(sent, failed)

    async def _meter(self, payments: Payments, tenant_id: UUID) -> tuple[int, bool]:
        rows = 0
        for _ in range(SENDS_IN_A_RUN):
            sent = await metering.send(self._database, payments, tenant_id)
            rows += sent.rows
            if sent.problem:
                log.warning("metering_refused", tenant_id=str(tenant_id), error=sent.problem)
            if not sent.is_more:
                return rows, not sent.problem
        return rows, True
