from uuid import UUID, uuid4

import pytest

from konstruct import conversations, notices, outbox, revising, withdrawing
from konstruct.conversations import Finished, HandedOff, Turn
from konstruct.errors import ChannelRefused, NotFound
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.said import Said
from konstruct.tables import Conversation, EmployeeVersion
from konstruct.window import LONGEST
from tests.support.office import REFUSING, Office


async def begun(office: Office, asked: Accepted, turn_id: UUID | None = None) -> Turn:
    turn = await office.begin(asked, turn_id or new_id())
    assert isinstance(turn, Turn)
    return turn


async def send(office: Office, asked: Accepted, *message_ids: UUID) -> None:
    for message_id in message_ids:
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)


async def test_a_turn_reads_all_that_thinking_needs(office: Office) -> None:
    asked = await office.say("Hello?", root="1.5", contact="U7")
    turn_id = new_id()
    turn = await begun(office, asked, turn_id)

    assert (turn.tenant_name, turn.employee.name, turn.employee.number) == ("Acme Bikes", "Ada", 1)
    assert (turn.thread.channel, turn.thread.root, turn.thread.contact_external_id) == ("C1", "1.5", "U7")
    assert (turn.account.connection_id, turn.account.is_active) == (office.connection_id, True)
    assert turn.account.secrets["bot_token"].get_secret_value() == office.bot_token
    assert turn.said == (Said("contact", "Hello?", 1),)
    message = await office.message(asked.message_id)
    assert (message.state, message.turn_id) == ("taken", turn_id)


async def test_a_turn_looks_back_on_what_was_really_said(office: Office) -> None:
    first = await office.say("First")
    await send(office, first, *await office.answer(first, "Answer one", "Answer two"))
    await office.say("Refused", limiter=REFUSING)
    await office.say("Taken back", external_id="C1:9")
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:9")
    await office.answer(await office.say("Second"), "Thought, but never sent")
    turn = await begun(office, await office.say("Third"))

    assert [line.text for line in turn.said] == ["First", "Answer one", "Answer two", "Second", "Third"]
    assert [line.author for line in turn.said] == ["contact", "employee", "employee", "contact", "contact"]


async def test_a_turn_takes_all_that_waits(office: Office) -> None:
    """Also what the workflow was not told of yet, since whoever wrote it was killed before it could."""
    first, turn_id = await office.say("First"), new_id()
    await office.say("Second")
    elsewhere = await office.say("Elsewhere", root="2.0")
    turn = await begun(office, first, turn_id)

    assert [line.text for line in turn.said] == ["First", "Second"]
    await send(office, first, *(await office.finish(first, turn_id, "Both")).reply_ids)
    assert await office.states() == ["answered", "answered", "received", "sent"]
    assert (await office.message(elsewhere.message_id)).state == "received"


async def test_what_came_in_before_an_older_answer_was_there_is_answered_after_it(office: Office) -> None:
    first, turn_id = await office.say("First"), new_id()
    await begun(office, first, turn_id)
    await office.say("Second")
    await send(office, first, *(await office.finish(first, turn_id, "Answer", "to the first")).reply_ids)
    turn = await begun(office, first)
    assert [line.text for line in turn.said] == ["First", "Answer", "to the first", "Second"]

    later = await office.answer(first, "Answer to the second")
    await send(office, first, *later)
    turn = await begun(office, await office.say("Third"))
    texts = [line.text for line in turn.said]
    assert texts == ["First", "Answer", "to the first", "Second", "Answer to the second", "Third"]


async def test_a_turn_looks_back_on_the_latest_messages_alone(office: Office) -> None:
    for number in range(LONGEST + 5):
        asked = await office.say(f"{number}")
    turn = await begun(office, asked)
    assert [line.text for line in turn.said] == [f"{number}" for number in range(5, LONGEST + 5)]


async def test_a_turn_sees_the_edited_text(office: Office) -> None:
    asked = await office.say("Helo?", external_id="C1:1")
    async with office.session() as session:
        await revising.edit(session, office.vault, office.ref, "C1:1", "Hello?")
    assert (await begun(office, asked)).said == (Said("contact", "Hello?", 1),)


async def test_a_turn_is_of_the_version_that_is_published_now(office: Office) -> None:
    asked = await office.say()
    async with office.session() as session:
        [version] = await office.rows(EmployeeVersion)
        newer = version.model_dump() | {"id": new_id(), "number": 2, "name": "Ada the Second"}
        session.add(EmployeeVersion(**newer))
    assert (await begun(office, asked)).employee.number == 1


