"""What is spent of an office's budgets, and how it comes to be spent."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from konstruct import employees, usage
from konstruct.budgets import holding, terms
from konstruct.budgets.holding import MonthlyPurse
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.models import ModelCall
from konstruct.ports import Held
from konstruct.tables import BudgetHold, BudgetMonth, Tenant, Usage
from konstruct.tables.base import utc_now
from tests.support.office import Office

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


async def plan(office: Office, **values: str) -> None:
    """``business``, ``when_spent``, and employees by their keys."""
    written = {
        name if name in ("business", "when_spent") else f"employees.{name}": value for name, value in values.items()
    }
    async with office.session() as session:
        await terms.change(session, office.tenant_id, written, actor="test")


async def purse(office: Office, now: datetime = NOW, employee_id: UUID | None = None) -> MonthlyPurse:
    async with office.session() as session:
        kept = (await session.scalars(select(Tenant))).one().budgets
    made = holding.purse(office.database, office.tenant_id, employee_id or office.employee_id, kept)
    assert made is not None
    made.now = lambda: now
    return made


async def hold(
    from_purse: MonthlyPurse, most: str, *, enough: str | None = None, least: str | None = None, patience: float = 0
) -> Held:
    """Where nothing else is said, nothing less will do."""
    wanted = (Decimal(least or enough or most), Decimal(enough or most), Decimal(most))
    return await from_purse.hold(*wanted, lasts=60, patience=patience)


async def pay(
    office: Office, asked: Accepted, cost: str | None, *, held: Held | None = None, at: datetime = NOW
) -> None:
    """A call that was made comes into the ledger."""
    call = ModelCall(
        *("anthropic/claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6", "ok"),
        held.at if held else at,
        cost=Decimal(cost) if cost is not None else None,
        hold_id=held.hold_id if held else None,
    )
    async with office.session() as session:
        employee = await employees.serving(session, asked.conversation_id)
        usage.record(session, employee, asked.conversation_id, new_id(), [call])


async def spend_all(office: Office, asked: Accepted, **budgets: str) -> None:
    """Of this month's budget a millionth of a dollar is left."""
    await plan(office, **({"business": "5"} | budgets))
    await pay(office, asked, "4.999999", at=utc_now())


async def spent(office: Office) -> Mapping[str, Decimal]:
    """By scopes, of all months together."""
    async with office.session() as session:
        rows = await session.execute(
            select(col(BudgetMonth.scope), func.sum(col(BudgetMonth.spent)).label("spent")).group_by(
                col(BudgetMonth.scope)
            )
        )
        return {row.scope: row.spent for row in rows}


async def ledger(office: Office) -> Decimal:
    async with office.session() as session:
        return await session.scalar(select(func.sum(col(Usage.cost)))) or Decimal(0)


async def holds(office: Office) -> list[Decimal]:
    return [row.amount for row in await office.rows(BudgetHold)]
