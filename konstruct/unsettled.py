"""Messages that nobody works on, which a sweep finds: of what came in, and of what only waits to be sent."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text as sql
from sqlalchemy import update
from sqlmodel import col

from konstruct.db import Database
from konstruct.tables import Message
from konstruct.tables.base import utc_now


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
