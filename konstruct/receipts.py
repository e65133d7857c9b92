"""What a channel tells of messages after it took them: how far they came, or that they did not get there after all.

Receipts come in any order, more than once, and sometimes before the send has answered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import outbox
from konstruct.conversations import lock
from konstruct.errors import ChannelRefused
from konstruct.identity import ConnectionId
from konstruct.tables import Conversation, Handoff, Message
from konstruct.tables.base import utc_now

log = structlog.get_logger(__name__)

Status = Literal["sent", "delivered", "read", "failed"]
_OVER: Final = ("failed", "discarded", "waiting")


@dataclass(frozen=True)
class Receipt:
    external_id: str
    """The channel's id of the message."""
    status: Status
    at: datetime
    message_id: UUID | None = None
    """Ours, where the channel gave it back."""
    code: str = ""
    """Why it failed."""


@dataclass(frozen=True)
class Taken:
    """What is to be done about it."""

    conversation_id: UUID
    handoff_id: UUID | None = None
    """Whose people are to learn that something failed."""
    template_id: UUID | None = None
    """The message that is to be sent instead."""


async def take(session: AsyncSession, connection_id: ConnectionId, receipt: Receipt) -> Taken | None:
    """Writes it down, and settles a send of which nobody knew how it ended. Of what is not ours nothing is kept."""
    message = await _message(session, connection_id, receipt)
    if message is None:
        return None
    conversation = await lock(session, message.conversation_id)
    await session.refresh(message)
    if message.sealed is None and message.body is None:
        # It was erased, and the channel's id names whom it was for.
        return None
    if receipt.status == "failed":
        return await _fail(session, conversation, message, receipt)
    if message.state != "sent" and not (message.state == "failed" and message.external_id):
        await outbox.settle_sent(
            session, conversation.id, message.id, receipt.external_id, was_resent=message.maybe_duplicate
        )
        await session.refresh(message)
    if receipt.status in ("delivered", "read"):
        message.delivered_at = min(message.delivered_at or receipt.at, receipt.at)
    if receipt.status == "read":
        message.read_at = min(message.read_at or receipt.at, receipt.at)
    return None


async def _message(session: AsyncSession, connection_id: ConnectionId, receipt: Receipt) -> Message | None:
    query = select(Message).where(col(Message.connection_id) == connection_id, col(Message.direction) == "outbound")
    for which in (col(Message.id) == receipt.message_id, col(Message.external_id) == receipt.external_id):
        if (found := (await session.scalars(query.where(which))).one_or_none()) is not None:
            return found
    return None


async def _fail(session: AsyncSession, conversation: Conversation, message: Message, receipt: Receipt) -> Taken | None:
    if message.state in _OVER or message.delivered_at is not None:
        return None
    message.external_id = message.external_id or receipt.external_id
    refused = ChannelRefused("The channel gave it up.", receipt.code)
    held = await outbox.refuse(session, conversation, message, refused)
    if held is not None:
        return Taken(conversation.id, template_id=held.template_id)
    if conversation.handoff_id is None:
        return None
    # Where its workflow does not hear of it, a sweep finds that people are to be told.
    due = update(Handoff).where(col(Handoff.id) == conversation.handoff_id).values(next_due_at=utc_now())
    await session.execute(due)
    return Taken(conversation.id, handoff_id=conversation.handoff_id)
