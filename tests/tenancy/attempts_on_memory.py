"""What one tenant may try on another's memory and contacts; the test beside this one runs it."""

from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import consent, contacts, conversations, memory, repeating, window
from konstruct.connections import ConnectionRef
from konstruct.errors import NotFound
from konstruct.memory import Fact, Question, due, keeping, recalling, vectors, words, work
from konstruct.memory.due import Work
from konstruct.repeating import Gone
from konstruct.tables import Message
from konstruct.tables.base import utc_now
from konstruct.window import Line
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def _work_of(b: Furnished) -> Work:
    async with b.session() as theirs:
        return await due.open_work(theirs, b.vault, b.remembered.conversation_id)


async def _message_of(b: Furnished) -> Message:
    async with b.session() as theirs:
        return await theirs.get_one(Message, (b.tenant_id, b.remembered.message_id))


async def _remember(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    opened, line = await _work_of(b), Line.of(await _message_of(b))
    cipher = await a.vault.cipher(session, a.tenant_id, a.contact_id)
    await keeping.remember(session, opened.conversation, cipher, [(line, "Not yours")])


async def _supersede(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """With a fact of our own, which is to take the place of theirs."""
    async with a.session() as ours:
        opened = await due.open_work(ours, a.vault, a.remembered.conversation_id)
        message = await ours.get_one(Message, (a.tenant_id, a.remembered.message_id))
    fact = Fact("Ours", Line.of(message), 1.0, (b.fact_id,))
    ciphers = await a.vault.ciphers(session, [a.contact_id])
    return len(await keeping.supersede(session, opened.conversation, ciphers[a.contact_id], [fact]))


async def _question(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    question = Question(b.contact_id, "canary", {"local/words": [1.0, 0.0]})
    return await memory.recall(session, a.vault, b.tenant_id, question)


async def _write_facts(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    fact = Fact("Not yours", Line.of(await _message_of(b)), 1.0)
    return await work.write_facts(session, a.vault, await _work_of(b), b.contact_id, [fact])


async def _write_sayings(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await work.write_sayings(session, a.vault, await _work_of(b))


async def _write_summary(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await work.write_summary(session, a.vault, await _work_of(b), [], "Not yours")


async def _close_work(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await due.close_work(session, await _work_of(b), utc_now())


async def _note_remembered(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await work.note_remembered(session, await _work_of(b))


async def _note_digested(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await work.note_digested(session, await _work_of(b))


async def _unlearn(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.unlearn(session, await _message_of(b))


async def _erased_id(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """Whether we would call by the same name what they have erased."""
    async with b.session() as theirs:
        name = await repeating.erased_id(theirs, b.vault, b.ref, "C1:1.0")
    return await repeating.erased_id(session, a.vault, ConnectionRef(a.tenant_id, b.connection_id), "C1:1.0") == name


async def _read(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return (await window.read(session, b.remembered.conversation_id, revision=0, after_seq=0)).lines


ON_MEMORY: dict[str, tuple[Attempt, object]] = {
    "contacts.find": (lambda s, a, b: contacts.find(s, str(b.contact_id)), NotFound),
    "contacts.of_person": (lambda s, a, b: contacts.of_person(s, b.contact_id), []),
    "contacts.join": (
        lambda s, a, b: contacts.join(s, a.tenant_id, a.contact_id, b.contact_id, actor="a"),
        NotFound,
    ),
    "consent.opt_out": (lambda s, a, b: consent.opt_out(s, b.contact_id, by="a"), NotFound),
    "consent.opt_in": (lambda s, a, b: consent.opt_in(s, b.contact_id, by="a"), NotFound),
    "consent.has_opted_out": (lambda s, a, b: consent.has_opted_out(s, b.contact_id), False),
    "contacts.erase": (lambda s, a, b: contacts.erase(s, b.tenant_id, b.contact_id, actor="a"), NotFound),
    "contacts.seal_plain": (lambda s, a, b: contacts.seal_plain(s, a.vault, b.tenant_id, 100), 0),
    "repeating.erased_id": (_erased_id, False),
    "repeating.remember": (
        lambda s, a, b: repeating.remember(s, a.vault, [Gone(b.asked.message_id, a.ref, "C1:1.0")]),
        None,
    ),
    "window.latest": (
        lambda s, a, b: window.latest(s, b.remembered.conversation_id),
        NotFound,
    ),
    "conversations.changed": (lambda s, a, b: conversations.changed(s, b.asked.conversation_id), NotFound),
    "memory.keeping.forget": (lambda s, a, b: keeping.forget(s, b.contact_id, [b.fact_id], [b.reply_id]), []),
    "memory.keeping.forget of b's by our contact": (
        lambda s, a, b: keeping.forget(s, a.contact_id, [b.fact_id], [b.reply_id]),
        [],
    ),
    "memory.keeping.forget_person": (lambda s, a, b: keeping.forget_person(s, b.contact_id, until=utc_now()), []),
    "memory.keeping.remember": (_remember, DBAPIError),
    "memory.keeping.supersede": (_supersede, 1),
    "memory.keeping.unlearn": (_unlearn, None),
    "memory.recalling.count_sayings": (lambda s, a, b: recalling.count_sayings(s, b.contact_id), 0),
    "memory.recalling.known_models": (lambda s, a, b: recalling.known_models(s, b.tenant_id, b.contact_id), []),
    "memory.recalling.recall": (_question, []),
    "memory.vectors.to_embed": (lambda s, a, b: vectors.to_embed(s, a.vault, "local/other", [b.fact_id]), []),
    "memory.vectors.keep_vectors": (
        lambda s, a, b: vectors.keep_vectors(s, b.tenant_id, "local/other", {b.fact_id: [1.0]}),
        None,
    ),
    # It reads no row of anybody's.
    "memory.words.stems": (lambda s, a, b: words.stems(s, [""]), [{}]),
    "memory.due.try_once_more": (lambda s, a, b: due.try_once_more(s, b.remembered.conversation_id), NotFound),
    "memory.due.uncount": (lambda s, a, b: due.uncount(s, b.remembered.conversation_id), NotFound),
    "memory.due.open_work": (lambda s, a, b: due.open_work(s, a.vault, b.remembered.conversation_id), NotFound),
    "memory.work.write_sayings": (_write_sayings, None),
    "memory.work.write_facts": (_write_facts, []),
    "memory.work.note_remembered": (_note_remembered, NotFound),
    "memory.work.write_summary": (_write_summary, False),
    "memory.work.note_digested": (_note_digested, NotFound),
    "memory.due.close_work": (_close_work, NotFound),
    "memory.due.known_facts": (lambda s, a, b: due.known_facts(s, a.vault, b.contact_id), []),
    "window.read": (_read, ()),
    "window.between": (lambda s, a, b: window.between(s, b.remembered.conversation_id, 0, 100), []),
}
