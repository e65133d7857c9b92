"""What one tenant may try on what another pays and spends; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.billing import agreeing, entitlements, events, metering, plans, subscriptions
from konstruct.billing_ports import Event
from konstruct.identity import new_id
from konstruct.tables import BillingAccount, BudgetHold, BudgetMonth, MeteredUsage, PlanMonth, ThresholdAlert, Usage
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


def customer_of(office: Furnished) -> str:
    return f"cus_canary_{office.tenant_id.hex}"


async def bill(office: Furnished) -> None:
    """A row in every table of money, on a plan that has no limits."""
    now, tenant_id = utc_now(), office.tenant_id
    month = now.date().replace(day=1)
    async with office.session() as session:
        session.add(
            BillingAccount(
                tenant_id=tenant_id,
                plan="enterprise",
                status="active",
                customer_id=customer_of(office),
                created_at=now,
            )
        )
        session.add(PlanMonth(tenant_id=tenant_id, month=month, messages=1))
        session.add(BudgetMonth(tenant_id=tenant_id, scope="business", month=month))
        session.add(
            BudgetHold(
                tenant_id=tenant_id,
                employee_id=office.employee_id,
                month=month,
                amount=Decimal(0),
                created_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
        session.add(ThresholdAlert(tenant_id=tenant_id, what="plan:seats", month=month, percent=80, created_at=now))
        session.add(
            MeteredUsage(
                tenant_id=tenant_id,
                id=new_id(),
                event_name="canary_tokens",
                customer_id=customer_of(office),
                value=1,
                used_at=now,
            )
        )


async def _entitlement(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    found = (await entitlements.of(session)).account
    return found is not None and found.tenant_id == a.tenant_id


async def _plans(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """Everybody's."""
    return len(await plans.listed(session)) > 0


async def _put_down(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    """Ours is not billed by use, and theirs is not asked about."""
    row = Usage(
        tenant_id=b.tenant_id,
        conversation_id=b.asked.conversation_id,
        employee_id=b.employee_id,
        turn_id=new_id(),
        provider="openai",
        model="gpt",
        input_tokens=1,
        output_tokens=1,
        cached_tokens=0,
        latency_ms=1,
        cost=Decimal(1),
        outcome="ok",
    )
    metering.put_down(session, [row])


async def _locked(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return subscriptions.billed(await subscriptions.locked(session)).tenant_id == a.tenant_id


async def _enroll(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await agreeing.enroll(session, b.tenant_id, actor="a")


async def _grant(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await agreeing.grant(session, b.tenant_id, actor="a", limits={"employees": 9}, features=[])


async def _now(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await events.now(session) is not None


async def _settle(session: AsyncSession, a: Furnished, b: Furnished) -> tuple[int, int]:
    for office in (a, b):
        event = Event(f"evt_{new_id().hex}", "invoice.paid", customer_of(office), None, utc_now())
        await events.keep(a.database, event)
    return await events.settle(session, await events.now(session)), await events.settle(session, utc_now())


ON_MONEY: Final[dict[str, tuple[Attempt, object]]] = {
    "billing.entitlements.of": (_entitlement, True),
    "billing.plans.listed": (_plans, True),
    "billing.plans.by_key": (_plans, True),
    "billing.agreeing.enroll": (_enroll, DBAPIError),
    "billing.agreeing.grant": (_grant, ValueError),
    "billing.subscriptions.locked": (_locked, True),
    "billing.events.now": (_now, True),
    "billing.events.settle": (_settle, (1, 0)),
    "billing.metering.put_down": (_put_down, None),
}
