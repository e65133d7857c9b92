"""What Stripe's webhook told of: kept once, before Stripe hears that it arrived, until somebody has looked there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.billing_ports import Event
from konstruct.db import Database
from konstruct.tables.base import utc_now

LOOKED_AT_WITHIN: Final = timedelta(seconds=20)
"""What is older is taken up by the sweep: its workflow was not told, or is long in getting an answer."""


@dataclass(frozen=True)
class Open:
    """Events that nobody has looked at for a while."""

    tenant_id: UUID | None
    """None: their customer is nobody's of ours, or they have none."""
    ids: Sequence[str]


async def keep(database: Database, event: Event) -> UUID | None:
    """Who is to be looked at for it: None where it came before, or is nobody's of ours."""
    keeping = sql("select tenant_id from take_stripe_event(:id, :type, :customer, :subscription, :at) where is_new")
    async with database.system_session() as session:
        tenant_id: UUID | None = await session.scalar(
            keeping,
            {
                "id": event.event_id,
                "type": event.type,
                "customer": event.customer_id,
                "subscription": event.subscription_id,
                "at": event.created_at,
            },
        )
    return tenant_id


async def unsettled(database: Database, at_most: int) -> list[Open]:
    """Of so many tenants, those first who wait longest."""
    finding = sql("select * from open_stripe_events(:before, :at_most)")
    async with database.system_session() as session:
        rows = await session.execute(finding, {"before": utc_now() - LOOKED_AT_WITHIN, "at_most": at_most})
        return [Open(row.tenant_id, row.ids) for row in rows]


async def settle_nobodys(database: Database, ids: Sequence[str]) -> None:
    async with database.system_session() as session:
        await session.execute(sql("select settle_stripe_events(:ids, 'nobody')"), {"ids": list(ids)})


async def now(session: AsyncSession) -> datetime:
    """By the clock that says when events came."""
    moment: datetime = (await session.execute(sql("select clock_timestamp()"))).scalar_one()
    return moment


async def settle(session: AsyncSession, until: datetime) -> int:
    """Those of the tenant's customer that had come by ``until``, after a look at Stripe that began later than that.

    Stripe tells of what has happened: so that look saw it, in whatever order the events came.
    """
    settling = sql("select settle_tenants_stripe_events(:until, 'looked')")
    settled: int = (await session.execute(settling, {"until": until})).scalar_one()
    return settled


async def forget(database: Database) -> None:
    """What was settled long ago: Stripe does not send it again any more."""
    async with database.system_session() as session:
        await session.execute(sql("select forget_stripe_events()"))