async def test_an_attempt_after_a_crash_finds_the_answer_that_was_stored(office: Office) -> None:
    asked, turn_id = await office.say(), new_id()
    await begun(office, asked, turn_id)
    stored = (await office.finish(asked, turn_id, "One", "Two")).reply_ids

    assert await office.begin(asked, turn_id) == stored
    await send(office, asked, *stored)
    assert await office.begin(asked, turn_id) == stored
    assert [message.body for message in await office.messages("outbound")] == ["One", "Two"]


async def test_an_attempt_after_a_crash_before_the_answer_thinks_again(office: Office) -> None:
    asked, turn_id = await office.say(), new_id()
    first = await begun(office, asked, turn_id)
    assert await begun(office, asked, turn_id) == first


async def test_of_two_attempts_that_both_think_to_the_end_the_first_one_s_answer_is_kept(office: Office) -> None:
    """One that was taken for dead may still be at it."""
    asked, turn_id = await office.say(), new_id()
    await begun(office, asked, turn_id)
    await begun(office, asked, turn_id)
    first = await office.finish(asked, turn_id, "One", "Two")

    assert first.outcome == "stored"
    assert await office.finish(asked, turn_id, "Uno", "Dos") == Finished("stored_before", first.reply_ids)
    await send(office, asked, *first.reply_ids)
    assert await office.finish(asked, turn_id, "Eins") == Finished("stored_before", first.reply_ids)
    assert [message.body for message in await office.messages("outbound")] == ["One", "Two"]
    assert await office.states() == ["answered", "sent", "sent"]


async def test_an_answered_question_is_not_answered_again(office: Office) -> None:
    asked = await office.say()
    await send(office, asked, *await office.answer(asked))
    assert await office.begin(asked, new_id()) == []


async def test_a_newer_turn_supersedes_an_older_one(office: Office) -> None:
    first, older, newer = await office.say("First"), new_id(), new_id()
    await begun(office, first, older)
    second = await office.say("Second")
    turn = await begun(office, second, newer)
    assert [line.text for line in turn.said] == ["First", "Second"]

    assert await office.finish(first, older, "Too late") == Finished("superseded")
    assert (await office.finish(first, newer, "Both")).outcome == "stored"
    assert [message.body for message in await office.messages("outbound")] == ["Both"]
    assert {message.turn_id for message in await office.messages()} == {newer}


async def test_an_older_turn_over_other_messages_is_superseded_too(office: Office) -> None:
    first, older, newer = await office.say("First"), new_id(), new_id()
    await begun(office, first, older)
    second = await office.say("Second")
    await begun(office, second, newer)
    assert await office.finish(first, older, "Too late") == Finished("superseded")
    assert (await office.finish(second, newer, "Second one")).outcome == "stored"


async def test_nothing_is_answered_once_all_that_was_asked_is_taken_back(office: Office) -> None:
    asked, turn_id = await office.say("My password is canary", external_id="C1:1"), new_id()
    await begun(office, asked, turn_id)
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:1")
    assert await office.finish(asked, turn_id, "Your password is canary") == Finished("nothing")
    assert [message.body for message in await office.messages()] == [""]


async def test_an_older_answer_that_was_not_sent_is_discarded_by_a_newer_turn(office: Office) -> None:
    first = await office.say("First")
    older = await office.answer(first, "Old one", "Old two")
    notice = await office.say("One too many", limiter=REFUSING)
    await begun(office, await office.say("Second"))

    states = [(await office.message(message_id)).state for message_id in older]
    assert states == ["discarded", "discarded"]
    assert (await office.message(older[1])).settled_at
    assert notice.notice_id
    assert (await office.message(notice.notice_id)).state == "pending"


async def test_an_employee_does_not_answer_for_a_person_who_took_over(office: Office) -> None:
    asked, turn_id = await office.say(), new_id()
    await begun(office, asked, turn_id)
    await office.change_owner(asked.conversation_id, "agent")

    assert await office.finish(asked, turn_id, "Not mine any more") == Finished("nothing")
    assert await office.begin(asked, new_id()) == HandedOff("agent", 1, None)
    assert len(await office.messages()) == 1


async def test_an_answer_is_of_the_owners_epoch(office: Office) -> None:
    asked = await office.say()
    await office.change_owner(asked.conversation_id, "agent")
    await office.change_owner(asked.conversation_id, "employee")
    [reply] = await office.answer(asked)
    assert (await office.message(reply)).epoch == 2


