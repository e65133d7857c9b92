"""Who is asked, when, and above all who is not; once, whoever tries."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col
from temporalio.testing import ActivityEnvironment

from activities.retaining import Retaining
from konstruct import consent, contacts, retention
from konstruct.retention import Periods
from konstruct.satisfaction import asking
from konstruct.tables import Approval, Connection, Conversation, Message, Rating
from tests.konstruct.satisfaction.place import ask, choose, contact_of, due, let_pass, put_question, ratings
from tests.support import approvals
from tests.support.handoffs import hand_back, hand_off, owned, seat, write
from tests.support.office import Office


async def test_after_an_answer_that_was_the_last_word_for_long_enough_it_is_asked(office: Office) -> None:
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    assert await due(office) == []
    await let_pass(office, timedelta(minutes=29))
    assert await due(office) == []
    await let_pass(office, timedelta(minutes=2))
    assert await due(office) == [asked.conversation_id]

    message_id = await ask(office, asked)

    assert message_id is not None
    message = await office.message(message_id)
    assert message.body == "How did we do?\nAnswer with a number from 1 (bad) to 5 (very good)."
    assert (message.purpose, message.author, message.state) == ("notice", "system", "pending")
    [rating] = await ratings(office)
    titles = [button["title"] for button in message.detail["buttons"]]
    assert titles == ["1 ★", "2 ★★", "3 ★★★", "4 ★★★★", "5 ★★★★★"]
    assert message.detail["buttons"][4]["id"] == f"rating:{rating.id}:5"
    assert (rating.message_id, rating.score, rating.agent) == (message_id, None, None)
    [event] = await office.events("rating.asked")
    assert event.conversation_id == asked.conversation_id


async def test_after_a_person_it_is_asked_soon_and_says_who_it_was(office: Office) -> None:
    await seat(office)
    await choose(office, after_quiet=False)
    asked = await office.exchange("Hi", "Hello")
    handoff_id = await owned(office, asked)
    written = await write(office, handoff_id, "Done.")
    for message_id in written.message_ids:
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    await let_pass(office)
    assert await due(office) == []
    await hand_back(office, handoff_id)
    assert await due(office) == []
    await let_pass(office, timedelta(minutes=2))
    assert await due(office) == [asked.conversation_id]
    assert await ask(office, asked) is not None
    [rating] = await ratings(office)
    assert rating.agent == "grace"


async def test_nobody_is_asked_where_the_tenant_did_not_choose_it(office: Office) -> None:
    await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    assert await asking.tenants(office.database, None, 10_000) == [] or office.tenant_id not in (
        await asking.tenants(office.database, None, 10_000)
    )
    await choose(office, after_quiet=False)
    assert office.tenant_id in await asking.tenants(office.database, None, 10_000)
    assert await due(office) == []
    await choose(office, after_quiet=True)
    assert len(await due(office)) == 1


async def _is_with_people(office: Office, asked: Any) -> None:
    await hand_off(office, asked)


async def _waits_for_an_answer(office: Office, asked: Any) -> None:
    await office.say("And where?")


async def _waits_for_a_yes(office: Office, asked: Any) -> None:
    waiting = await approvals.ask(office)
    async with office.session() as session:
        await session.execute(
            update(Approval)
            .where(col(Approval.id) == waiting.approval_id)
            .values(conversation_id=asked.conversation_id)
        )


async def _opted_out(office: Office, asked: Any) -> None:
    contact = await contact_of(office, asked)
    async with office.session() as session:
        await consent.opt_out(session, contact.id, by="test")


async def _was_erased(office: Office, asked: Any) -> None:
    contact = await contact_of(office, asked)
    async with office.session() as session:
        await contacts.erase(session, office.tenant_id, contact.id, actor="test")


async def _is_rehearsal(office: Office, asked: Any) -> None:
    async with office.session() as session:
        (await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))).is_rehearsal = True


async def _is_disconnected(office: Office, asked: Any) -> None:
    async with office.session() as session:
        await session.execute(update(Connection).values(status="revoked"))


async def _was_not_delivered(office: Office, asked: Any) -> None:
    async with office.session() as session:
        await session.execute(
            update(Message)
            .where(col(Message.conversation_id) == asked.conversation_id, col(Message.direction) == "outbound")
            .values(state="failed")
        )


async def _others_take_part(office: Office, asked: Any) -> None:
    other = await office.exchange("Me, too", "Of course.", contact="U2")
    assert other.conversation_id == asked.conversation_id


async def _is_long_ago(office: Office, asked: Any) -> None:
    await let_pass(office, timedelta(hours=20))


async def _is_about_others(office: Office, asked: Any) -> None:
    await choose(office, employees=["nobody"])


async def _is_elsewhere(office: Office, asked: Any) -> None:
    await choose(office, connections=["nowhere"])


async def _closed_for_whatsapp(office: Office, asked: Any) -> None:
    async with office.session() as session:
        await session.execute(update(Connection).values(kind="whatsapp"))
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        assert conversation.contact_said_at is not None
        conversation.contact_said_at -= timedelta(hours=24)


@pytest.mark.parametrize(
    "happens",
    [
        _is_with_people,
        _waits_for_an_answer,
        _waits_for_a_yes,
        _opted_out,
        _was_erased,
        _is_rehearsal,
        _is_disconnected,
        _was_not_delivered,
        _others_take_part,
        _is_long_ago,
        _is_about_others,
        _is_elsewhere,
        _closed_for_whatsapp,
    ],
    ids=lambda each: each.__name__.strip("_"),
)
async def test_nobody_is_asked_where(office: Office, happens: Any) -> None:
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    assert await due(office) == [asked.conversation_id]

    await happens(office, asked)
    if happens in (_others_take_part,):
        await let_pass(office)

    assert asked.conversation_id not in await due(office)
    assert await ask(office, asked) is None
    assert await ratings(office) == []


async def test_of_many_who_ask_at_once_one_does(office: Office) -> None:
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    outcomes = await asyncio.gather(*(ask(office, asked) for _ in range(5)))
    assert len([each for each in outcomes if each is not None]) == 1
    assert len(await ratings(office)) == 1


async def test_a_person_is_asked_once_in_so_many_days_whatever_their_conversations_and_channels(
    office: Office,
) -> None:
    await choose(office, every_days=7)
    first = await office.exchange("One", "1", root="1.0", contact="U1")
    second = await office.exchange("Two", "2", root="2.0", contact="U1")
    joined = await office.exchange("Three", "3", root="3.0", contact="U3")
    async with office.session() as session:
        one, three = [(await contact_of(office, each)).id for each in (first, joined)]
        await contacts.join(session, office.tenant_id, one, three, actor="test")
    await let_pass(office)
    assert len(await due(office)) == 3
    outcomes = await asyncio.gather(ask(office, first), ask(office, second))
    assert len([each for each in outcomes if each is not None]) == 1
    assert await due(office) == []
    async with office.session() as session:
        await session.execute(update(Rating).values(asked_at=col(Rating.asked_at) - timedelta(days=8)))
        # What was sent meanwhile is no answer of the employee's.
        await session.execute(update(Message).where(col(Message.purpose) == "notice").values(state="sent"))
        await session.execute(
            update(Conversation).values(last_message_at=col(Conversation.last_message_at) - timedelta(minutes=5))
        )
    assert len(await due(office)) == 3


async def test_a_question_that_reached_nobody_was_not_asked(office: Office) -> None:
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    message_id = await ask(office, asked)
    async with office.session() as session:
        assert await asking.forget_unasked(session) == 0
        await session.execute(update(Message).where(col(Message.id) == message_id).values(state="discarded"))
    async with office.session() as session:
        assert await asking.forget_unasked(session) == 1
    assert await ratings(office) == []


async def test_it_is_asked_in_the_contacts_language_and_in_the_tenants_own_words(office: Office) -> None:
    await choose(office)
    german = await office.exchange("Wo ist meine Bestellung? Ich warte auf das Paket.", "Morgen.", root="1.0")
    await let_pass(office)
    message = await office.message(await put_question(office, german))
    assert (message.body or "").startswith("Wie zufrieden")
    await choose(office, question="Was it quick?")
    other = await office.exchange("Where is my order?", "Tomorrow.", root="2.0", contact="U2")
    await let_pass(office)
    message = await office.message(await put_question(office, other))
    assert message.body == "Was it quick?\nAnswer with a number from 1 (bad) to 5 (very good)."


async def test_ratings_go_with_their_contact(office: Office) -> None:
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    await put_question(office, asked)
    contact = await contact_of(office, asked)
    async with office.session() as session:
        await contacts.erase(session, office.tenant_id, contact.id, actor="test")
    assert await ratings(office) == []


async def test_a_rating_outlives_the_words_that_retention_lets_go_of(office: Office) -> None:
    await choose(office)
    asked = await office.exchange("Where is it?", "It comes on Monday.")
    await let_pass(office)
    await put_question(office, asked)
    answered = await office.say("5")
    assert answered.notice_id is not None
    await office.begin_send(answered, answered.notice_id)
    await office.settle_sent(answered, answered.notice_id)
    await let_pass(office, timedelta(days=40))
    async with office.session() as session:
        await retention.change(session, office.tenant_id, Periods(messages=30), actor="test")
    await ActivityEnvironment().run(Retaining(office.database).let_go)
    assert all(message.sealed is None for message in await office.rows(Message))
    assert [rating.score for rating in await ratings(office)] == [5]
