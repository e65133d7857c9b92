"""The work that memory is: which conversations are due, what there is to do in one, and writing down that it is done.

All of it can be cut off at any point and done again: what was written is not written twice. No conversation waits for
it: what is written here holds messages and contacts as they are, and a conversation only to say how far it came.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, and_, bindparam, func, or_, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import window
from konstruct.conversations import SUMMARY, lock
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.memory.digest import LONGEST_LINE, LONGEST_SUMMARY, Said, asks_to_forget_all
from konstruct.memory.keeping import MEMORY, Fact, of_person, remember, supersede
from konstruct.memory.recalling import Recalled
from konstruct.models.context import count_tokens
from konstruct.tables import (
    Contact,
    Conversation,
    ConversationSummary,
    Employee,
    EmployeeVersion,
    Memory,
    Message,
    Tenant,
)
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault
from konstruct.window import Line

CLAIMED_FOR: Final = timedelta(minutes=15)
"""After this, work that was begun and not finished is taken up again; longer than all attempts at it take."""
DIGEST_LINES: Final = 16
"""So many new lines are looked through for facts even while the conversation goes on."""
WINDOW_TURNS: Final = 40
"""Questions with their answers that the window holds at most; a summary is made of the older half."""
WINDOW_LINES: Final = 200
"""However short they are: a turn reads no more than twice as many."""
WINDOW_TOKENS: Final = 6_000
"""What the window may take of a prompt, however much a model would read."""
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


async def open_work(session: AsyncSession, vault: Vault, conversation_id: UUID) -> Work:
    """Raises NotFound when the session's tenant has no such conversation."""
    conversation = await session.scalar(select(Conversation).where(col(Conversation.id) == conversation_id))
    if conversation is None:
        raise NotFound("There is no such conversation.")
    settled_seq = await _settled_seq(session, conversation)
    employee, tenant = (
        await session.execute(
            select(EmployeeVersion, Tenant)
            .join(Employee, col(Employee.id) == col(EmployeeVersion.employee_id))
            .join(Tenant, col(Tenant.id) == col(Employee.tenant_id))
            .where(col(Employee.id) == conversation.employee_id)
            .where(col(EmployeeVersion.number) == col(Employee.published_version))
        )
    ).one()
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

    unremembered, undigested = said(conversation.remembered_seq), said(conversation.digested_seq)
    if is_shared:
        # What is answered where several people talk may tell of any of them, and is nobody's own.
        unremembered, undigested = _theirs(unremembered), _theirs(undigested)
    at_once = _at_once(undigested, LONGEST_DIGEST)
    by_contact: dict[UUID, list[Said]] = defaultdict(list)
    for line, text in at_once:
        if line.contact_id is not None:
            by_contact[line.contact_id].append((line, text))
    in_order = window.in_order(line for line, _ in said(through))
    # Where there is more than is done at once, this goes as far as what was read, and the rest is due again.
    read_through = _read_through(read[conversation.remembered_seq], settled_seq)
    digest_seq = _read_through(read[conversation.digested_seq], settled_seq)
    is_all = digest_seq == settled_seq and len(at_once) == len(undigested)
    return Work(
        conversation=conversation,
        employee=employee,
        tenant=tenant,
        settled_seq=read_through,
        unremembered=unremembered,
        undigested=by_contact,
        digest_seq=digest_seq if len(at_once) == len(undigested) else at_once[-1][0].seq,
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


def _theirs(said: Sequence[Said]) -> list[Said]:
    return [(line, text) for line, text in said if not line.is_answer]


def _at_once(said: Sequence[Said], longest: int) -> Sequence[Said]:
    """The first of them, at least one, that come to so many characters as a model is shown them."""
    characters = 0
    for place, (_, text) in enumerate(said):
        characters += min(len(text), LONGEST_LINE)
        if characters > longest and place:
            return said[:place]
    return said


def _read_through(lines: Sequence[Line], settled_seq: int) -> int:
    return lines[-1].seq if len(lines) == window.LONGEST else settled_seq


async def write_sayings(session: AsyncSession, vault: Vault, work: Work) -> None:
    """Makes what was said possible to recall, as far as it still has the wording that was read."""
    by_contact: dict[UUID, list[Said]] = defaultdict(list)
    for line, text in work.unremembered:
        if line.contact_id is not None:
            by_contact[line.contact_id].append((line, text))
    ciphers = await _held(session, vault, work, by_contact)
    for contact_id, cipher in ciphers.items():
        said = await _still(session, by_contact[contact_id])
        await remember(session, work.conversation, cipher, said)


async def _held(
    session: AsyncSession, vault: Vault, work: Work, contact_ids: Collection[UUID], *, alone: bool = False
) -> dict[UUID, ContactCipher]:
    """Ciphers of these contacts, none of whom is erased before this transaction has ended. ``alone``: nor is anything
    else written that is written alone."""
    # Conversations before contacts, as everybody locks them; what is written here takes this very lock later on.
    await session.execute(
        select(col(Conversation.id))
        .where(col(Conversation.id) == work.conversation.id)
        .with_for_update(read=True, key_share=True)
    )
    contacts = await session.scalars(
        select(Contact)
        .where(col(Contact.id).in_(contact_ids), col(Contact.erased_at).is_(None))
        .order_by(col(Contact.id))
        .with_for_update(read=not alone, key_share=True)
    )
    held = contacts.all()
    ciphers = await vault.ciphers(session, [contact.id for contact in held])
    for contact in held:
        if contact.id not in ciphers:
            # One whom only an older version knew.
            ciphers[contact.id] = await vault.cipher(session, contact.tenant_id, contact.id)
    return ciphers


async def _still(session: AsyncSession, said: Sequence[Said]) -> list[Said]:
    """Those that have the wording that was read, and will have it until this transaction has ended."""
    rows = await session.execute(
        select(col(Message.id), col(Message.sealed), col(Message.body))
        .where(col(Message.id).in_([line.message_id for line, _ in said]), col(Message.forgotten_at).is_(None))
        .order_by(col(Message.id))
        .with_for_update(read=True)
    )
    now = {message_id: (sealed, body) for message_id, sealed, body in rows}
    return [(line, text) for line, text in said if now.get(line.message_id) == (line.sealed, line.body)]


def asks_to_be_forgotten(work: Work) -> dict[UUID, datetime]:
    """The contacts who plainly asked for it, with when they did."""
    return {
        line.contact_id: line.at
        for line, text in work.unremembered
        if line.contact_id is not None and not line.is_answer and asks_to_forget_all(text)
    }


async def note_remembered(session: AsyncSession, work: Work) -> None:
    conversation = await lock(session, work.conversation.id)
    through = await _through(session, work.unremembered, work.settled_seq)
    # It was set back when something was changed that is remembered already.
    if conversation.remembered_seq >= work.conversation.remembered_seq:
        conversation.remembered_seq = max(conversation.remembered_seq, through)


async def note_digested(session: AsyncSession, work: Work) -> None:
    conversation = await lock(session, work.conversation.id)
    said = [each for of_contact in work.undigested.values() for each in of_contact]
    through = await _through(session, said, work.digest_seq)
    if conversation.digested_seq >= work.conversation.digested_seq:
        conversation.digested_seq = max(conversation.digested_seq, through)


async def _through(session: AsyncSession, said: Sequence[Said], read_through: int) -> int:
    """As far as nothing was changed since it was read."""
    still = {line.message_id for line, _ in await _still(session, said)}
    changed = [line.seq for line, _ in said if line.message_id not in still]
    return min(changed) - 1 if changed else read_through


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


async def write_facts(
    session: AsyncSession, vault: Vault, work: Work, contact_id: UUID, facts: Sequence[Fact]
) -> list[UUID]:
    """The ids of those that are new. A fact goes with its source's wording, and all facts with an erased contact."""
    ciphers = await _held(session, vault, work, [contact_id], alone=True)
    if contact_id not in ciphers:
        return []
    sources = {line.message_id for line, _ in await _still(session, [(fact.source, "") for fact in facts])}
    valid = [fact for fact in facts if fact.source.message_id in sources]
    return await supersede(session, work.conversation, ciphers[contact_id], valid)


def to_summarise(said: Sequence[Said], budget: int) -> Sequence[Said]:
    """The older half of a window, in its order, that has outgrown ``budget`` tokens, its turns or its lines; else
    nothing. By whole turns, of which the newest stays however long it is.
    """
    sizes = [count_tokens(text) for _, text in said]

    def fits(first: int, share: int) -> bool:
        turns = {line.turn_id for line, _ in said[first:] if not line.is_answer}
        return (
            len(said) - first <= WINDOW_LINES // share
            and len(turns) <= WINDOW_TURNS // share
            and sum(sizes[first:]) <= budget // share
        )

    if fits(0, 1):
        return []
    cuts = [cut for cut in range(1, len(said)) if _is_between_turns(said[:cut], said[cut:])]
    if not cuts and len(said) >= window.LONGEST:
        # No turn ends in all that is read at once, and nothing after it would ever be read.
        return sorted(said, key=lambda each: each[0].seq)[: len(said) // 2]
    cut = next((cut for cut in cuts if fits(cut, 2)), cuts[-1] if cuts else 0)
    # A model reads only so much at once; the next time goes on from there.
    most = len(_at_once(said[:cut], LONGEST_DIGEST))
    return said[: max((each for each in cuts if each <= most), default=cut)]


def _is_between_turns(older: Sequence[Said], newer: Sequence[Said]) -> bool:
    both = {line.turn_id for line, _ in older} & {line.turn_id for line, _ in newer}
    return not both - {None} and max(line.seq for line, _ in older) < min(line.seq for line, _ in newer)


async def write_summary(session: AsyncSession, vault: Vault, work: Work, said: Sequence[Said], summary: str) -> bool:
    """False, and nothing is written, when some of it was changed, taken back or summarised meanwhile."""
    conversation = work.conversation
    # Whoever opened it may have been erased, and the others talk on.
    candidates = [conversation.contact_id, *sorted(window.contacts_in([line for line, _ in said]))]
    ciphers = await _held(session, vault, work, candidates)
    owner = next((contact_id for contact_id in candidates if contact_id in ciphers), None)
    if owner is None or len(await _still(session, said)) < len(said):
        return False
    values = {
        "contact_id": owner,
        "through_seq": max(line.seq for line, _ in said),
        "sealed": ciphers[owner].seal(SUMMARY, conversation.id, summary[:LONGEST_SUMMARY]),
        "updated_at": utc_now(),
    }
    # Held, so that what it tells of cannot be changed or taken back until this is written.
    before = await session.scalar(
        select(col(ConversationSummary.through_seq))
        .where(col(ConversationSummary.conversation_id) == conversation.id)
        .with_for_update()
    )
    if (before or 0) != work.summary_through:
        return False
    written = await session.scalar(
        insert(ConversationSummary)
        .values(tenant_id=conversation.tenant_id, conversation_id=conversation.id, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "conversation_id"],
            set_=values,
            where=col(ConversationSummary.through_seq) == work.summary_through,
        )
        .returning(col(ConversationSummary.conversation_id))
    )
    return written is not None


async def close_work(session: AsyncSession, work: Work, digest_at: datetime | None, *, is_all: bool = True) -> None:
    """Says when this conversation is due again: at once when there is more, or anything was changed meanwhile, at
    ``digest_at`` when what was said is to be looked through later, else not before somebody says something."""
    conversation = await lock(session, work.conversation.id)
    conversation.memory_claimed_until = None
    is_changed = conversation.revision != work.conversation.revision
    if not is_all or is_changed or await _settled_seq(session, conversation) > conversation.remembered_seq:
        conversation.memory_due_at = utc_now()
    else:
        conversation.memory_due_at = digest_at


async def _settled_seq(session: AsyncSession, conversation: Conversation) -> int:
    since = utc_now() - _SENDS_END_WITHIN
    first_open = await session.scalar(_FIRST_OPEN, {"conversation_id": conversation.id, "since": since})
    return conversation.last_seq if first_open is None else first_open - 1
