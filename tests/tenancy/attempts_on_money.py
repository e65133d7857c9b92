"""What one tenant may try on what another pays and spends; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final, get_args

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.billing import allowances, enforcing, entitlements, events, founding, metering, plans, resting
from konstruct.billing.resting import Asked
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


async def _now(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await events.now(session) is not None


async def _settle(session: AsyncSession, a: Furnished, b: Furnished) -> tuple[int, int]:
    for office in (a, b):
        event = Event(f"evt_{new_id().hex}", "invoice.paid", customer_of(office), None, utc_now())
        await events.keep(a.database, event)
    return await events.settle(session, await events.now(session)), await events.settle(session, utc_now())


async def _allowances(session: AsyncSession, a: Furnished, b: Furnished) -> int | None:
    """Ours alone."""
    found = await allowances.of(session, await entitlements.of(session))
    return next(each.used for each in found if each.limit == "connections")


async def _rests(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    found = await resting.now(session, await entitlements.of(session))
    return b.employee_id in found.employees or b.connection_id in found.connections


async def _why(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """What is theirs is not there to be judged by our plan."""
    account = (await entitlements.of(session)).account
    assert account is not None
    return await resting.why(session, account, Asked(b.employee_id, b.connection_id, new_id(), "UTC"))


async def _room(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    """For ours, however much the other has."""
    for limit in get_args(enforcing.Counted):
        await enforcing.require_room(session, limit)


async def _open_account(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    founding.open_account(session, b.tenant_id)
    await session.flush()


ON_MONEY: Final[dict[str, tuple[Attempt, object]]] = {
    "billing.entitlements.of": (_entitlement, True),
    "billing.plans.listed": (_plans, True),
    "billing.plans.by_key": (_plans, True),
    "billing.allowances.of": (_allowances, 1),
    "billing.enforcing.require_room": (_room, None),
    "billing.founding.open_account": (_open_account, DBAPIError),
    "billing.resting.now": (_rests, False),
    "billing.resting.why": (_why, NoResultFound),
    "billing.events.now": (_now, True),
    "billing.events.settle": (_settle, (1, 0)),
    "billing.metering.put_down": (_put_down, None),
}
