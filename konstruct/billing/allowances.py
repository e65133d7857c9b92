"""How much of what a plan limits a tenant uses, counted anew from what there is; one query for each limit."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.billing.entitlements import Entitlement
from konstruct.billing.plans import LIMITS, Limit
from konstruct.reports import periods
from konstruct.tables import Connection, Employee, Invitation, KnowledgeDocument, Membership, PlanMonth, Tenant
from konstruct.tables.base import utc_now

MEGABYTE: Final = 1_000_000
NEAR: Final = 80
"""Percent."""

ACCOUNTS: Final = ("slack", "whatsapp")
"""The kinds of connections that are limited: those through which contacts write."""


@dataclass(frozen=True)
class Allowance:
    limit: Limit
    used: int | None
    """Of knowledge, bytes; of retention, the days that messages are kept for now, None: for good."""
    most: int | None
    """In the same unit. None: as many as there may be."""

    @property
    def percent(self) -> int | None:
        """None where nothing is used up."""
        if self.limit == "retention_days" or self.most is None or self.used is None:
            return None
        return 100 * self.used // self.most if self.most else 100

    @property
    def is_near(self) -> bool:
        return self.percent is not None and NEAR <= self.percent < 100

    @property
    def is_full(self) -> bool:
        return self.percent is not None and self.percent >= 100

    @property
    def is_over(self) -> bool:
        """More than there may be, as after a downgrade."""
        if self.most is None:
            return False
        return self.used > self.most if self.used is not None else self.limit == "retention_days"


async def of(session: AsyncSession, entitled: Entitlement, now: datetime | None = None) -> list[Allowance]:
    """Of the session's tenant, all that plans limit, in their order."""
    now = now or utc_now()
    return [Allowance(limit, await used(session, limit, now), most(entitled, limit)) for limit in LIMITS]


def most(entitled: Entitlement, limit: Limit) -> int | None:
    """In the unit in which it is counted."""
    found = entitled.limits.of(limit)
    return found * MEGABYTE if found is not None and limit == "knowledge_mb" else found


async def used(session: AsyncSession, limit: Limit, now: datetime) -> int | None:
    """What ``Allowance.used`` says."""
    if limit == "messages":
        month = await this_month(session, now)
        return await session.scalar(select(col(PlanMonth.messages)).where(col(PlanMonth.month) == month)) or 0
    if limit == "retention_days":
        return (await session.scalar(select(col(Tenant.retention))) or {}).get("messages")
    return int(await session.scalar(_counted(limit, now)) or 0)


async def this_month(session: AsyncSession, now: datetime) -> date:
    return month_of(await periods.zone(session), now)


def month_of(zone: ZoneInfo, now: datetime) -> date:
    """The first day of the calendar month that is on there."""
    return now.astimezone(zone).date().replace(day=1)


IS_EMPLOYED: Final[ColumnElement[bool]] = col(Employee.archived_at).is_(None)
"""Of employees that are limited: drafts are some, archived ones are none."""
IS_ACCOUNT: Final[ColumnElement[bool]] = and_(
    col(Connection.kind).in_(ACCOUNTS), col(Connection.status) != "disconnected"
)


def _counted(limit: Limit, now: datetime) -> Any:
    if limit == "employees":
        return select(func.count()).select_from(Employee).where(IS_EMPLOYED)
    if limit == "connections":
        return select(func.count()).select_from(Connection).where(IS_ACCOUNT)
    if limit == "knowledge_mb":
        return select(func.sum(col(KnowledgeDocument.text_bytes)))
    invited = select(func.count()).select_from(Invitation).where(col(Invitation.expires_at) > now)
    return select(select(func.count()).select_from(Membership).scalar_subquery() + invited.scalar_subquery())
