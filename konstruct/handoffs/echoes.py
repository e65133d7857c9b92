"""What the business wrote from its own phone, beside us: a person has taken over without asking anybody."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.conversations import changed
from konstruct.desk.people import PHONE
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Agent
from konstruct.messages import SentFile, outgoing_words, seal_files
from konstruct.tables import Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault


@dataclass(frozen=True)
class Echo:
    external_id: str
    """The channel's id of the message."""
    text: str
    files: tuple[SentFile, ...] = ()
    sent_at: datetime | None = None


async def take(session: AsyncSession, vault: Vault, conversation_id: UUID, contact_id: UUID, echo: Echo) -> UUID | None:
    """Keeps it as an agent's words, and has the employee fall silent. Once, however often it comes.

    Gives the handoff whose people are to be shown it; None where it was known, or was written before the conversation
    was last handed back.
    """
    conversation = await changed(session, conversation_id)
    known = await session.scalar(
        select(Message.id)
        .where(col(Message.connection_id) == conversation.connection_id)
        .where(col(Message.external_id) == echo.external_id)
    )
    cipher = (await vault.ciphers(session, [contact_id])).get(contact_id)
    if known is not None or cipher is None:
        return None
    is_old = echo.sent_at and conversation.counted_since and echo.sent_at < conversation.counted_since
    if conversation.owner != "agent" and not is_old:
        await owning.take_over(session, vault, conversation_id, Agent(PHONE, PHONE))
    message = outgoing_words(conversation, cipher, contact_id, echo.text, signed=PHONE)
    message.state, message.external_id, message.settled_at = "sent", echo.external_id, utc_now()
    message.sealed_files = seal_files(cipher, message.id, echo.files)
    session.add(message)
    if conversation.handoff_id is not None:
        handoff = await owning.get(session, conversation.handoff_id)
        handoff.replied_at = handoff.replied_at or utc_now()
    return conversation.handoff_id
