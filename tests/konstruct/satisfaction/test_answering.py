"""What is an answer and what is not; kept once, changed within a day, thanked once, and no turn begins."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text, update
from sqlmodel import col

from konstruct import conversations, inbox, window
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound
from konstruct.inbox import Accepted, Inbound
from konstruct.satisfaction import answering, pressing, texts
from konstruct.satisfaction.answering import Taken
from konstruct.tables import Connection, Message, Rating
from konstruct.tables.base import utc_now
from tests.konstruct.satisfaction.place import choose, let_pass, put_question, ratings
from tests.support.handoffs import hand_off
from tests.support.office import Allowing, Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    """A contact who was asked."""
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    await put_question(office, asked)
    return asked


async def pressed(office: Office, score: int, external_id: str = "press", contact: str = "U1") -> Accepted:
    [rating] = await ratings(office)
    button = texts.buttons(rating.id)[score - 1]
    inbound = Inbound("C1", "1.0", external_id, contact, button["title"], pressed=button["id"])
    return await inbox.accept(office.database, office.vault, Allowing(), office.ref, inbound)


async def score(office: Office) -> int | None:
    [rating] = await ratings(office)
    return rating.score


@pytest.mark.parametrize(
    ("said", "means"),
    [
        *(("5", 5), (" 4 ", 4), ("３", 3), ("٢", 2), ("१", 1), ("5️⃣", 5), ("4 ★★★★", 4), ("★★★", 3), ("⭐⭐", 2)),
        *(("5.", 5), ("5!", 5), ("(3)", None), ("0", None), ("6", None), ("55", None), ("4 ★★★", None), ("", None)),
        *(("5 apples", None), ("1042", None), ("great", None), ("★★★★★★", None), ("3 4", None), ("½", None)),
    ],
)
def test_a_bare_number_is_an_answer(said: str, means: int | None) -> None:
    assert answering.score_of(said) == means


async def test_a_number_is_kept_thanked_and_begins_no_turn(office: Office, asked: Accepted) -> None:
    answered = await office.say("5")

    assert answered.is_refused
    assert answered.notice_id is not None
    message = await office.message(answered.message_id)
    assert (message.state, message.purpose) == ("answered", "notice")
    thanks = await office.message(answered.notice_id)
    assert (thanks.body, thanks.state) == ("Thank you for your rating!", "pending")
    assert thanks.seq == message.seq + 1
    assert await score(office) == 5
    [rating] = await ratings(office)
    assert rating.answered_at is not None
    [event] = await office.events("rating.given")
    assert (event.actor, event.detail["score"]) == ("contact", 5)
    async with office.session() as session:
        looked_back_on = await window.latest(session, asked.conversation_id)
    assert message.id not in {line.message_id for line in looked_back_on.lines}


async def test_the_same_message_again_changes_nothing(office: Office, asked: Accepted) -> None:
    first = await office.say("4", external_id="once")
    again = await office.say("4", external_id="once")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.notice_id is None
    assert len(await office.events("rating.given")) == 1


async def test_words_are_an_ordinary_message_and_so_is_a_number_after_them(office: Office, asked: Accepted) -> None:
    said = await office.say("Where exactly?")
    assert not said.is_refused
    late = await office.say("5")
    assert not late.is_refused
    assert await score(office) is None


async def test_a_second_number_is_an_ordinary_message(office: Office, asked: Accepted) -> None:
    await office.say("5")
    again = await office.say("2")
    assert not again.is_refused
    assert (await office.message(again.message_id)).state == "received"
    assert await score(office) == 5


async def test_where_nobody_was_asked_a_number_is_an_ordinary_message(office: Office) -> None:
    said = await office.say("5")
    assert not said.is_refused
    assert said.notice_id is None


async def test_somebody_else_in_the_thread_answers_nothing(office: Office, asked: Accepted) -> None:
    said = await office.say("5", contact="U2")
    assert not said.is_refused
    assert await score(office) is None
    other = await pressed(office, 1, contact="U2")
    assert not other.is_refused
    assert await score(office) is None


async def test_after_a_day_it_is_too_late(office: Office, asked: Accepted) -> None:
    await let_pass(office, timedelta(hours=25))
    said = await office.say("5")
    assert not said.is_refused
    assert not (await pressed(office, 5)).is_refused
    assert await score(office) is None


async def test_a_number_is_for_people_who_have_the_conversation(office: Office, asked: Accepted) -> None:
    await hand_off(office, asked)
    said = await office.say("5")
    assert (await office.message(said.message_id)).state == "passed"
    assert await score(office) is None
    # What is pressed can mean nothing else.
    button = await pressed(office, 4)
    assert button.handoff_id is None
    assert await score(office) == 4


async def test_another_press_changes_it_within_the_day_and_is_not_thanked_again(
    office: Office, asked: Accepted
) -> None:
    first = await pressed(office, 2, "one")
    second = await pressed(office, 5, "two")
    same = await pressed(office, 5, "three")
    assert first.notice_id is not None
    assert (second.notice_id, same.notice_id) == (None, None)
    assert all(each.is_refused for each in (first, second, same))
    assert await score(office) == 5
    assert [event.detail["score"] for event in await office.events("rating.changed")] == [5]


async def test_of_many_answers_at_once_one_is_thanked(office: Office, asked: Accepted) -> None:
    outcomes = await asyncio.gather(*(pressed(office, 1 + number % 5, f"p{number}") for number in range(5)))
    assert len([each for each in outcomes if each.notice_id is not None]) == 1
    assert len(await office.events("rating.given")) == 1
    assert await score(office) in texts.SCORES


async def test_a_button_and_a_number_at_once_do_not_stand_in_each_others_way(office: Office, asked: Accepted) -> None:
    [rating] = await ratings(office)
    button = texts.buttons(rating.id)[3]["id"]

    async def press() -> Taken:
        async with office.session() as session:
            return (await pressing.press(session, office.connection_id, "U1", button))[1]

    async with office.session() as session:
        conversation = await conversations.lock(session, asked.conversation_id)
        pressing_it = asyncio.create_task(press())
        me = (await session.execute(text("select pg_backend_pid()"))).scalar_one()
        waiting = text("select count(*) from pg_locks where not granted and :me = any (pg_blocking_pids(pid))")
        while not (await session.execute(waiting, {"me": me})).scalar_one():
            assert not pressing_it.done()
        written = await answering.take(session, conversation, rating.contact_id, "5")
    pressed = await pressing_it

    assert written is not None
    assert (written.score, written.thanks_id is not None) == (5, True)
    # What came last stands, and thanks came once.
    assert (pressed.score, pressed.thanks_id) == (4, None)
    assert await score(office) == 4


async def test_whoever_was_not_helped_is_offered_a_person_where_that_is_heard(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        await session.execute(update(Connection).values(functions=["orders"]))
    answered = await office.say("1")
    assert answered.notice_id is not None
    thanks = await office.message(answered.notice_id)
    assert [button["id"] for button in thanks.detail["buttons"]] == ["person"]


async def test_a_button_pressed_where_pressing_is_no_message(office: Office, asked: Accepted) -> None:
    [rating] = await ratings(office)
    button = texts.buttons(rating.id)[3]["id"]
    async with office.session() as session:
        conversation_id, taken = await pressing.press(session, office.connection_id, "U1", button)
    assert (conversation_id, taken.score, taken.thanks_id is not None) == (asked.conversation_id, 4, True)
    async with office.session() as session:
        with pytest.raises(NotAllowed):
            await pressing.press(session, office.connection_id, "U2", button)
        with pytest.raises(NotFound):
            await pressing.press(session, rating.id, "U1", button)
        with pytest.raises(NotFound):
            await pressing.press(session, office.connection_id, "U1", texts.buttons(asked.message_id)[3]["id"])
        with pytest.raises(BadInput):
            await pressing.press(session, office.connection_id, "U1", "person")
    async with office.session() as session:
        await session.execute(update(Rating).values(asked_at=utc_now() - timedelta(hours=25)))
    async with office.session() as session:
        with pytest.raises(Conflict):
            await pressing.press(session, office.connection_id, "U1", button)


async def test_a_question_that_was_never_sent_awaits_nothing(office: Office, asked: Accepted) -> None:
    [rating] = await ratings(office)
    async with office.session() as session:
        await session.execute(update(Message).where(col(Message.id) == rating.message_id).values(state="discarded"))
    assert not (await office.say("5")).is_refused
