"""Keeping calls of models within budgets: what one may cost at most is held before it is made, and what it did cost is
counted, in the transaction that records it, in the place of what was held.

The month is that in which a call began, in the tenant's time zone. A call that costs more than was held is counted as
it is. What a process held that died meanwhile ends by itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.budgets import alerts, terms
from konstruct.budgets.terms import BUSINESS, Budgets, WhenSpent
from konstruct.db import Database, before_commit
from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.identity import new_id
from konstruct.models import ModelCall
from konstruct.ports import Held
from konstruct.reports import periods
from konstruct.tables import BudgetMonth, Employee, Tenant
from konstruct.tables.base import utc_now

FIRST_LOOK_AFTER: Final = 0.05
LAST_LOOK_AFTER: Final = 0.5
"""Seconds until it is looked again whether others have settled."""
MAY_BE_LATE: Final = timedelta(minutes=2)
"""What a call may take beyond its time until its usage is recorded, as while the database is away."""

SPENT: Final = "The month's budget for models is used up."
HELD_BY_OTHERS: Final = "What is left of the month's budget for models is held for calls that are under way."

_TERMS = (
    select(col(Tenant.budgets), col(Tenant.time_zone), col(Employee.key))
    .select_from(Tenant)
    .outerjoin(Employee, and_(col(Employee.tenant_id) == col(Tenant.id), col(Employee.id) == bindparam("employee_id")))
)
_HOLD = sql(
    "select held, rest from hold_of_budget(:tenant, :employee, cast(:month as date), :begins, :ends,"
    " cast(:business as numeric), cast(:alone as numeric), cast(:least as numeric), cast(:enough as numeric),"
    " cast(:most as numeric), :is_patient, :hold, cast(:lasts as interval))"
)
_SETTLE = sql(
    "select scope, month, spent from settle_budgets(:tenant, :employee, cast(:happened as timestamptz[]),"
    " cast(:costs as numeric[]), cast(:holds as uuid[]))"
)
_TO_SETTLE: Final = "calls to settle"


@dataclass(frozen=True)
class Spent:
    """What a scope has spent of a month, just now."""

    scope: str
    """``business``, or an employee's id."""
    month: date
    """Its first day."""
    amount: Decimal


@dataclass
class MonthlyPurse:
    """A ``ports.Purse``: the budgets of a tenant and of one employee, as they are whenever something is held."""

    database: Database
    tenant_id: UUID
    employee_id: UUID
    when_spent: WhenSpent
    now: Callable[[], datetime] = utc_now
    _line: asyncio.Lock = field(init=False)

    def __post_init__(self) -> None:
        self._line = _LINES.setdefault((self.tenant_id, self.employee_id), asyncio.Lock())

    @property
    def falls_to_free(self) -> bool:
        return self.when_spent == "local"

    async def hold(self, least: Decimal, enough: Decimal, most: Decimal, *, lasts: float, patience: float) -> Held:
        end = asyncio.get_running_loop().time() + patience
        wanted = {"least": least, "enough": enough, "most": most, "lasts": timedelta(seconds=lasts) + MAY_BE_LATE}
        held = await self._try(wanted, is_patient=patience > 0)
        if held is not None:
            return held
        # One after the other, so that many who wait ask the database no more often than one does.
        try:
            async with asyncio.timeout_at(end):
                await self._line.acquire()
        except TimeoutError:
            raise ModelsUnavailable(HELD_BY_OTHERS) from None
        try:
            return await self._wait(wanted, end)
        finally:
            self._line.release()

    async def _wait(self, wanted: Mapping[str, Any], end: float) -> Held:
        pause = FIRST_LOOK_AFTER
        while True:
            left = end - asyncio.get_running_loop().time()
            held = await self._try(wanted, is_patient=left > 0)
            if held is not None:
                return held
            if left <= 0:
                raise ModelsUnavailable(HELD_BY_OTHERS)
            await asyncio.sleep(min(left, pause))
            pause = min(2 * pause, LAST_LOOK_AFTER)

    async def _try(self, wanted: Mapping[str, Any], *, is_patient: bool) -> Held | None:
        """None where others' holds stand in the way. Raises OverBudget."""
        least, most = wanted["least"], wanted["most"]
        now, hold_id = self.now(), new_id()
        async with self.database.tenant_session(self.tenant_id) as session:
            kept, zone, key = (await session.execute(_TERMS, {"employee_id": self.employee_id})).one()
            budgets = terms.read_kept(kept)
            alone = budgets.employees.get(key) if key is not None else None
            found = {BUSINESS: budgets.business, str(self.employee_id): alone}
            if not any(found.values()):
                return Held(None, most, now)
            month = periods.month(ZoneInfo(zone), now)
            values = {
                "tenant": self.tenant_id,
                "employee": self.employee_id,
                "month": month.first,
                "begins": month.start,
                "ends": month.end,
                "business": budgets.business,
                "alone": alone,
                "is_patient": is_patient,
                "hold": hold_id,
                **wanted,
            }
            held, rest = (await session.execute(_HOLD, values)).one()
            if held is None and rest < least:
                await _tell_too_little(session, month.first, found, least)
        if held is not None:
            return Held(hold_id, held, now)
        if rest < least:
            raise OverBudget(SPENT)
        return None