async def test_a_notice_is_made_once_a_turn(office: Office) -> None:
    asked, turn_id = await office.say(), new_id()
    await begun(office, asked, turn_id)
    async with office.session() as session:
        first = await notices.add_notice(session, asked.conversation_id, turn_id, "Later.")
    async with office.session() as session:
        assert await notices.add_notice(session, asked.conversation_id, turn_id, "Later.") == first
    async with office.session() as session:
        assert await notices.add_notice(session, asked.conversation_id, new_id(), "Later.") != first
    notice = await office.message(first)
    assert (notice.purpose, notice.author, notice.state, notice.seq) == ("notice", "system", "pending", 2)


async def test_a_notice_is_no_answer_to_be_found_after_a_crash(office: Office) -> None:
    asked, turn_id = await office.say(), new_id()
    await begun(office, asked, turn_id)
    async with office.session() as session:
        await notices.add_notice(session, asked.conversation_id, turn_id, "Later.")
    turn = await begun(office, asked, turn_id)
    assert [line.text for line in turn.said] == ["Hello?"]


@pytest.mark.parametrize(("why", "actor"), [("stopped", "contact"), ("failed", "runtime")])
async def test_an_abandoned_turn_may_not_answer_any_more(office: Office, why: str, actor: str) -> None:
    asked, turn_id = await office.say(), new_id()
    await begun(office, asked, turn_id)
    [ready] = (await office.finish(asked, turn_id, "Ready to go")).reply_ids
    async with office.session() as session:
        await withdrawing.abandon(session, asked.conversation_id, [asked.message_id], why)

    assert await office.states() == [why, "discarded"]
    assert await office.begin_send(asked, ready) == "superseded"
    assert await office.finish(asked, turn_id, "Too late") == Finished("superseded")
    assert await office.begin(asked, new_id()) == []
    [event] = await office.events(f"turn.{why}")
    assert (event.actor, event.conversation_id) == (actor, asked.conversation_id)
    assert event.detail == {"messages": [str(asked.message_id)]}
    [conversation] = await office.rows(Conversation)
    assert conversation.turn_id is None


async def test_an_answer_that_is_being_sent_is_not_thought_of_again(office: Office) -> None:
    """As by a turn that was cut off before it began, and begins all the same."""
    asked = await office.say("A question")
    [ready] = await office.answer(asked)
    await office.begin_send(asked, ready)
    more = await office.say("Another one")
    assert await office.begin(more, new_id()) == [ready]
    assert await office.states() == ["taken", "sending", "received"]

    await office.settle_sent(asked, ready)
    turn = await begun(office, more)
    assert turn.asked == "Another one"
    assert await office.states() == ["answered", "sent", "taken"]


async def test_an_answer_of_which_a_part_is_sent_comes_to_its_end_first(office: Office) -> None:
    asked = await office.say("A question")
    first, second = await office.answer(asked, "One", "Two")
    await send(office, asked, first)
    more = await office.say("Another one")
    assert await office.begin(more, new_id()) == [first, second]
    await send(office, asked, second)
    assert (await begun(office, more)).asked == "Another one"
    assert await office.states() == ["answered", "sent", "sent", "taken"]


async def test_an_answer_of_which_a_part_failed_is_at_its_end(office: Office) -> None:
    asked = await office.say("A question")
    first, second, _ = await office.answer(asked, "One", "Two", "Three")
    await send(office, asked, first)
    await office.begin_send(asked, second)
    async with office.session() as session:
        await outbox.settle_refused(session, asked.conversation_id, second, ChannelRefused("Too long.", "msg_too_long"))
    more = await office.say("Another one")
    assert (await begun(office, more)).asked == "Another one"
    assert await office.states() == ["failed", "sent", "failed", "discarded", "taken"]


async def test_abandoning_leaves_what_was_answered(office: Office) -> None:
    asked = await office.say()
    await send(office, asked, *await office.answer(asked))
    async with office.session() as session:
        await withdrawing.abandon(session, asked.conversation_id, [asked.message_id], "stopped")
    assert await office.states() == ["answered", "sent"]


async def test_the_next_turn_knows_what_was_stopped(office: Office) -> None:
    asked = await office.say("Stop this")
    await begun(office, asked)
    async with office.session() as session:
        await withdrawing.abandon(session, asked.conversation_id, [asked.message_id], "stopped")
    turn = await begun(office, await office.say("Something else"))
    assert [line.text for line in turn.said] == ["Stop this", "Something else"]


async def test_a_conversation_that_is_not_there_is_not_found(office: Office) -> None:
    async with office.session() as session:
        with pytest.raises(NotFound):
            await conversations.begin_turn(session, office.vault, uuid4(), new_id())
