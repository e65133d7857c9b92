"""What is to be said more than a day after the contact wrote waits, and the contact is asked once to write again."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from konstruct import contacts, conversations, inbox, outbox, reply_window, unsettled
from konstruct.conversations import Turn
from konstruct.db import Database
from konstruct.errors import ChannelRefused, Conflict
from konstruct.handoffs import entries, owning
from konstruct.handoffs.entries import Origin
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.outgoing import Send
from konstruct.ports import Template
from konstruct.reply_window import Held
from konstruct.tables import Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.office import Allowing, Office, open_office

KIM = Agent("kim", "Kim")
TEMPLATE = {"reengage_template": "we_have_an_answer", "reengage_language": "en"}


@pytest.fixture
async def number(database: Database, vault: Vault) -> Office:
    return await opened(database, vault, TEMPLATE)


@pytest.fixture
async def plain_number(database: Database, vault: Vault) -> Office:
    """For which no template was chosen."""
    return await opened(database, vault, {})


async def opened(database: Database, vault: Vault, external: dict[str, str]) -> Office:
    return await open_office(
        database, vault, kind="whatsapp", account=secrets.token_hex(8), external={"phone_number_id": "1", **external}
    )


async def say(office: Office, text: str, *, ago: timedelta = timedelta(0)) -> Accepted:
    at: datetime = utc_now() - ago
    inbound = Inbound("N1", "US.1", secrets.token_hex(8), "US.1", text, sent_at=at)
    return await inbox.accept(office.database, office.vault, Allowing(), office.ref, inbound)


DAY = timedelta(hours=25)


async def template_message(office: Office) -> Message:
    [message] = [message for message in await office.messages("outbound") if "template" in message.detail]
    return message


async def test_within_a_day_all_goes_out(number: Office) -> None:
    asked = await say(number, "Hello?", ago=timedelta(hours=23))
    [reply] = await number.answer(asked)

    assert isinstance(await number.begin_send(asked, reply), Send)


async def test_later_it_waits_and_the_template_goes_out_once(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    parts = await number.answer(asked, "One.", "Two.")
    held = [await number.begin_send(asked, part) for part in [*parts, *parts]]

    asking = await template_message(number)
    assert held == [Held(asking.id)] * 4
    send = await number.begin_send(asked, asking.id)
    assert isinstance(send, Send)
    assert send.message.template == Template("we_have_an_answer", "en")
    await number.settle_sent(asked, asking.id)
    assert await number.begin_send(asked, parts[0]) == Held(None)
    assert {message.state for message in await number.messages("inbound")} == {"answered"}
    assert [(await number.message(part)).state for part in parts] == ["waiting", "waiting"]


async def test_the_next_turn_sees_what_waits_and_asks_by_no_second_template(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    [reply] = await number.answer(asked, "The answer.")
    await number.begin_send(asked, reply)
    late = await say(number, "Are you there?", ago=DAY)

    turn_id = new_id()
    turn = await number.begin(late, turn_id)
    assert isinstance(turn, Turn)
    assert [said.text for said in turn.said] == ["Hello?", "The answer.", "Are you there?"]
    [second] = (await number.finish(late, turn_id, "Yes.")).reply_ids
    assert late.released_ids == ()
    assert isinstance(await number.begin_send(late, second), Held)
    await template_message(number)


async def test_when_the_contact_writes_again_what_waited_goes_out_in_order_before_the_answer(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    parts = await number.answer(asked, "One.", "Two.")
    for part in parts:
        await number.begin_send(asked, part)
    again = await say(number, "Hi!")

    assert list(again.released_ids) == parts
    assert (await template_message(number)).state == "discarded"
    # The next turn neither discards them nor says them again.
    turn_id = new_id()
    turn = await number.begin(again, turn_id)
    assert isinstance(turn, Turn)
    assert [said.text for said in turn.said] == ["Hello?", "One.", "Two.", "Hi!"]
    for part in parts:
        assert isinstance(await number.begin_send(again, part), Send)
        await number.settle_sent(again, part)
    [reply] = (await number.finish(again, turn_id, "Welcome back.")).reply_ids
    assert isinstance(await number.begin_send(again, reply), Send)


async def test_a_window_that_closes_again_asks_again(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    [reply] = await number.answer(asked)
    await number.begin_send(asked, reply)
    again = await say(number, "Hi!", ago=timedelta(hours=1))
    await pass_time(number, again)
    [other] = await number.answer(again, "Late again.")
    assert isinstance(await number.begin_send(again, other), Held)

    asking = [message.state for message in await number.messages("outbound") if "template" in message.detail]
    assert asking == ["discarded", "pending"]


async def pass_time(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        conversation = await conversations.lock(session, asked.conversation_id)
        assert conversation.contact_said_at
        conversation.contact_said_at -= DAY


async def test_without_a_template_it_fails_and_says_why(plain_number: Office) -> None:
    asked = await say(plain_number, "Hello?", ago=DAY)
    [reply] = await plain_number.answer(asked)

    assert await plain_number.begin_send(asked, reply) == "failed"
    assert (await plain_number.message(reply)).detail == {"error": "window_closed"}


async def test_what_the_channel_refuses_as_too_late_waits_as_well(number: Office) -> None:
    asked = await say(number, "Hello?")
    [reply] = await number.answer(asked)
    assert isinstance(await number.begin_send(asked, reply), Send)
    async with number.session() as session:
        error = ChannelRefused("Too late.", "131047")
        held = await outbox.settle_refused(session, asked.conversation_id, reply, error)

    assert held == Held((await template_message(number)).id)
    assert list((await say(number, "Hi!")).released_ids) == [reply]


async def test_a_superseded_answer_does_not_wait(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    [reply] = await number.answer(asked)
    await number.change_owner(asked.conversation_id, "agent")

    assert await number.begin_send(asked, reply) == "superseded"


async def test_people_who_take_over_take_what_waits_away(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    [reply] = await number.answer(asked)
    await number.begin_send(asked, reply)
    async with number.session() as session:
        await owning.take_over(session, number.vault, asked.conversation_id, KIM)

    assert (await number.message(reply)).state == "discarded"
    assert (await say(number, "Hi!")).released_ids == ()


async def test_an_erased_contact_gets_nothing_that_waited(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    [reply] = await number.answer(asked)
    await number.begin_send(asked, reply)
    async with number.session() as session:
        found = await contacts.find(session, "US.1")
        await contacts.erase(session, number.tenant_id, found.contact_id, actor="test")

    assert (await number.message(reply)).state == "discarded"
    assert (await say(number, "Hi!")).released_ids == ()


async def written(office: Office, asked: Accepted, text: str) -> tuple[UUID, bool]:
    async with office.session() as session:
        owned = await owning.take_over(session, office.vault, asked.conversation_id, KIM)
        assert owned.handoff_id
        origin = Origin("api", secrets.token_hex(4))
        said = await entries.write(session, office.vault, owned.handoff_id, KIM, text, origin, lambda part: [part])
    return said.message_ids[0], said.waits


async def test_an_agent_is_told_that_their_words_wait(number: Office) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    message_id, waits = await written(number, asked, "I have looked into it.")

    assert waits
    assert isinstance(await number.begin_send(asked, message_id), Held)
    assert list((await say(number, "Hi!")).released_ids) == [message_id]
    assert isinstance(await number.begin_send(asked, message_id), Send)


async def test_an_agent_is_told_at_once_where_they_cannot(plain_number: Office) -> None:
    asked = await say(plain_number, "Hello?", ago=DAY)
    with pytest.raises(Conflict) as refused:
        await written(plain_number, asked, "I have looked into it.")

    assert str(refused.value) == reply_window.CANNOT_WAIT


async def test_a_sweep_finds_what_was_released_and_nobody_sent(number: Office, database: Database) -> None:
    asked = await say(number, "Hello?", ago=DAY)
    [reply] = await number.answer(asked)
    await number.begin_send(asked, reply)
    await say(number, "Hi!")
    async with number.session() as session:
        message = await session.get_one(Message, (number.tenant_id, reply))
        message.created_at -= timedelta(minutes=1)

    found = {each.message_id: each.is_notice for each in await unsettled.find(database, 10_000)}
    assert found[reply] is True
