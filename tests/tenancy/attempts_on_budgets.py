"""What one tenant may try on another's budgets, and on what waits for them; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Final, cast

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import notices, unsettled, withdrawing
from konstruct.budgets import holding
from konstruct.conversations import Turn
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.models import ModelCall
from konstruct.reports import periods
from konstruct.tables import BudgetHold
from konstruct.tables.base import utc_now
from tests.support.office import Furnished
from tests.tenancy.attempts_on_tools import call_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def _settle(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        held = (await theirs.scalars(select(BudgetHold))).first()
    call = ModelCall("openai/x", "openai", "x", "ok", utc_now(), cost=Decimal(1), hold_id=held.id if held else None)
    holding.settle(session, b.tenant_id, b.employee_id, [call])


async def _hold(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    month = periods.month(await periods.zone(session), utc_now())
    values = {
        "tenant": b.tenant_id,
        "employee": b.employee_id,
        "month": month.first,
        "begins": month.start,
        "ends": month.end,
        "business": Decimal(1),
        "alone": None,
        "least": Decimal(0),
        "enough": Decimal(0),
        "most": Decimal(0),
        "is_patient": False,
        "hold": new_id(),
        "lasts": timedelta(hours=1),
    }
    await session.execute(holding._HOLD, values)


async def _put_off(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await unsettled.put_off(session, (await call_of(b)).turn_id, utc_now())


async def _end_before(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    employee = SimpleNamespace(tools=["x"], escalation=[])
    turn = cast(Turn, SimpleNamespace(before=(await call_of(b)).turn_id, employee=employee))
    await withdrawing.end_before(session, turn, new_id())


ON_BUDGETS: Final[dict[str, tuple[Attempt, object]]] = {
    "budgets.holding.settle": (_settle, None),
    "budgets.holding, by the database's own function": (_hold, DBAPIError),
    "notices.add_daily": (
        lambda s, a, b: notices.add_daily(s, b.asked.conversation_id, new_id(), "budget", "x"),
        NotFound,
    ),
    "unsettled.put_off": (_put_off, None),
    "unsettled.take_up": (lambda s, a, b: unsettled.take_up(s), None),
    "withdrawing.end_before": (_end_before, None),
}
