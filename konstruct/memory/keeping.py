"""Writing memory and unwriting it: what was said, what was learned, what is no longer true, what is to be forgotten."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, cast, delete, func, or_, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from konstruct.db import among
from konstruct.identity import new_id
from konstruct.memory.words import Hidden, hidden, stems
from konstruct.tables import Contact, Conversation, ConversationSummary, Memory, MemoryVector, Message
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher
from konstruct.window import Line

MEMORY: Final = "memory"
"""What ciphers call the purpose of a memory's text."""

# What is there already stays as it is: an attempt that was cut off may have written it.
_KEEP = sql(
    """
    insert into memories (tenant_id, id, contact_id, kind, speaker, conversation_id, message_id, seq, sealed, words,
      length, confidence, happened_at, created_at)
    select :tenant_id, :id, :contact_id, cast(:kind as text), :speaker, :conversation_id, :message_id, :seq, :sealed,
      cast(cast(:words as text) as tsvector), :length, :confidence, :happened_at, :created_at
    on conflict (tenant_id, message_id) where kind = 'said' do nothing
    """
)


@dataclass(frozen=True)
class Fact:
    """Something learned of a person; true as far as ``confidence`` (0 to 1) says, until a newer one replaces it."""

    text: str
    source: Line
    confidence: float
    replaces: tuple[UUID, ...] = ()


async def remember(
    session: AsyncSession, conversation: Conversation, cipher: ContactCipher, sayings: Sequence[tuple[Line, str]]
) -> None:
    """Keeps what was said to or by the cipher's contact, with its text; what is kept already is left as it is."""
    stemmed = await stems(session, [said for _, said in sayings])
    for (line, said), words in zip(sayings, stemmed, strict=True):
        await _keep(session, conversation, cipher, line, "said", said, hidden(cipher, words), 1.0)


async def supersede(
    session: AsyncSession, conversation: Conversation, cipher: ContactCipher, facts: Sequence[Fact]
) -> list[UUID]:
    """Keeps facts that are not known already; what each replaces is recalled no more. Facts of other contacts cannot be
    replaced. The contact must be locked, or another may keep the same at once."""
    kept = []
    stemmed = await stems(session, [fact.text for fact in facts])
    for fact, stemmed_fact in zip(facts, stemmed, strict=True):
        words = hidden(cipher, stemmed_fact)
        memory_id = await _known(session, cipher, fact, words)
        if memory_id is None:
            memory_id = await _keep(
                session, conversation, cipher, fact.source, "fact", fact.text, words, fact.confidence
            )
            kept.append(memory_id)
        replaced = await session.scalars(
            update(Memory)
            .where(col(Memory.id).in_(fact.replaces), col(Memory.kind) == "fact", col(Memory.id) != memory_id)
            .where(col(Memory.contact_id).in_(of_person(cipher.contact_id)), col(Memory.superseded_at).is_(None))
            .values(superseded_by=memory_id, superseded_at=utc_now(), embedded_with=None)
            .returning(col(Memory.id))
            .execution_options(synchronize_session=False)
        )
        await session.execute(delete(MemoryVector).where(col(MemoryVector.memory_id).in_(replaced.all())))
    return kept


async def _known(session: AsyncSession, cipher: ContactCipher, fact: Fact, words: Hidden) -> UUID | None:
    """The same fact, if it is kept: in the same words, small ones too. A search passes over "not" and "no", and yet
    they change everything."""
    alike = await session.execute(
        select(col(Memory.id), col(Memory.sealed))
        .where(col(Memory.contact_id) == cipher.contact_id, col(Memory.kind) == "fact")
        .where(col(Memory.superseded_at).is_(None), col(Memory.words) == cast(words.vector, TSVECTOR))
    )
    opened = ((memory_id, cipher.open(MEMORY, memory_id, sealed)) for memory_id, sealed in alike)
    return next((memory_id for memory_id, text in opened if _bare(text) == _bare(fact.text)), None)


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")


async def _keep(
    session: AsyncSession,
    conversation: Conversation,
    cipher: ContactCipher,
    line: Line,
    kind: str,
    text: str,
    words: Hidden,
    confidence: float,
) -> UUID:
    """A saying that is kept already stays as it is."""
    memory_id = new_id()
    await session.execute(
        _KEEP,
        {
            "tenant_id": conversation.tenant_id,
            "id": memory_id,
            "contact_id": line.contact_id,
            "kind": kind,
            "speaker": line.author,
            "conversation_id": conversation.id,
            "message_id": line.message_id,
            "seq": line.seq,
            "sealed": cipher.seal(MEMORY, memory_id, text),
            "words": words.vector,
            "length": words.length,
            "confidence": confidence,
            "happened_at": line.at,
            "created_at": utc_now(),
        },
    )
    return memory_id


