"""What calls before this one gave: all of a long result, and how many searches there were."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import and_, func, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.tables import ToolCall
from konstruct.tools.calls import WHOLE
from konstruct.vault import Vault


@dataclass(frozen=True)
class Whole:
    text: str = field(repr=False)
    is_untrusted: bool


async def whole_result(session: AsyncSession, vault: Vault, conversation_id: UUID, call_id: UUID) -> Whole | None:
    """All of a result of this conversation that was too long to be shown; None when there is no such result."""
    call = await session.scalar(
        select(ToolCall).where(col(ToolCall.id) == call_id, col(ToolCall.conversation_id) == conversation_id)
    )
    if call is None or call.sealed_whole is None:
        return None
    cipher = (await vault.ciphers(session, [call.contact_id])).get(call.contact_id)
    return Whole(cipher.open(WHOLE, call.id, call.sealed_whole), call.is_untrusted) if cipher else None


async def searches_before(session: AsyncSession, call: ToolCall, tool: str) -> int:
    """How many calls of ``tool`` this turn made before this one."""
    earlier = or_(
        col(ToolCall.step) < call.step, and_(col(ToolCall.step) == call.step, col(ToolCall.position) < call.position)
    )
    count = await session.scalar(
        select(func.count())
        .select_from(ToolCall)
        .where(col(ToolCall.turn_id) == call.turn_id, col(ToolCall.tool) == tool, earlier)
    )
    return count or 0
