"""Who waits for whom: writing memory holds up no conversation, and no two of all these ever wait for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import contacts, conversations, memory, revising, withdrawing
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.memory import Fact, due, work
from konstruct.memory.due import Work
from konstruct.tables import Conversation, ConversationSummary, Memory, Message
from konstruct.tables.base import utc_now
from tests.support.office import Office
from tests.support.processes import until

PATIENCE = 20
"""Seconds. Whoever has to wait for a transaction that hangs would wait for ever."""


@pytest.fixture
async def asked(office: Office) -> Accepted:
    asked = await office.say("One", external_id="C1:1")
    for message_id in await office.answer(asked, "Re One"):
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    return asked


async def waiting(administrator: Any, how_many: int) -> None:
    """Until so many wait for a lock."""
    query = "select count(*) >= $1 from pg_stat_activity where wait_event_type = 'Lock'"
    await until(lambda: administrator.fetchval(query, how_many))


async def opened_work(office: Office, asked: Accepted) -> Work:
    async with office.session() as session:
        return await due.open_work(session, office.vault, asked.conversation_id)


async def sayings(session: AsyncSession, office: Office, opened: Work) -> None:
    await work.write_sayings(session, office.vault, opened)


async def facts(session: AsyncSession, office: Office, opened: Work) -> None:
    for contact_id, said in opened.undigested.items():
        await work.write_facts(session, office.vault, opened, contact_id, [Fact("A fact", said[0][0], 0.9)])


async def summary(session: AsyncSession, office: Office, opened: Work) -> None:
    assert await work.write_summary(session, office.vault, opened, opened.unsummarised, "Notes")


Writing = Callable[[AsyncSession, Office, Work], Awaitable[None]]
WRITING: list[Writing] = [sayings, facts, summary]


@pytest.mark.parametrize("write", WRITING)
async def test_memory_that_hangs_holds_up_no_conversation(office: Office, asked: Accepted, write: Writing) -> None:
    opened = await opened_work(office, asked)
    async with office.session() as session, asyncio.timeout(PATIENCE):
        await write(session, office, opened)
        again = await office.exchange("Two", "Re Two")
        # The same contact elsewhere, and another one here.
        await office.exchange("Elsewhere", root="2.0")
        await office.exchange("Another", contact="U2")
        async with office.session() as other:
            turn_id = new_id()
            await office.say("Three")
            await conversations.begin_turn(other, office.vault, again.conversation_id, turn_id)
            await withdrawing.abandon(other, again.conversation_id, [again.message_id], "stopped")
    assert await office.states() == [*["answered", "sent"] * 4, "taken"]


@pytest.mark.parametrize("write", WRITING)
async def test_a_conversation_that_hangs_holds_up_no_writing(office: Office, asked: Accepted, write: Writing) -> None:
    opened = await opened_work(office, asked)
    await office.say("Two")
    async with office.session() as hanging, asyncio.timeout(PATIENCE):
        turn_id = new_id()
        await conversations.begin_turn(hanging, office.vault, asked.conversation_id, turn_id)
        await conversations.finish_turn(hanging, office.vault, asked.conversation_id, turn_id, ["Re Two"])
        await hanging.flush()
        async with office.session() as session:
            await write(session, office, opened)
        await opened_work(office, asked)


async def test_a_conversation_that_hangs_keeps_no_other_from_being_claimed(office: Office, asked: Accepted) -> None:
    other = await office.exchange("Elsewhere", root="2.0")
    async with office.session() as session:
        for conversation in await session.scalars(select(Conversation)):
            conversation.memory_due_at = utc_now()

    async def claimed() -> list[UUID]:
        claims = await due.claim(office.database, 1_000)
        return [each.conversation_id for each in claims if each.tenant_id == office.tenant_id]

    async with office.session() as hanging, asyncio.timeout(PATIENCE):
        await conversations.lock(hanging, asked.conversation_id)
        assert await claimed() == [other.conversation_id]
    assert await claimed() == [asked.conversation_id]
    assert await claimed() == []


@pytest.mark.parametrize("write", WRITING)
async def test_whoever_is_erased_while_memory_is_written_waits_for_it_and_is_erased(
    office: Office, asked: Accepted, administrator: Any, write: Writing
) -> None:
    opened = await opened_work(office, asked)

    async def writing() -> None:
        async with office.session() as session:
            await write(session, office, opened)

    async def erasing() -> None:
        async with office.session() as session:
            [contact_id] = opened.undigested
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")

    async with office.session() as held, asyncio.timeout(PATIENCE):
        # Memory stops where it looks whether the wording still stands.
        await held.execute(select(Message).where(col(Message.id) == asked.message_id).with_for_update())
        written = asyncio.create_task(writing())
        await waiting(administrator, 1)
        erased = asyncio.create_task(erasing())
        await waiting(administrator, 2)
    await asyncio.gather(written, erased)
    assert await office.rows(Memory) == []
    async with office.session() as session:
        assert list(await session.scalars(select(ConversationSummary))) == []


Noting = Callable[[AsyncSession, Work], Awaitable[None]]


@pytest.mark.parametrize("note", [work.note_remembered, work.note_digested])
async def test_whoever_edits_while_it_is_noted_how_far_memory_came_does_not_wait(
    office: Office, asked: Accepted, administrator: Any, note: Noting
) -> None:
    opened = await opened_work(office, asked)

    async def noting() -> None:
        async with office.session() as session:
            await note(session, opened)

    async with office.session() as editing, asyncio.timeout(PATIENCE):
        await conversations.lock(editing, asked.conversation_id)
        noted = asyncio.create_task(noting())
        await waiting(administrator, 1)
        await revising.edit(editing, office.vault, office.ref, "C1:1", "Edited")
    await noted
    again = await opened_work(office, asked)
    assert [text for _, text in again.unremembered][:1] in (["Edited"], [])
    conversation = again.conversation
    noted_seq = conversation.remembered_seq if note is work.note_remembered else conversation.digested_seq
    assert noted_seq == 0


async def test_whoever_forgets_while_sayings_are_written_takes_messages_in_the_same_order(
    office: Office, asked: Accepted, administrator: Any
) -> None:
    for number in range(2, 6):
        await office.exchange(f"Line {number}")
    async with office.session() as session:
        # The first one now lies behind all the others in its table.
        await revising.edit(session, office.vault, office.ref, "C1:1", "Edited")
    opened = await opened_work(office, asked)
    [contact_id] = opened.undigested

    async def writing() -> None:
        async with office.session() as session:
            await work.write_sayings(session, office.vault, opened)

    async def forgetting() -> None:
        async with office.session() as session:
            await memory.forget_person(session, contact_id, until=utc_now())

    async with office.session() as held, asyncio.timeout(PATIENCE):
        await held.execute(select(Message).where(col(Message.id) == asked.message_id).with_for_update())
        written = asyncio.create_task(writing())
        await waiting(administrator, 1)
        forgotten = asyncio.create_task(forgetting())
        await waiting(administrator, 2)
    await asyncio.gather(written, forgotten)
    assert await office.rows(Memory) == []


async def test_the_same_fact_is_not_kept_twice_by_two_who_write_at_once(
    office: Office, asked: Accepted, administrator: Any
) -> None:
    opened = await opened_work(office, asked)

    async def writing() -> None:
        async with office.session() as session:
            await facts(session, office, opened)

    async with office.session() as session, asyncio.timeout(PATIENCE):
        await facts(session, office, opened)
        second = asyncio.create_task(writing())
        await waiting(administrator, 1)
    await second
    assert [row.kind for row in await office.rows(Memory)] == ["fact"]


async def test_of_two_summaries_made_at_once_the_first_stands(
    office: Office, asked: Accepted, administrator: Any
) -> None:
    opened = await opened_work(office, asked)

    async def writing() -> bool:
        async with office.session() as session:
            return await work.write_summary(session, office.vault, opened, opened.unsummarised, "Second")

    async with office.session() as session, asyncio.timeout(PATIENCE):
        await summary(session, office, opened)
        second = asyncio.create_task(writing())
        await waiting(administrator, 1)
    assert not await second
    assert (await opened_work(office, asked)).summary == "Notes"


async def test_a_summary_that_goes_on_from_one_of_a_changed_line_is_gone_with_it(
    office: Office, asked: Accepted, administrator: Any
) -> None:
    """The line that is changed is none of those that are summarised now, but one that the older summary tells of."""
    async with office.session() as session:
        await summary(session, office, await opened_work(office, asked))
    await office.exchange("Two", "Re Two")
    opened = await opened_work(office, asked)

    async def writing() -> bool:
        async with office.session() as session:
            return await work.write_summary(session, office.vault, opened, opened.unsummarised, "Notes of One")

    async with office.session() as editing, asyncio.timeout(PATIENCE):
        await revising.edit(editing, office.vault, office.ref, "C1:1", "Edited")
        written = asyncio.create_task(writing())
        await waiting(administrator, 1)
    assert not await written
    assert (await opened_work(office, asked)).summary == ""