_LINES: WeakValueDictionary[tuple[UUID, UUID], asyncio.Lock] = WeakValueDictionary()
"""In this process, those who wait for what others hold."""


def purse(database: Database, tenant_id: UUID, employee_id: UUID, kept: Mapping[str, Any]) -> MonthlyPurse | None:
    """``kept``: the tenant's budgets, as they are stored. None where there are none: nothing is asked of the database
    then."""
    budgets: Budgets = terms.read_kept(kept)
    return MonthlyPurse(database, tenant_id, employee_id, budgets.when_spent) if budgets.is_any else None


def settle(session: AsyncSession, tenant_id: UUID, employee_id: UUID, calls: Sequence[ModelCall]) -> None:
    """Has it counted, before the transaction commits, what these calls of an employee have cost. Their rows of the
    ledger are of the same transaction."""
    waiting: dict[UUID, list[ModelCall]] | None = session.info.get(_TO_SETTLE)
    if waiting is None and calls:
        waiting = session.info[_TO_SETTLE] = defaultdict(list)

        async def settle_all(session: AsyncSession) -> None:
            for each, made in session.info[_TO_SETTLE].items():
                await _settle(session, tenant_id, each, made)

        # Ahead of what else comes last: all who hold a budget's row then lock the heads of trails after it.
        before_commit(session, settle_all, is_first=True)
    if waiting is not None:
        waiting[employee_id] += calls


async def _settle(session: AsyncSession, tenant_id: UUID, employee_id: UUID, calls: Sequence[ModelCall]) -> list[Spent]:
    values = {
        "tenant": tenant_id,
        "employee": employee_id,
        "happened": [call.started_at for call in calls],
        "costs": [call.cost or Decimal(0) for call in calls],
        "holds": [call.hold_id for call in calls if call.hold_id is not None],
    }
    spent = [Spent(*row) for row in await session.execute(_SETTLE, values)]
    if spent:
        kept, _, key = (await session.execute(_TERMS, {"employee_id": employee_id})).one()
        budgets = terms.read_kept(kept)
        await _tell(session, {BUSINESS: budgets.business, str(employee_id): budgets.employees.get(key)}, spent)
    return spent


async def _tell_too_little(
    session: AsyncSession, month: date, found: Mapping[str, Decimal | None], least: Decimal
) -> None:
    """A budget that holds no call any more is used up for whoever is to be told of it, to the last cent or not."""
    kept = select(col(BudgetMonth.scope), col(BudgetMonth.spent)).where(
        col(BudgetMonth.month) == month, col(BudgetMonth.scope).in_(found)
    )
    used_up = [
        Spent(scope, month, most)
        for scope, spent in await session.execute(kept)
        if (most := found[scope]) is not None and most - spent < least
    ]
    await _tell(session, found, used_up)


async def _tell(session: AsyncSession, found: Mapping[str, Decimal | None], spent: Sequence[Spent]) -> None:
    # In the order in which everybody tells, so that nobody waits for who waits for him.
    for each in sorted(spent, key=lambda each: (each.month, each.scope)):
        if (most := found[each.scope]) is not None:
            await alerts.cross(session, f"budget:{each.scope}", each.month, used=each.amount, most=most)
