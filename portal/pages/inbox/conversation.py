"""The open conversation in the inbox: what its middle and its right pane show."""

from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import NotFound
from konstruct.tables import Conversation
from portal.access import Member


async def pane(request: Request, member: Member, session: AsyncSession, conversation_id: UUID) -> dict[str, Any]:
    """Raises NotFound when the session's tenant has no such conversation."""
    found = await session.scalar(
        select(Conversation).where(col(Conversation.id) == conversation_id, col(Conversation.is_rehearsal).is_(False))
    )
    if found is None:
        raise NotFound("There is no such conversation.")
    return {"conversation": found}
