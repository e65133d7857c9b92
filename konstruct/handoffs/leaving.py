"""What becomes of an employee's work when people get its conversation."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct import notices, streams, withdrawing
from konstruct.handoffs import told
from konstruct.tables import Conversation, Handoff, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

DRAFT_OF: Final = "draft_of"
"""In a message's detail: the handoff for which it stays, unsent, as what the employee was about to say."""


def as_draft(handoff_id: UUID) -> dict[str, Any]:
    return {DRAFT_OF: str(handoff_id)}


async def leave_employee(
    session: AsyncSession, vault: Vault, conversation: Conversation, handoff: Handoff, reason: str
) -> None:
    """Takes away what the employee was to answer, to send and to do, and marks where people begin. What it was about to
    say is kept for them. The conversation must be locked."""
    of_conversation = col(Message.conversation_id) == conversation.id
    await session.execute(
        update(Message)
        .where(of_conversation, col(Message.direction) == "inbound", col(Message.state).in_(("received", "taken")))
        .values(state="passed", turn_id=None, settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    await streams.cut(session, conversation)
    await session.execute(
        update(Message)
        .where(of_conversation, col(Message.direction) == "outbound")
        .where(col(Message.state).in_(("pending", "waiting")))
        .where(col(Message.purpose) == "reply", col(Message.author) == "employee")
        .values(
            state="discarded",
            settled_at=utc_now(),
            detail=col(Message.detail).op("||")(bindparam("as_draft", as_draft(handoff.id), type_=JSONB)),
        )
        .execution_options(synchronize_session=False)
    )
    await withdrawing.cancel_undecided(session, conversation.id)
    conversation.turn_id = None
    await notices.add_note(
        session,
        vault,
        conversation,
        handoff.contact_id,
        told.began(reason),
        external_id=f"handoff-{handoff.id}",
        is_to_be_answered=False,
    )
