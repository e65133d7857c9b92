"""Telling owners and admins how much of a month's budget, or of what their plan includes, is used up: by a badge in the
portal and by mail, once each, whatever runs at once.

Once means: until what is crossed lies beyond all that was used when they were told, as it does after a budget was
raised. One that was lowered, or taken away and set again, tells nothing twice.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.accounts import letters, mails, team
from konstruct.accounts.permissions import allows
from konstruct.connecting import overview
from konstruct.ports import Mail
from konstruct.tables import Tenant, ThresholdAlert
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

BUDGET: Final = "budget:"
PLAN: Final = "plan:"
PERCENTS: Final[Mapping[str, tuple[int, ...]]] = {BUDGET: (50, 80, 100), PLAN: (80, 100)}

_PLAN_SPENT: Final = (
    "Employees answer no further messages until the next month begins, or until you change the plan. People can go on"
    " answering, and nothing is lost."
)
_PLAN_NEAR: Final = "When all is used, employees answer no further messages until the next month, or a larger plan."
_BUDGET_SPENT: Final = "What happens now is what was chosen beside the budget."
_BUDGET_NEAR: Final = "When it is used up, what was chosen beside the budget happens."


async def cross(
    session: AsyncSession,
    vault: Vault,
    site: str,
    what: str,
    month: date,
    *,
    used: Decimal | int,
    most: Decimal | int,
) -> int | None:
    """Tells what was not told yet, and gives the highest part in percent that it told of. To be called as often as
    ``used`` has grown, in the transaction in which it has; most calls find nothing to tell.

    Args:
        site: The portal's address.
        what: ``budget:business``, ``budget:`` and an employee's id, or ``plan:`` and a limit.
        month: Its first day, in the tenant's time zone.
        most: The budget or limit. Where the rest of it holds nothing more, ``used`` is said to be as much.
    """
    percents = PERCENTS[what[: what.index(":") + 1]]
    crossed = [percent for percent in percents if most > 0 and used * 100 >= most * percent]
    if not crossed or not (told := await _told_anew(session, what, month, crossed, Decimal(used), Decimal(most))):
        return None
    percent = max(told)
    for mail in await _letters(session, site, what, percent, used, most):
        mails.put(session, vault, mail)
    return percent


async def _told_anew(
    session: AsyncSession, what: str, month: date, crossed: Sequence[int], used: Decimal, most: Decimal
) -> list[int]:
    """Which of them nobody was told of. Of those who ask at once, one is given each."""
    about = (col(ThresholdAlert.what) == what, col(ThresholdAlert.month) == month)
    known = select(col(ThresholdAlert.percent), col(ThresholdAlert.used)).where(*about)
    before: dict[int, Decimal] = dict((await session.execute(known)).all())
    # Read first, since it is nearly always known already, and what an insert collides with it locks.
    anew = [percent for percent in crossed if percent not in before or before[percent] * 100 < most * percent]
    if not anew:
        return []
    tenant = (await session.scalars(select(Tenant))).one()
    rows = [
        {
            "tenant_id": tenant.id,
            "what": what,
            "month": month,
            "percent": percent,
            "used": used,
            "created_at": utc_now(),
        }
        for percent in anew
    ]
    tells = insert(ThresholdAlert).values(rows)
    tells = tells.on_conflict_do_update(
        index_elements=["tenant_id", "what", "month", "percent"],
        set_={"used": tells.excluded.used, "created_at": tells.excluded.created_at, "seen_by": []},
        where=col(ThresholdAlert.used) * 100 < tells.excluded.percent * most,
    )
    return list(await session.scalars(tells.returning(col(ThresholdAlert.percent))))


async def _letters(
    session: AsyncSession, site: str, what: str, percent: int, used: Decimal | int, most: Decimal | int
) -> list[Mail]:
    """To each of those who may change what it is about."""
    tenant = (await session.scalars(select(Tenant))).one()
    to = [member.email for member in await team.members(session) if allows(member.role, "budgets.edit")]
    kind, _, key = what.partition(":")
    if f"{kind}:" == PLAN:
        told = f"{used:,} of the {most:,} {key.replace('_', ' ')} that its plan includes for this month"
        then, where = _PLAN_SPENT if percent >= 100 else _PLAN_NEAR, f"{site}/t/{tenant.slug}/billing"
        return [letters.plan_crossed(each, tenant.name, percent, told, then, where) for each in to]
    names = {str(each.employee_id): each.name for each in await overview.employees(session)}
    whose, where = names.get(key, tenant.name), f"{site}/t/{tenant.slug}/usage#budgets"
    spent, budget = f"${used:,.2f}", f"${most:,.2f}"
    then = _BUDGET_SPENT if percent >= 100 else _BUDGET_NEAR
    return [letters.budget_crossed(each, whose, percent, spent, budget, then, where) for each in to]
