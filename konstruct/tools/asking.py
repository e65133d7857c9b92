"""Calls that a person is asked for first: which ones wait already, and the asking for one more."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.tables import Approval, ToolCall
from konstruct.tables.base import utc_now
from konstruct.tools import policy
from konstruct.tools.registry import Tool


async def waiting(session: AsyncSession, conversation_id: UUID) -> set[str]:
    """The fingerprints of this conversation's calls on which somebody can still decide."""
    found = await session.scalars(
        select(col(Approval.fingerprint))
        .where(col(Approval.conversation_id) == conversation_id)
        .where(col(Approval.state) == "waiting", col(Approval.expires_at) > utc_now())
    )
    return set(found)


def approval(call: ToolCall, tool: Tool, expires_after: timedelta, why: str = "") -> Approval:
    """What people are to decide on. ``why`` they are asked: what the tool is like, where nothing else is the reason."""
    return Approval(
        tenant_id=call.tenant_id,
        call_id=call.id,
        conversation_id=call.conversation_id,
        contact_id=call.contact_id,
        tool=call.tool,
        risk=call.risk,
        reason=why or policy.why(tool.risk, tool.approval),
        fingerprint=call.fingerprint,
        expires_at=utc_now() + expires_after,
    )
