"""What is due of memory: which conversations are, what there is to do in one, and when it is due again.

Postgres is the queue: whatever settles a message says when its conversation's memory is due. A claim that is not closed
in time is taken for failed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import DateTime, and_, bindparam, func, or_, update
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, employees, window
from konstruct.conversations import SUMMARY, lock
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.memory.digest import LONGEST_LINE, Said
from konstruct.memory.keeping import MEMORY, of_person
from konstruct.memory.recalling import Recalled
from konstruct.ports import ModelLink
from konstruct.tables import (
    Contact,
    Conversation,
    ConversationSummary,
    EmployeeVersion,
    Memory,
    Message,
    Tenant,
)
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from konstruct.window import Line

log = structlog.get_logger(__name__)

CLAIMED_FOR: Final = timedelta(minutes=15)
"""After this, work that was begun and not finished is taken up again; longer than all attempts at it take."""
DIGEST_LINES: Final = 16
"""So many new lines are looked through for facts even while the conversation goes on."""
MOST_TRIES: Final = 5
"""Attempts at a conversation's memory that ended without anybody knowing how."""
KNOWN_FACTS: Final = 40
"""The newest facts that a model is shown when it looks for more."""
LONGEST_DIGEST: Final = 40_000
"""Characters that a model is shown at once behind the scenes; the rest is for the next time."""

# A message that has been on its way for longer will stay so: nobody waits for the channel's word any more.
_SENDS_END_WITHIN: Final = timedelta(hours=1)

_FIRST_OPEN = (
    select(func.min(Message.seq))
    .where(col(Message.conversation_id) == bindparam("conversation_id"), col(Message.purpose) == "reply")
    .where(
        or_(
            col(Message.state).in_(("received", "taken", "pending")),
            and_(
                col(Message.state) == "sending",
                col(Message.sending_at) > bindparam("since", type_=DateTime(timezone=True)),
            ),
            and_(
                col(Message.state) == "streaming",
                col(Message.created_at) > bindparam("since", type_=DateTime(timezone=True)),
            ),
        )
    )
)


@dataclass(frozen=True)
class Due:
    tenant_id: UUID
    conversation_id: UUID


async def claim(database: Database, at_most: int) -> list[Due]:
    """Conversations of all tenants whose memory is due, none of which another claim has."""
    async with database.system_session() as session:
        rows = await session.execute(sql("select * from conversations_to_remember(:at_most)"), {"at_most": at_most})
        by_tenant: dict[UUID, list[UUID]] = defaultdict(list)
        for tenant_id, conversation_id in rows:
            by_tenant[tenant_id].append(conversation_id)
    claimed = []
    for tenant_id, conversation_ids in by_tenant.items():
        async with database.tenant_session(tenant_id) as session:
            now = utc_now()
            # One that somebody holds is left for the next claim: waiting for it would hold up all the others.
            free = (
                select(col(Conversation.id))
                .where(col(Conversation.id).in_(conversation_ids), col(Conversation.memory_due_at) <= now)
                .where(func.coalesce(col(Conversation.memory_claimed_until), now) <= now)
                .with_for_update(key_share=True, skip_locked=True)
            )
            mine = await session.scalars(
                update(Conversation)
                .where(col(Conversation.id).in_(free))
                .values(memory_claimed_until=now + CLAIMED_FOR)
                .returning(col(Conversation.id))
                .execution_options(synchronize_session=False)
            )
            claimed += [Due(tenant_id, conversation_id) for conversation_id in mine]
    return claimed


async def try_once_more(session: AsyncSession, conversation_id: UUID) -> bool:
    """Counts an attempt before it is made. False where too many ended without anybody knowing how: what was said until
    then is passed over, so that what is said later is remembered."""
    conversation = await lock(session, conversation_id)
    conversation.memory_tries += 1
    if conversation.memory_tries <= MOST_TRIES:
        return True
    conversation.remembered_seq = conversation.digested_seq = conversation.last_seq
    conversation.memory_due_at = conversation.memory_claimed_until = None
    conversation.memory_tries = 0
    log.error("memory_passed_over", conversation_id=str(conversation_id))
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation_id,
        actor="memory",
        action="memory.passed_over",
        tries=MOST_TRIES,
        through=conversation.last_seq,
    )
    return False


async def uncount(session: AsyncSession, conversation_id: UUID) -> None:
    """The attempt ended in a way that somebody foresaw."""
    conversation = await lock(session, conversation_id)
    conversation.memory_tries = max(conversation.memory_tries - 1, 0)


@dataclass(frozen=True)
class Work:
    """What one conversation has for memory, opened."""

    conversation: Conversation
    employee: EmployeeVersion
    tenant: Tenant
    settled_seq: int
    """Up to here nothing will change by itself any more."""
    unremembered: Sequence[Said]
    undigested: Mapping[UUID, Sequence[Said]]
    """By contact: what one of them said is not shown where facts of another are looked for."""
    digest_seq: int
    """Up to here it is looked through for facts now."""
    is_all: bool
    """Whether that is all that there is to look through."""
    unsummarised: Sequence[Said]
    """In the order of turns."""
    summary: str
    summary_through: int
    last_said_at: datetime | None
    chain: Sequence[ModelLink] = ()
    """Who may be asked about it, once that was looked up."""


