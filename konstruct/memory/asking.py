"""Memory as the person themselves has it changed, through an employee's tools."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.conversations import lock
from konstruct.memory.keeping import Fact, forget, of_person, supersede
from konstruct.tables import Contact, Memory, Message
from konstruct.vault import Vault
from konstruct.window import Line


async def keep_fact(
    session: AsyncSession, vault: Vault, conversation_id: UUID, turn_id: UUID, contact_id: UUID, text: str
) -> list[UUID]:
    """Keeps a fact about a contact, whose last words in this turn are its source; the ids of what is new of it."""
    conversation = await lock(session, conversation_id)
    contact = await session.scalar(
        select(Contact)
        .where(col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
        .with_for_update(key_share=True)
    )
    source = await session.scalar(
        select(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.turn_id) == turn_id)
        .where(col(Message.author) == "contact", col(Message.contact_id) == contact_id)
        .where(col(Message.sealed).is_not(None), col(Message.forgotten_at).is_(None))
        .order_by(col(Message.seq).desc())
        .limit(1)
    )
    if contact is None or source is None:
        return []
    ciphers = await vault.ciphers(session, [contact_id])
    fact = Fact(text=" ".join(text.split()), source=Line.of(source), confidence=1.0)
    return await supersede(session, conversation, ciphers[contact_id], [fact])


async def forget_memories(
    session: AsyncSession, contact_id: UUID, memory_ids: Collection[UUID]
) -> tuple[int, list[UUID]]:
    """How many of these the person had, and the messages that they came from, of which no model is told again."""
    known = await session.scalars(
        select(col(Memory.id)).where(col(Memory.id).in_(memory_ids), col(Memory.contact_id).in_(of_person(contact_id)))
    )
    theirs = known.all()
    return len(theirs), await forget(session, contact_id, theirs) if theirs else []
