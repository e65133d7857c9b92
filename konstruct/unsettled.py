"""Messages that nobody works on, which a sweep finds: of what came in, and of what only waits to be sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text as sql
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.db import Database
from konstruct.tables import Message
from konstruct.tables.base import utc_now

SWEPT_EVERY: Final = timedelta(minutes=10)
"""As the look-up has it: a message that was swept is left alone for so long."""


@dataclass(frozen=True)
class Unsettled:
    tenant_id: UUID
    conversation_id: UUID
    message_id: UUID
    is_notice: bool
    """It only waits to be sent: a notice, or what an agent wrote."""


async def find(database: Database, at_most: int) -> list[Unsettled]:
    """Messages of all tenants that have waited longer than any signal takes, oldest first."""
    async with database.system_session() as session:
        rows = await session.execute(sql("select * from unsettled_messages(:at_most)"), {"at_most": at_most})
        return [Unsettled(row.tenant_id, row.conversation_id, row.message_id, row.is_notice) for row in rows]


async def note_swept(database: Database, message: Unsettled) -> None:
    """Keeps later sweeps from signalling it again at once: a workflow's history holds only so many signals."""
    async with database.tenant_session(message.tenant_id) as session:
        await session.execute(update(Message).where(col(Message.id) == message.message_id).values(swept_at=utc_now()))


async def put_off(session: AsyncSession, turn_id: UUID, until: datetime) -> None:
    """What a turn was to answer waits, with nobody at work on it, until a sweep finds it then; or until the contact
    writes again. The conversation must be locked."""
    await session.execute(
        update(Message)
        .where(col(Message.turn_id) == turn_id, col(Message.direction) == "inbound", col(Message.state) == "taken")
        .values(state="received", swept_at=until - SWEPT_EVERY)
    )


async def take_up(session: AsyncSession) -> None:
    """What was put off in the session's tenant is found by the next sweep."""
    await session.execute(
        update(Message)
        .where(col(Message.state) == "received", col(Message.swept_at) > utc_now() - SWEPT_EVERY)
        .values(swept_at=None)
        .execution_options(synchronize_session=False)
    )
