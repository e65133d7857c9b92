"""The work that memory is: writing down what was said, facts and summaries, and how far that has come.

All of it can be cut off at any point and done again: what was written is not written twice. No conversation waits for
it: what is written here holds messages and contacts as they are, and a conversation only to say how far it came.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import window
from konstruct.conversations import SUMMARY, lock
from konstruct.memory.digest import LONGEST_SUMMARY, Said, asks_to_forget_all
from konstruct.memory.due import LONGEST_DIGEST, Work, at_once
from konstruct.memory.keeping import Fact, remember, supersede
from konstruct.models.context import count_tokens
from konstruct.tables import (
    Contact,
    Conversation,
    ConversationSummary,
    Message,
)
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault

WINDOW_TURNS: Final = 40
"""Questions with their answers that the window holds at most; a summary is made of the older half."""
WINDOW_LINES: Final = 200
"""However short they are: a turn reads no more than twice as many."""
WINDOW_TOKENS: Final = 6_000
"""What the window may take of a prompt, however much a model would read."""


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
    most = len(at_once(said[:cut], LONGEST_DIGEST))
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