async def open_work(session: AsyncSession, vault: Vault, conversation_id: UUID) -> Work:
    """Raises NotFound when the session's tenant has no such conversation."""
    conversation = await session.scalar(select(Conversation).where(col(Conversation.id) == conversation_id))
    if conversation is None:
        raise NotFound("There is no such conversation.")
    settled_seq = await _settled_seq(session, conversation)
    employee = await employees.serving(session, conversation_id)
    tenant = await session.get_one(Tenant, conversation.tenant_id)
    kept = await session.get(ConversationSummary, (conversation.tenant_id, conversation_id))
    through = kept.through_seq if kept else 0
    # Each from its own place, so that one that cannot get on holds up no other.
    read = {
        since: await window.between(session, conversation_id, since, settled_seq)
        for since in {conversation.remembered_seq, conversation.digested_seq, through}
    }
    lines = [line for part in read.values() for line in part]
    ciphers = await vault.ciphers(session, window.contacts_in(lines) | ({kept.contact_id} if kept else set()))
    texts = {line.message_id: text for line in lines if (text := line.text(ciphers)) is not None}
    is_shared = await _is_shared(session, conversation_id)

    def said(since: int) -> list[Said]:
        return [(line, texts[line.message_id]) for line in read[since] if line.message_id in texts]

    unremembered, undigested = (
        _by_people(said(conversation.remembered_seq)),
        _by_people(said(conversation.digested_seq)),
    )
    if is_shared:
        # What is answered where several people talk may tell of any of them, and is nobody's own.
        unremembered, undigested = _theirs(unremembered), _theirs(undigested)
    shown = at_once(undigested, LONGEST_DIGEST)
    by_contact: dict[UUID, list[Said]] = defaultdict(list)
    for line, text in shown:
        if line.contact_id is not None:
            by_contact[line.contact_id].append((line, text))
    in_order = window.in_order(line for line, _ in said(through))
    # Where there is more than is done at once, this goes as far as what was read, and the rest is due again.
    read_through = _read_through(read[conversation.remembered_seq], settled_seq)
    digest_seq = _read_through(read[conversation.digested_seq], settled_seq)
    is_all = digest_seq == settled_seq and len(shown) == len(undigested)
    return Work(
        conversation=conversation,
        employee=employee,
        tenant=tenant,
        settled_seq=read_through,
        unremembered=unremembered,
        undigested=by_contact,
        digest_seq=digest_seq if len(shown) == len(undigested) else shown[-1][0].seq,
        is_all=is_all,
        unsummarised=[(line, texts[line.message_id]) for line in in_order],
        summary=ciphers[kept.contact_id].open(SUMMARY, conversation_id, kept.sealed)
        if kept and kept.contact_id in ciphers
        else "",
        summary_through=through,
        last_said_at=max((line.at for line in lines), default=None),
    )


async def _is_shared(session: AsyncSession, conversation_id: UUID) -> bool:
    people = await session.scalars(
        select(col(Contact.person_id))
        .join(Message, col(Message.contact_id) == col(Contact.id))
        .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "inbound")
        .distinct()
        .limit(2)
    )
    return len(people.all()) > 1


def _by_people(said: Sequence[Said]) -> list[Said]:
    """Without the product's own notes, which tell of what was done and not of anybody."""
    return [(line, text) for line, text in said if not line.is_note]


def _theirs(said: Sequence[Said]) -> list[Said]:
    return [(line, text) for line, text in said if not line.is_answer]


def at_once(said: Sequence[Said], longest: int) -> Sequence[Said]:
    """The first of them, at least one, that come to so many characters as a model is shown them."""
    characters = 0
    for place, (_, text) in enumerate(said):
        characters += min(len(text), LONGEST_LINE)
        if characters > longest and place:
            return said[:place]
    return said


def _read_through(lines: Sequence[Line], settled_seq: int) -> int:
    return lines[-1].seq if len(lines) == window.LONGEST else settled_seq


async def known_facts(session: AsyncSession, vault: Vault, contact_id: UUID) -> list[Recalled]:
    """The newest facts of this person, oldest first."""
    contact_ids = list(await session.scalars(of_person(contact_id)))
    ciphers = await vault.ciphers(session, contact_ids)
    rows = list(
        await session.scalars(
            select(Memory)
            .where(col(Memory.contact_id).in_(ciphers), col(Memory.kind) == "fact")
            .where(col(Memory.superseded_at).is_(None))
            .order_by(col(Memory.happened_at).desc(), col(Memory.id).desc())
            .limit(KNOWN_FACTS)
        )
    )
    return [
        Recalled(
            row.id,
            row.message_id,
            row.kind,
            row.speaker,
            ciphers[row.contact_id].open(MEMORY, row.id, row.sealed),
            row.happened_at,
            row.confidence,
            0.0,
        )
        for row in reversed(rows)
    ]


async def close_work(session: AsyncSession, work: Work, digest_at: datetime | None, *, is_all: bool = True) -> None:
    """Says when this conversation is due again: at once when there is more, or anything was changed meanwhile, at
    ``digest_at`` when what was said is to be looked through later, else not before somebody says something."""
    conversation = await lock(session, work.conversation.id)
    conversation.memory_claimed_until, conversation.memory_tries = None, 0
    is_changed = conversation.revision != work.conversation.revision
    if not is_all or is_changed or await _settled_seq(session, conversation) > conversation.remembered_seq:
        conversation.memory_due_at = utc_now()
    else:
        conversation.memory_due_at = digest_at


async def _settled_seq(session: AsyncSession, conversation: Conversation) -> int:
    since = utc_now() - _SENDS_END_WITHIN
    first_open = await session.scalar(_FIRST_OPEN, {"conversation_id": conversation.id, "since": since})
    return conversation.last_seq if first_open is None else first_open - 1
