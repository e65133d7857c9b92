"""Sentences of the product's own: notices that contacts are told, and notes from which an employee is to tell them."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.conversations import lock
from konstruct.identity import new_id
from konstruct.messages import next_seq, outgoing_notice
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from konstruct.window import MESSAGE

DAILY: Final = timedelta(days=1)


async def add_notice(session: AsyncSession, conversation_id: UUID, turn_id: UUID, body: str) -> UUID:
    """A sentence of the product's own, once a turn."""
    conversation = await lock(session, conversation_id)
    known = (
        await session.execute(
            select(Message.id).where(col(Message.turn_id) == turn_id, col(Message.purpose) == "notice")
        )
    ).scalar_one_or_none()
    if known is not None:
        return known
    notice = outgoing_notice(conversation, body, turn_id=turn_id)
    session.add(notice)
    return notice.id


async def add_daily(
    session: AsyncSession, conversation_id: UUID, turn_id: UUID | None, about: str, body: str
) -> UUID | None:
    """A sentence about something that stays as it is, at most once a day in a conversation; None where it was said.
    One that this very turn says is given again."""
    conversation = await lock(session, conversation_id)
    said = (
        await session.execute(
            select(Message.id, Message.turn_id)
            .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound")
            .where(col(Message.purpose) == "notice", col(Message.detail)["about"].as_string() == about)
            .where(col(Message.created_at) > utc_now() - DAILY, col(Message.state).not_in(("discarded", "failed")))
            .limit(1)
        )
    ).one_or_none()
    if said is not None:
        return said.id if turn_id is not None and said.turn_id == turn_id else None
    notice = outgoing_notice(conversation, body, turn_id=turn_id, about=about)
    session.add(notice)
    return notice.id


async def add_note(
    session: AsyncSession,
    vault: Vault,
    conversation: Conversation,
    contact_id: UUID,
    text: str,
    external_id: str,
    *,
    is_to_be_answered: bool = True,
) -> UUID | None:
    """Something that the employee is to be told, and to tell: it begins a turn as a message does, where the employee
    owns the conversation. Once for each ``external_id``; None when the contact was erased. The conversation must be
    locked."""
    ciphers = await vault.ciphers(session, [contact_id])
    if contact_id not in ciphers:
        return None
    known = await session.scalar(
        select(Message.id)
        .where(col(Message.connection_id) == conversation.connection_id)
        .where(col(Message.external_id) == external_id)
    )
    if known is not None:
        return known
    message_id = new_id()
    session.add(
        Message(
            tenant_id=conversation.tenant_id,
            id=message_id,
            conversation_id=conversation.id,
            connection_id=conversation.connection_id,
            seq=next_seq(conversation),
            direction="inbound",
            author="system",
            contact_id=contact_id,
            sealed=ciphers[contact_id].seal(MESSAGE, message_id, text),
            external_id=external_id,
            state="received" if is_to_be_answered and conversation.owner == "employee" else "passed",
        )
    )
    return message_id
