"""Memory written and unwritten: what takes whose place, and all that goes with what is forgotten or changed."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import select

from konstruct import contacts, conversations, memory, revising
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.memory import Fact, due, work
from konstruct.memory.due import Work
from konstruct.tables import Conversation, ConversationSummary, Memory
from konstruct.tables.base import utc_now
from tests.support.office import Office


async def say(office: Office, text: str, number: int, *, root: str = "1.0", contact: str = "U1") -> Accepted:
    """Answered, and to be edited as C1:number."""
    asked = await office.say(text, external_id=f"C1:{number}", root=root, contact=contact)
    for message_id in await office.answer(asked, f"Re {text}"):
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    return asked


async def remember(office: Office, asked: Accepted, *, facts: bool = True, summary: bool = True) -> Work:
    """All that there is to remember, with a fact of each question."""
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
        await work.write_sayings(session, office.vault, opened)
        for contact_id, said in opened.undigested.items() if facts else ():
            found = [Fact(f"Fact of {text}", line, 0.9) for line, text in said if not line.is_answer]
            await work.write_facts(session, office.vault, opened, contact_id, found)
        if summary:
            assert await work.write_summary(session, office.vault, opened, opened.unsummarised, "Notes")
    async with office.session() as session:
        await work.note_remembered(session, opened)
        await work.note_digested(session, opened)
        await due.close_work(session, opened, None)
    return opened


async def kept(office: Office) -> dict[str, Memory]:
    """What can be recalled, by what it says."""
    rows = [row for row in await office.rows(Memory) if row.superseded_at is None]
    async with office.session() as session:
        ciphers = await office.vault.ciphers(session, {row.contact_id for row in rows})
    return {ciphers[row.contact_id].open("memory", row.id, row.sealed): row for row in rows}


async def summarised(office: Office) -> set[UUID]:
    async with office.session() as session:
        return {row.conversation_id for row in await session.scalars(select(ConversationSummary))}


async def conversation(office: Office, asked: Accepted) -> Conversation:
    async with office.session() as session:
        return await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))


async def contact_id(office: Office, named: str) -> UUID:
    async with office.session() as session:
        return (await contacts.find(session, named)).contact_id


async def forget(
    office: Office, contact: str, *, memories: list[UUID] | None = None, messages: list[UUID] | None = None
) -> set[UUID]:
    whose = await contact_id(office, contact)
    async with office.session() as session:
        return set(await memory.forget(session, whose, memories or [], messages or []))


async def learn(office: Office, opened: Work, text: str, *replaces: UUID) -> list[UUID]:
    [(contact_id, [(line, _), *_])] = opened.undigested.items()
    async with office.session() as session:
        fact = Fact(text, line, 0.9, tuple(replaces))
        return await work.write_facts(session, office.vault, opened, contact_id, [fact])


async def test_a_fact_takes_the_place_of_facts_alone_and_never_its_own(office: Office) -> None:
    asked = await say(office, "One", 1)
    opened = await remember(office, asked)
    before = await kept(office)
    assert set(before) == {"One", "Re One", "Fact of One"}
    assert await learn(office, opened, "Fact of One", before["Fact of One"].id) == []
    [newer] = await learn(office, opened, "Newer", before["One"].id, before["Fact of One"].id)
    assert set(await kept(office)) == {"One", "Re One", "Newer"}
    [old] = [row for row in await office.rows(Memory) if row.superseded_at]
    assert (old.id, old.superseded_by, old.embedded_with) == (before["Fact of One"].id, newer, None)


async def test_what_was_replaced_has_no_vector_and_is_marked_so(office: Office) -> None:
    opened = await remember(office, await say(office, "One", 1))
    old = (await kept(office))["Fact of One"].id
    async with office.session() as session:
        await memory.keep_vectors(session, office.tenant_id, "m", {old: [1.0]})
    await learn(office, opened, "Newer", old)
    [row] = [row for row in await office.rows(Memory) if row.id == old]
    assert row.embedded_with is None


async def test_facts_of_small_words_alone_are_told_apart_by_contact(office: Office) -> None:
    """Nothing of them can be searched, so that in the database they look alike."""
    one = await remember(office, await say(office, "One", 1))
    two = await remember(office, await say(office, "Two", 2, root="2.0", contact="U2"))
    assert await learn(office, one, "It is.")
    assert await learn(office, two, "It is.")
    assert await learn(office, two, "He is.")
    assert not await learn(office, two, "He is.")


async def test_what_is_kept_already_stays_as_it_is(office: Office) -> None:
    asked = await say(office, "One", 1)
    opened = await remember(office, asked)
    before = {row.id: row.sealed for row in await office.rows(Memory)}
    async with office.session() as session:
        await work.write_sayings(session, office.vault, opened)
    assert {row.id: row.sealed for row in await office.rows(Memory)} == before


async def test_with_what_is_forgotten_goes_all_that_came_of_it(office: Office) -> None:
    one = await say(office, "One", 1)
    two = await say(office, "Two", 2)
    other = await say(office, "Elsewhere", 3, root="2.0")
    for asked in (two, other):
        await remember(office, asked)
    before = await conversation(office, two)
    fact = (await kept(office))["Fact of One"]
    asking = new_id()
    waiting = await office.say("Waiting")
    await office.begin(waiting, asking)

    forgotten = await forget(office, "U1", memories=[fact.id])
    messages = {message.id: message for message in await office.messages()}
    # With its answer, which may say it once more.
    assert sorted(messages[each].body or "" for each in forgotten) == ["One", "Re One"]
    assert one.message_id in forgotten
    assert set(await kept(office)) == {"Two", "Re Two", "Fact of Two", "Elsewhere", "Re Elsewhere", "Fact of Elsewhere"}
    assert await summarised(office) == {other.conversation_id}
    after = await conversation(office, two)
    assert after.revision == before.revision + 1
    assert after.memory_due_at is not None
    # What is being thought knows it still.
    assert after.turn_id is None
    assert (await office.finish(waiting, asking, "You said one")).outcome == "superseded"
    assert (await conversation(office, other)).memory_due_at is None
    # Once is enough.
    assert await forget(office, "U1", memories=[fact.id], messages=[one.message_id]) == set()
    assert (await conversation(office, two)).revision == after.revision


async def test_nobody_has_anything_forgotten_that_is_not_theirs(office: Office) -> None:
    asked = await say(office, "Mine", 1)
    await remember(office, asked)
    await say(office, "Theirs", 2, root="2.0", contact="U2")
    mine = await kept(office)
    assert await forget(office, "U2", memories=[row.id for row in mine.values()], messages=[asked.message_id]) == set()
    whose = await contact_id(office, "U2")
    async with office.session() as session:
        assert len(await memory.forget_person(session, whose, until=utc_now())) == 2
    assert await kept(office) == mine


async def test_a_person_is_forgotten_on_all_channels_up_to_a_moment(office: Office) -> None:
    one = await say(office, "One", 1)
    two = await say(office, "Two", 2, root="2.0", contact="U2")
    first, second = await contact_id(office, "U1"), await contact_id(office, "U2")
    async with office.session() as session:
        await contacts.join(session, office.tenant_id, first, second, actor="test")
    until = (await office.message(two.message_id)).created_at
    later = await say(office, "Later", 3)
    for asked in (one, two):
        await remember(office, asked)
    async with office.session() as session:
        forgotten = set(await memory.forget_person(session, second, until=until))
    assert {one.message_id, two.message_id} <= forgotten
    assert later.message_id not in forgotten
    assert set(await kept(office)) == {"Later", "Re Later", "Fact of Later"}
    async with office.session() as session:
        assert await memory.forget_person(session, second, until=until - timedelta(days=1)) == []


@pytest.mark.parametrize("is_removed", [False, True], ids=["edited", "removed"])
@pytest.mark.parametrize("had_facts", [True, False])
async def test_a_message_that_changes_is_looked_at_again_with_all_after_it(
    office: Office, is_removed: bool, had_facts: bool
) -> None:
    await say(office, "One", 1)
    await say(office, "Two", 2)
    asked = await say(office, "Three", 3)
    other = await say(office, "Elsewhere", 4, root="2.0")
    await remember(office, asked, facts=had_facts)
    await remember(office, other)
    before = await conversation(office, asked)
    assert (before.remembered_seq, before.digested_seq, before.memory_due_at) == (6, 6, None)
    async with office.session() as session:
        if is_removed:
            await revising.remove(session, office.vault, office.ref, "C1:2")
        else:
            await revising.edit(session, office.vault, office.ref, "C1:2", "Edited")
    after = await conversation(office, asked)
    assert after.revision == before.revision + 1
    assert after.memory_due_at is not None
    assert after.remembered_seq == 2
    # Looking for facts is paid for, and done where there were any.
    assert after.digested_seq == (2 if had_facts else 6)
    facts = {"Fact of One", "Fact of Three"} if had_facts else set()
    assert {text for text in await kept(office) if "Elsewhere" not in text} == {
        *("One", "Re One", "Re Two", "Three", "Re Three"),
        *facts,
    }
    assert await summarised(office) == {other.conversation_id}
    assert (await conversation(office, other)).memory_due_at is None


async def test_a_change_sets_nothing_forward_and_leaves_an_older_summary(office: Office) -> None:
    asked = await say(office, "One", 1)
    await remember(office, asked)
    for number in range(2, 4):
        await say(office, f"Line {number}", number)
    async with office.session() as session:
        await revising.edit(session, office.vault, office.ref, "C1:3", "Edited")
    after = await conversation(office, asked)
    assert (after.remembered_seq, after.digested_seq) == (2, 2)
    assert await summarised(office) == {asked.conversation_id}
    # The last line that a summary covers is covered.
    [reply] = [message for message in await office.messages("outbound") if message.seq == 2]
    async with office.session() as session:
        await conversations.lock(session, asked.conversation_id)
        await memory.unlearn(session, reply)
    assert await summarised(office) == set()
