"""Counting what employees are asked in a month: in the transaction that keeps the message, and once for each.

Each message is told which one of its month it is, and has that for good: so exactly as many are answered as a plan
includes, in whatever order they are thought about, and a larger plan is good for those that wait.
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.billing.allowances import month_of
from konstruct.tables import Message, PlanMonth

OF_MONTH: Final = "of_month"
"""Under this name a message's detail says which one of its month it is."""

_COUNT = (
    insert(PlanMonth)
    .values(tenant_id=bindparam("tenant_id"), month=bindparam("month"), messages=1)
    .on_conflict_do_update(index_elements=["tenant_id", "month"], set_={"messages": col(PlanMonth.messages) + 1})
    .returning(col(PlanMonth.messages))
)


async def count(session: AsyncSession, message: Message, time_zone: str | None, now: datetime) -> None:
    """One more, where an employee is asked. Last of all that the transaction locks: others of the tenant wait for it.

    Args:
        message: Of a contact, which is told which one it is.
        time_zone: In whose months the plan counts; None where nothing is counted.
    """
    if message.state == "received" and time_zone is not None:
        of_month = {"tenant_id": message.tenant_id, "month": month_of(ZoneInfo(time_zone), now)}
        message.detail = {OF_MONTH: (await session.execute(_COUNT, of_month)).scalar_one()}