async def forget(
    session: AsyncSession, contact_id: UUID, memory_ids: Collection[UUID] = (), message_ids: Collection[UUID] = ()
) -> list[UUID]:
    """No model is shown these memories of a person again, nor these messages, nor those that the memories come from.

    The record of what was said stays. Gives the messages. Summaries that may tell of them are gone, to be made anew.
    """
    sources = select(col(Memory.message_id)).where(
        col(Memory.id).in_(memory_ids), col(Memory.contact_id).in_(of_person(contact_id))
    )
    return await _forget(session, contact_id, or_(col(Message.id).in_(sources), col(Message.id).in_(message_ids)))


async def forget_person(session: AsyncSession, contact_id: UUID, *, until: datetime) -> list[UUID]:
    """As ``forget`` does, all that was said by or to a person until then."""
    return await _forget(session, contact_id, col(Message.created_at) <= until)


async def _forget(session: AsyncSession, contact_id: UUID, which: ColumnElement[bool]) -> list[UUID]:
    of_person_ = col(Message.contact_id).in_(of_person(contact_id))
    # With what was answered to it, which may say it once more.
    turns = select(col(Message.turn_id)).where(of_person_, which, col(Message.turn_id).is_not(None))
    theirs = (of_person_, col(Message.forgotten_at).is_(None), or_(which, col(Message.turn_id).in_(turns)))
    # Conversations before messages, as everybody locks them.
    await session.execute(
        select(col(Conversation.id))
        .where(col(Conversation.id).in_(select(col(Message.conversation_id)).where(*theirs)))
        .order_by(col(Conversation.id))
        .with_for_update(key_share=True)
    )
    # In the order of their ids, as whoever writes memory holds them.
    forgotten = (
        await session.execute(
            select(col(Message.id), col(Message.conversation_id))
            .where(*theirs)
            .order_by(col(Message.id))
            .with_for_update(key_share=True)
        )
    ).all()
    message_ids = [message_id for message_id, _ in forgotten]
    await session.execute(
        update(Message)
        .where(among(col(Message.id), message_ids))
        .values(forgotten_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    conversation_ids = sorted({conversation_id for _, conversation_id in forgotten})
    await session.execute(delete(Memory).where(among(col(Memory.message_id), message_ids)))
    await session.execute(
        delete(ConversationSummary).where(among(col(ConversationSummary.conversation_id), conversation_ids))
    )
    await session.execute(
        update(Conversation)
        .where(among(col(Conversation.id), conversation_ids))
        .values(
            revision=col(Conversation.revision) + 1,
            # What is being thought of an answer knows it still, and is thought again.
            turn_id=None,
            memory_due_at=utc_now(),
        )
        .execution_options(synchronize_session=False)
    )
    return message_ids


def of_person(contact_id: UUID) -> SelectOfScalar[UUID]:
    """The contacts who are one person with this one."""
    person = select(col(Contact.person_id)).where(col(Contact.id) == contact_id).scalar_subquery()
    return select(col(Contact.id)).where(col(Contact.person_id) == person)


async def unlearn(session: AsyncSession, message: Message) -> None:
    """What was remembered of a message that has another wording now, or none. Its conversation must be locked."""
    lost = await session.scalars(
        delete(Memory)
        .where(col(Memory.message_id) == message.id)
        .returning(col(Memory.kind))
        .execution_options(synchronize_session=False)
    )
    # Only where something had been learned from it is it looked through again, which is paid for.
    digested = func.least(col(Conversation.digested_seq), message.seq - 1)
    await session.execute(
        delete(ConversationSummary)
        .where(col(ConversationSummary.conversation_id) == message.conversation_id)
        .where(col(ConversationSummary.through_seq) >= message.seq)
    )
    await session.execute(
        update(Conversation)
        .where(col(Conversation.id) == message.conversation_id)
        .values(
            revision=col(Conversation.revision) + 1,
            remembered_seq=func.least(col(Conversation.remembered_seq), message.seq - 1),
            digested_seq=digested if "fact" in lost.all() else col(Conversation.digested_seq),
            memory_due_at=utc_now(),
        )
        .execution_options(synchronize_session=False)
    )
