"""What one tenant may try on another's usage, cost and outcomes; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.budgets import alerts
from konstruct.budgets import terms as budgets
from konstruct.budgets.terms import Budgets
from konstruct.reports import ledger, outcomes, periods, usage
from konstruct.reports.periods import Period
from konstruct.reports.usage import Narrowed
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


def _period() -> Period:
    return periods.preset("7", ZoneInfo("UTC"), utc_now())


async def _known(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    found = await usage.known(session, _period())
    return b.employee_id in found.employees or b.connection_id in found.places


async def _total(session: AsyncSession, _a: Furnished, b: Furnished) -> int:
    narrowed = Narrowed(employee_id=b.employee_id)
    return (await usage.total(session, _period().start, _period().end, narrowed))[0].calls


async def _report(session: AsyncSession, a: Furnished, b: Furnished) -> int:
    """Held to the other's employee, whose one call is not seen."""
    known = await usage.known(session, _period())
    return (await usage.report(session, _period(), known, Narrowed(employee_id=b.employee_id))).total.calls


async def _costliest(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    period = _period()
    found = await ledger.costliest(session, period.start, period.end, Narrowed())
    return b.asked.conversation_id in {each.conversation_id for each in found}


async def _outcomes(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    found = await outcomes.read(session, _period())
    return b.employee_id in found.employees or b.connection_id in found.connections


async def _zone(session: AsyncSession, a: Furnished, b: Furnished) -> str:
    return (await periods.zone(session)).key


async def _budgets(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """As they are of ours, which has none."""
    return await budgets.read(session) != Budgets()


async def _month(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return (await budgets.month(session, utc_now())).business.budget is not None


async def _change(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await budgets.change(session, b.tenant_id, {"business": "1"}, actor="a")


ALERT: Final = ("budget:business", date(2020, 1, 1))


async def _unseen(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """None of ours are of a budget."""
    return (await alerts.unseen(session, b.employee_id)).get("budget")


async def _see(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await alerts.see(session, "budget", b.employee_id)


async def _cross(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """It is new here, though the other was told of the same already."""
    return await alerts.cross(session, *ALERT, used=9, most=10)


async def _look(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await alerts.look(session, utc_now())


async def plan(office: Furnished) -> None:
    async with office.session() as session:
        await budgets.change(session, office.tenant_id, {"business": "12.34"}, actor="test")
        await alerts.cross(session, *ALERT, used=9, most=10)
        await alerts.cross(session, ALERT[0], utc_now().date().replace(day=1), used=9, most=10)


ON_REPORTS: Final[dict[str, tuple[Attempt, object]]] = {
    "reports.usage.known": (_known, False),
    "reports.usage.report": (_report, 0),
    "reports.usage.total": (_total, 0),
    "reports.ledger.costliest": (_costliest, False),
    "reports.outcomes.read": (_outcomes, False),
    "reports.periods.zone": (_zone, "UTC"),
    "budgets.alerts.unseen": (_unseen, None),
    "budgets.alerts.see": (_see, None),
    "budgets.alerts.cross": (_cross, 80),
    "budgets.alerts.look": (_look, None),
    "budgets.terms.read": (_budgets, False),
    "budgets.terms.month": (_month, False),
    "budgets.terms.change": (_change, NoResultFound),
}
