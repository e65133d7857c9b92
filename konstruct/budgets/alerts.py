"""Telling owners and admins how much of a month's budget, or of what their plan includes, is used up: by a badge in the
portal and by mail, once each, whatever runs at once.

Once means: until what is crossed lies beyond all that was used when they were told, as it does after a budget was
raised. One that was lowered, or taken away and set again, tells nothing twice.

That something was crossed is a row, written in the transaction in which it was. Mails are put down by it afterwards, so
that no call of a model waits for them, or fails with them.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Date, any_, cast, distinct, func, literal, not_, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.accounts import letters, mails, team
from konstruct.accounts.permissions import allows
from konstruct.budgets import terms
from konstruct.budgets.terms import BUSINESS, WhenSpent
from konstruct.connecting import overview
from konstruct.db import Database
from konstruct.ports import Mail
from konstruct.tables import Tenant, ThresholdAlert
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

Kind = Literal["budget", "plan"]

PERCENTS: Final[Mapping[str, tuple[int, ...]]] = {"budget": (50, 80, 100), "plan": (80, 100)}
_AT_ONCE: Final = 100

_PLAN_SPENT: Final = (
    "Employees answer no further messages until the next month begins, or until you change the plan. People can go on"
    " answering, and nothing is lost."
)
_PLAN_NEAR: Final = "When all is used, employees answer no further messages until the next month, or a larger plan."
_THEN: Final[Mapping[WhenSpent, str]] = {
    "people": "conversations are handed to people",
    "local": "employees answer with models that cost nothing",
    "pause": "messages wait",
}


async def cross(
    session: AsyncSession, what: str, month: date, *, used: Decimal | int, most: Decimal | int
) -> int | None:
    """Notes what was not noted yet, and gives the highest part in percent that is new. To be called as often as
    ``used`` has grown, in the transaction in which it has; most calls find nothing to tell.

    Args:
        what: ``budget:business``, ``budget:`` and an employee's id, or ``plan:`` and a limit.
        month: Its first day, in the tenant's time zone.
        most: The budget or limit. Where the rest of it holds nothing more, ``used`` is said to be as much.
    """
    percents = PERCENTS[what.partition(":")[0]]
    crossed = [percent for percent in percents if most > 0 and used * 100 >= most * percent]
    if not crossed:
        return None
    return max(await _told_anew(session, what, month, crossed, Decimal(used), Decimal(most)), default=None)


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
    tenant_id = await session.scalar(select(col(Tenant.id)))
    now = {"used": used, "most": most, "created_at": utc_now(), "seen_by": [], "mailed_at": None}
    key = {"tenant_id": tenant_id, "what": what, "month": month}
    tells = insert(ThresholdAlert).values([{**key, "percent": percent, **now} for percent in anew])
    tells = tells.on_conflict_do_update(
        index_elements=[*key, "percent"],
        set_=now,
        where=col(ThresholdAlert.used) * 100 < tells.excluded.percent * most,
    )
    return list(await session.scalars(tells.returning(col(ThresholdAlert.percent))))


async def look(session: AsyncSession, now: datetime) -> None:
    """After budgets were changed: what was used before may be more than a part of what they are now."""
    found = await terms.month(session, now)
    ids = {each.key: each.employee_id for each in await overview.employees(session)}
    scopes = {str(ids[each.key]) if each.key else BUSINESS: each for each in (found.business, *found.employees)}
    # In the order in which everybody tells, so that nobody waits for who waits for him.
    for scope, each in sorted(scopes.items()):
        if each.budget is not None:
            await cross(session, f"budget:{scope}", found.period.first, used=each.spent, most=each.budget)


async def write(database: Database, vault: Vault, site: str) -> None:
    """Puts mails down for all that was crossed and nobody was mailed of. ``site``: the portal's address."""
    after: UUID | None = None
    while True:
        async with database.system_session() as session:
            query = text("select tenant_id from tenants_to_alert(cast(:after as uuid), :at_most)")
            due = list(await session.scalars(query, {"after": after, "at_most": _AT_ONCE}))
        for tenant_id in due:
            try:
                async with database.tenant_session(tenant_id) as session:
                    await _write(session, vault, site)
            except Exception:
                # Whatever it was, the others are to be mailed, and this one is tried again.
                log.exception("alerts.not_mailed", tenant_id=str(tenant_id))
        if len(due) < _AT_ONCE:
            return
        after = due[-1]


