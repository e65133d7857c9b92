"""What goes on within a plan and what rests: nothing is deleted for it, and all of it is back with a larger plan.

Where there is more than the plan includes, the oldest go on: so many employees, so many accounts of channels, so many
messages of the month. What contacts ask of the others is kept for people.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.billing import allowances, entitlements, plans
from konstruct.billing.allowances import IS_ACCOUNT, IS_EMPLOYED
from konstruct.billing.asking import OF_MONTH
from konstruct.billing.entitlements import Entitlement
from konstruct.billing.plans import FREE
from konstruct.budgets import alerts
from konstruct.tables import BillingAccount, Connection, Employee
from konstruct.tables.base import utc_now

Why = Literal["employees", "connections", "whatsapp", "messages"]
"""The limit, or the feature, that lacks."""

# One statement, since every turn of a tenant that is billed waits for it. Drafts serve nobody, and an employee that was
# archived goes on where it had begun: neither is in the way of others.
_FACTS: Final = sql(
    f"""
    select e.archived_at is not null as is_archived, c.kind,
      (select count(*) from employees o where o.archived_at is null and o.published_version > 0
        and (o.created_at, o.id) < (e.created_at, e.id)) as employees,
      (select count(*) from connections o where o.status = 'active' and o.kind = any (:kinds)
        and (o.created_at, o.id) < (c.created_at, c.id)) as accounts,
      (select count(*) from connections o where o.status = 'active' and o.kind = 'slack'
        and (o.created_at, o.id) < (c.created_at, c.id)) as workspaces,
      (select min(coalesce((m.detail ->> '{OF_MONTH}')::bigint, 0)) from messages m where m.turn_id = :turn
        and m.direction = 'inbound' and m.author = 'contact' and m.state = 'taken') as first_asked,
      (select p.messages from plan_months p where p.month = :month) as asked,
      (select jsonb_object_agg(p.key, jsonb_build_object('name', p.name, 'content', p.content)) from plans p
        where p.key in (:plan, '{FREE}')) as plans
    from employees e, connections c where e.id = :employee and c.id = :connection
    """  # noqa: S608  # Of constants.
)


@dataclass(frozen=True)
class Asked:
    """Who is asked, through what, and in which turn."""

    employee_id: UUID
    connection_id: UUID
    turn_id: UUID
    time_zone: str


@dataclass(frozen=True)
class Resting:
    """What rests of a tenant just now."""

    employees: frozenset[UUID] = frozenset()
    connections: frozenset[UUID] = frozenset()


async def why(session: AsyncSession, account: BillingAccount, asked: Asked, now: datetime | None = None) -> Why | None:
    """Why what contacts ask in this turn is left to people; None where it is to be answered. ``account``: of the
    session's tenant. Notes, too, where so much of the month's messages is used up that owners are to be told."""
    now = now or utc_now()
    month = allowances.month_of(ZoneInfo(asked.time_zone), now)
    of_turn = {"employee": asked.employee_id, "connection": asked.connection_id, "turn": asked.turn_id}
    of_plan = {"month": month, "plan": account.plan, "kinds": list(allowances.ACCOUNTS)}
    facts = (await session.execute(_FACTS, of_turn | of_plan)).one()
    found = {key: plans.of_row(key, row["name"], row["content"]) for key, row in facts.plans.items()}
    entitled = entitlements.made(account, found, now)
    limits = entitled.limits
    if limits.messages is not None:
        await alerts.cross(session, "plan:messages", month, used=facts.asked or 0, most=limits.messages)
    if facts.kind == "whatsapp" and not _has_numbers(entitled):
        return "whatsapp"
    older = facts.accounts if _has_numbers(entitled) else facts.workspaces
    if facts.kind in allowances.ACCOUNTS and limits.connections is not None and older >= limits.connections:
        return "connections"
    if not facts.is_archived and limits.employees is not None and facts.employees >= limits.employees:
        return "employees"
    if limits.messages is not None and (facts.first_asked or 0) > limits.messages:
        return "messages"
    return None


async def now(session: AsyncSession, entitled: Entitlement) -> Resting:
    """Of the session's tenant, to be shown."""
    if entitled.account is None:
        return Resting()
    employees = select(col(Employee.id)).where(IS_EMPLOYED, col(Employee.published_version) > 0)
    in_order = list(await session.scalars(employees.order_by(col(Employee.created_at), col(Employee.id))))
    accounts = select(col(Connection.id), col(Connection.kind)).where(IS_ACCOUNT, col(Connection.status) == "active")
    rows = (await session.execute(accounts.order_by(col(Connection.created_at), col(Connection.id)))).all()
    numbers = [] if _has_numbers(entitled) else [row.id for row in rows if row.kind == "whatsapp"]
    others = [row.id for row in rows if row.id not in numbers]
    limits = entitled.limits
    resting = in_order[limits.employees :] if limits.employees is not None else []
    over = others[limits.connections :] if limits.connections is not None else []
    return Resting(frozenset(resting), frozenset([*numbers, *over]))


def _has_numbers(entitled: Entitlement) -> bool:
    return "whatsapp" in entitled.features
