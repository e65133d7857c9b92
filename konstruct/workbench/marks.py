"""Up to where each of the team has seen a conversation: what is further is new to them."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import among
from konstruct.tables import InboxMark
from konstruct.tables.base import utc_now

# Only forward: of two pages of one person, the one that saw less may be the slower one.
_LOOKED: Final = text(
    """
    insert into inbox_marks (tenant_id, user_id, conversation_id, seen_seq, seen_at)
    select c.tenant_id, m.user_id, c.id, c.last_seq, :now
    from conversations c join memberships m on m.tenant_id = c.tenant_id and m.user_id = :user_id
    where c.id = :conversation_id
    on conflict (tenant_id, user_id, conversation_id)
    do update set seen_seq = greatest(inbox_marks.seen_seq, excluded.seen_seq), seen_at = excluded.seen_at
    where inbox_marks.seen_seq < excluded.seen_seq
    """
)


async def looked(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> None:
    """The member sees it as it is now. Nothing where the session's tenant has no such member or conversation."""
    values = {"user_id": user_id, "conversation_id": conversation_id, "now": utc_now()}
    await session.execute(_LOOKED, values)


async def seen(session: AsyncSession, user_id: UUID, conversation_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """Up to where the member has seen these, of those that they have looked at."""
    rows = await session.execute(
        select(col(InboxMark.conversation_id), col(InboxMark.seen_seq)).where(
            col(InboxMark.user_id) == user_id, among(col(InboxMark.conversation_id), conversation_ids)
        )
    )
    return {row.conversation_id: row.seen_seq for row in rows}