async def _write(session: AsyncSession, vault: Vault, site: str) -> None:
    """Of each budget, what was crossed last, and of what was crossed in one go the highest part."""
    waiting = select(ThresholdAlert).where(col(ThresholdAlert.mailed_at).is_(None))
    waiting = waiting.order_by(col(ThresholdAlert.created_at), col(ThresholdAlert.percent))
    # Another process may be at it: what it has is not waited for.
    rows = list(await session.scalars(waiting.with_for_update(skip_locked=True)))
    tenant = (await session.scalars(select(Tenant))).one()
    when_spent = (await terms.read(session)).when_spent
    names = {str(each.employee_id): each.name for each in await overview.employees(session)}
    to = [member.email for member in await team.members(session) if allows(member.role, "budgets.edit")]
    for row in {(row.what, row.month): row for row in rows}.values():
        whose = names.get(row.what.partition(":")[2], tenant.name)
        for each in to:
            if row.what.startswith("plan:"):
                letter = _of_plan(each, tenant.name, row, f"{site}/t/{tenant.slug}/billing")
            else:
                letter = _of_budget(each, whose, row, when_spent, f"{site}/t/{tenant.slug}/usage#budgets")
            mails.put(session, vault, letter)
    for row in rows:
        row.mailed_at = utc_now()


def _of_plan(to: str, business: str, row: ThresholdAlert, where: str) -> Mail:
    what = row.what.partition(":")[2].replace("_", " ")
    used = f"{row.used:,.0f} of the {row.most:,.0f} {what} that its plan includes for {row.month:%B}"
    return letters.plan_crossed(
        to, business, row.percent, used, _PLAN_SPENT if row.percent >= 100 else _PLAN_NEAR, where
    )


def _of_budget(to: str, whose: str, row: ThresholdAlert, when_spent: WhenSpent, where: str) -> Mail:
    happens, until = _THEN[when_spent], "until the next month begins or the budget is raised"
    month, most = f"{row.month:%B}", f"${row.most:,.2f} that {whose} may spend"
    if row.percent >= 100:
        told = f"of the {most} on models in {month} too little is left for another call"
        then = f"From now on {happens}, {until}."
    else:
        told = f"models have cost ${row.used:,.2f} of the {most} on them in {month}"
        then = f"When it is used up, {happens}, {until}."
    return letters.budget_crossed(to, whose, month, row.percent, told, then, where)


async def unseen(session: AsyncSession, user_id: UUID) -> dict[str, int]:
    """Of how many things the member was told this month and has not looked since, by kinds."""
    here = func.timezone(col(Tenant.time_zone), func.now())
    kind = func.split_part(col(ThresholdAlert.what), ":", 1)
    query = (
        select(kind, func.count(distinct(col(ThresholdAlert.what))))
        .join(Tenant, col(Tenant.id) == col(ThresholdAlert.tenant_id))
        .where(col(ThresholdAlert.month) == cast(func.date_trunc("month", here), Date), _not_seen_by(user_id))
        .group_by(kind)
    )
    return dict((await session.execute(query)).all())


async def see(session: AsyncSession, kind: Kind, user_id: UUID) -> None:
    """The member has looked at what was told of these."""
    new = select(ThresholdAlert).where(col(ThresholdAlert.what).startswith(f"{kind}:"), _not_seen_by(user_id))
    # What is being told anew is not waited for, and is new.
    for row in await session.scalars(new.with_for_update(skip_locked=True)):
        row.seen_by = [*row.seen_by, user_id]


def _not_seen_by(user_id: UUID) -> ColumnElement[bool]:
    return not_(literal(user_id) == any_(col(ThresholdAlert.seen_by)))
