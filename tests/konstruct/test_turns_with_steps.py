"""Turns that used tools keep their id: of all that is thought under it, only what knew of everything is told."""

import pytest

from konstruct import conversations, withdrawing
from konstruct.conversations import Finished, Turn
from konstruct.identity import new_id
from konstruct.outgoing import Send
from konstruct.tables import Conversation
from tests.support.office import Office
from tests.support.workshop import Job, job, publish


@pytest.fixture
async def turn(office: Office) -> Job:
    await publish(office, "current_time", "hand_off")
    return await job(office, "First")


async def finish(turn: Job, text: str, *, step: int, through_seq: int = 1) -> Finished:
    async with turn.office.session() as session:
        return await conversations.finish_turn(
            session,
            turn.office.vault,
            turn.asked.conversation_id,
            turn.turn_id,
            [text],
            step=step,
            through_seq=through_seq,
        )


async def discard(turn: Job) -> None:
    """As what a person has forgotten takes the conversation its turn."""
    async with turn.office.session() as session:
        row = await session.get_one(Conversation, (turn.office.tenant_id, turn.asked.conversation_id))
        row.turn_id = None


async def bodies(office: Office, state: str) -> list[str | None]:
    return [message.body for message in await office.messages("outbound") if message.state == state]


async def test_what_joined_the_turn_after_an_answer_was_thought_of_is_answered(turn: Job) -> None:
    """The older call was cancelled, and went on until it heard of it."""
    office = turn.office
    await turn.step("current_time")
    await office.say("Second")
    joined = await office.begin(turn.asked, turn.turn_id)
    assert isinstance(joined, Turn)
    assert joined.asked_seqs == (1, 2)
    assert await finish(turn, "To the first", step=1) == Finished("superseded")
    assert (await finish(turn, "To both", step=1, through_seq=2)).outcome == "stored"
    assert await bodies(office, "pending") == ["To both"]


async def test_an_answer_that_knew_of_fewer_steps_is_none(turn: Job) -> None:
    """Of two attempts one answers, and the other one has begun to use tools."""
    await turn.step("current_time")
    assert await finish(turn, "Without the time", step=0) == Finished("superseded")
    await turn.step("hand_off")
    assert await finish(turn, "Without a person", step=1) == Finished("superseded")
    assert (await finish(turn, "With all", step=2)).outcome == "stored"


async def test_another_turns_steps_and_messages_are_no_ones_business(turn: Job) -> None:
    other = await job(turn.office, root="2.0")
    await other.step("current_time")
    await other.step("hand_off")
    assert isinstance(await turn.office.begin(turn.asked, turn.turn_id), Turn)
    assert (await finish(turn, "Hello", step=0)).outcome == "stored"


async def test_a_discarded_answer_is_thought_of_again_under_the_same_id(turn: Job) -> None:
    office = turn.office
    await turn.step("current_time")
    first = await finish(turn, "Knows too much", step=1)
    await discard(turn)
    assert await office.begin_send(turn.asked, first.reply_ids[0]) == "superseded"

    assert isinstance(await office.begin(turn.asked, turn.turn_id), Turn)
    second = await finish(turn, "Knows less", step=1)
    assert second.outcome == "stored"
    assert await office.begin(turn.asked, turn.turn_id) == second.reply_ids
    assert await finish(turn, "Too late", step=1) == Finished("stored_before", second.reply_ids)
    assert isinstance(await office.begin_send(turn.asked, second.reply_ids[0]), Send)
    await office.settle_sent(turn.asked, second.reply_ids[0])
    assert (await office.message(turn.asked.message_id)).state == "answered"


async def test_an_answer_that_was_broken_off_half_way_is_none(turn: Job) -> None:
    office = turn.office
    await turn.step("current_time")
    first = await office.finish(turn.asked, turn.turn_id, "One", "Two")
    await office.begin_send(turn.asked, first.reply_ids[0])
    await office.settle_sent(turn.asked, first.reply_ids[0])
    await discard(turn)
    assert await office.begin_send(turn.asked, first.reply_ids[1]) == "superseded"

    assert isinstance(await office.begin(turn.asked, turn.turn_id), Turn)
    second = await finish(turn, "All of it", step=1)
    assert await office.begin(turn.asked, turn.turn_id) == second.reply_ids
    assert await bodies(office, "sent") == ["One"]


async def test_given_up_messages_name_their_turns_though_the_conversation_has_none(turn: Job) -> None:
    office = turn.office
    await turn.step("current_time")
    await discard(turn)
    late = await office.say("Second")
    async with office.session() as session:
        ended = await withdrawing.abandon(
            session, turn.asked.conversation_id, [turn.asked.message_id, late.message_id], "stopped"
        )
    assert ended == {turn.turn_id}
    assert await office.states() == ["stopped", "stopped"]
    async with office.session() as session:
        assert await withdrawing.abandon(session, turn.asked.conversation_id, [], "stopped") == set()


async def test_the_asker_is_who_wrote_last_with_what_the_turn_took_so_far(turn: Job) -> None:
    office = turn.office
    await turn.step("current_time")
    await office.say("Me too", contact="U2")
    await office.begin(turn.asked, turn.turn_id)
    async with office.session() as session:
        conversation = await conversations.lock(session, turn.asked.conversation_id)
        asker = await conversations.asker(session, office.vault, conversation, turn.turn_id)
        assert asker is not None
        assert (asker.seq, asker.steps) == (2, 1)
        assert asker.contact_id != conversation.contact_id
        assert await conversations.asker(session, office.vault, conversation, new_id()) is None
