import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from konstruct import conversations, outbox
from konstruct.errors import ChannelRefused, ConnectionDead
from konstruct.handoffs import attending
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.outgoing import Send
from konstruct.tables import Connection, Contact
from tests.support import handoffs
from tests.support.office import REFUSING, Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("Hello?", root="1.5", contact="U7")


async def refuse(office: Office, asked: Accepted, message_id: UUID, error: ChannelRefused) -> None:
    async with office.session() as session:
        await outbox.settle_refused(session, asked.conversation_id, message_id, error)


async def unsend(office: Office, asked: Accepted, message_id: UUID) -> None:
    async with office.session() as session:
        await outbox.settle_unsent(session, asked.conversation_id, message_id)


async def test_a_message_is_sent_with_all_that_the_channel_needs(office: Office, asked: Accepted) -> None:
    [reply] = await office.answer(asked, "Hello!")
    send = await office.begin_send(asked, reply)

    assert isinstance(send, Send)
    assert (send.thread.channel, send.thread.root, send.thread.contact_external_id) == ("C1", "1.5", "U7")
    assert send.account.secrets["bot_token"].get_secret_value() == office.bot_token
    assert office.bot_token not in repr(send)
    assert (send.message.message_id, send.message.text) == (reply, "Hello!")
    assert (send.message.author_name, send.message.author_role) == ("Ada", "Front desk")
    assert not send.is_uncertain
    assert await office.states() == ["taken", "sending"]


async def test_an_attempt_that_another_has_overtaken_takes_nothing_back(office: Office, asked: Accepted) -> None:
    """It was taken for dead while it stood still, and only then finds out that it sent nothing."""
    [reply] = await office.answer(asked)
    slow = await office.begin_send(asked, reply)
    await office.let_send_time_pass(reply)
    quick = await office.begin_send(asked, reply)
    assert isinstance(slow, Send)
    assert isinstance(quick, Send)
    assert (quick.is_uncertain, quick.may_still_arrive) == (True, False)
    for attempt, state in ((slow, "sending"), (quick, "pending")):
        async with office.session() as session:
            await outbox.settle_unsent(session, asked.conversation_id, reply, attempt.marked_at)
        assert await office.states() == ["taken", state]


async def test_what_the_channel_has_is_sent_and_answers_what_was_asked(office: Office, asked: Accepted) -> None:
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await office.settle_sent(asked, reply)

    assert await office.states() == ["answered", "sent"]
    message = await office.message(reply)
    assert (message.external_id, message.maybe_duplicate) == (f"sent-{reply}", False)
    assert message.settled_at
    assert (await office.message(asked.message_id)).settled_at
    [event] = await office.events("message.sent")
    assert (event.actor, event.conversation_id) == ("employee", asked.conversation_id)
    assert event.detail == {"message_id": str(reply), "turn_id": str(message.turn_id), "maybe_duplicate": False}
    assert await office.begin_send(asked, reply) == "sent"


async def test_an_answer_in_parts_settles_what_was_asked_with_its_last(office: Office, asked: Accepted) -> None:
    parts = await office.answer(asked, "One", "Two", "Three")
    for number, part in enumerate(parts):
        assert await office.states() == ["taken", *["sent"] * number, *["pending"] * (3 - number)]
        await office.begin_send(asked, part)
        await office.settle_sent(asked, part)
    assert await office.states() == ["answered", "sent", "sent", "sent"]


async def test_a_message_that_was_cut_off_is_uncertain(office: Office, asked: Accepted) -> None:
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    again = await office.begin_send(asked, reply)
    assert isinstance(again, Send)
    assert (again.is_uncertain, again.may_still_arrive) == (True, True)
    await office.settle_sent(asked, reply, was_resent=True)
    assert (await office.message(reply)).maybe_duplicate


async def test_an_attempt_that_was_cut_off_long_ago_is_over_and_the_next_one_has_its_time(
    office: Office, asked: Accepted
) -> None:
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await office.let_send_time_pass(reply)
    later, next_one = [await office.begin_send(asked, reply) for _ in range(2)]
    assert isinstance(later, Send)
    assert isinstance(next_one, Send)
    assert (later.is_uncertain, later.may_still_arrive) == (True, False)
    assert (next_one.is_uncertain, next_one.may_still_arrive) == (True, True)


async def test_of_two_attempts_that_both_say_it_was_sent_the_first_one_s_word_stands(
    office: Office, asked: Accepted
) -> None:
    """One that stood still comes late, and knows nothing of the other's possible repetition."""
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await office.settle_sent(asked, reply, was_resent=True)
    async with office.session() as session:
        await outbox.settle_sent(session, asked.conversation_id, reply, "sent-late", was_resent=False)
    message = await office.message(reply)
    assert (message.external_id, message.maybe_duplicate) == (f"sent-{reply}", True)
    assert len(await office.events("message.sent")) == 1


async def test_a_message_that_the_channel_certainly_has_not_waits_again(office: Office, asked: Accepted) -> None:
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await unsend(office, asked, reply)
    assert await office.states() == ["taken", "pending"]
    again = await office.begin_send(asked, reply)
    assert isinstance(again, Send)
    assert not again.is_uncertain


async def test_what_was_sent_is_not_unsent(office: Office, asked: Accepted) -> None:
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await office.settle_sent(asked, reply)
    await unsend(office, asked, reply)
    assert (await office.message(reply)).state == "sent"


async def test_no_send_begins_after_the_owner_changed(office: Office, asked: Accepted) -> None:
    parts = await office.answer(asked, "One", "Two")
    await office.begin_send(asked, parts[0])
    await office.change_owner(asked.conversation_id, "agent")

    assert await office.begin_send(asked, parts[1]) == "superseded"
    # This one began before: the channel may have it, and is asked.
    assert isinstance(await office.begin_send(asked, parts[0]), Send)
    await office.settle_sent(asked, parts[0])
    assert [(await office.message(part)).state for part in parts] == ["sent", "discarded"]


async def test_a_handed_back_conversation_does_not_send_what_was_thought_before(
    office: Office, asked: Accepted
) -> None:
    [reply] = await office.answer(asked)
    await office.change_owner(asked.conversation_id, "agent")
    await office.change_owner(asked.conversation_id, "employee")
    assert await office.begin_send(asked, reply) == "superseded"
    assert (await office.message(reply)).state == "discarded"


async def test_a_takeover_and_a_send_at_once_have_one_winner(office: Office) -> None:
    for number in range(20):
        asked = await office.say(root=f"{number}")
        [reply] = await office.answer(asked)
        outcome, _ = await asyncio.gather(
            office.begin_send(asked, reply), office.change_owner(asked.conversation_id, "agent")
        )
        state = (await office.message(reply)).state
        assert (isinstance(outcome, Send), state) in {(True, "sending"), (False, "discarded")}


async def test_no_send_begins_of_a_turn_that_was_superseded(office: Office, asked: Accepted) -> None:
    [reply] = await office.answer(asked)
    newer = await office.say("One more thing", root="1.5")
    await office.begin(newer, new_id())
    assert await office.begin_send(asked, reply) == "superseded"


async def test_a_notice_is_sent_whatever_turn_it_is(office: Office, asked: Accepted) -> None:
    refused = await office.say("One too many", root="1.5", limiter=REFUSING)
    await office.begin(asked, new_id())
    assert refused.notice_id
    assert isinstance(await office.begin_send(asked, refused.notice_id), Send)
    await office.settle_sent(asked, refused.notice_id)
    assert (await office.message(asked.message_id)).state == "taken"


async def test_what_an_agent_wrote_goes_out_in_their_name_whoever_has_the_conversation_by_then(
    office: Office, asked: Accepted
) -> None:
    await handoffs.seat(office)
    handoff_id = await handoffs.owned(office, asked)
    first, second = (await handoffs.write(office, handoff_id, "Bye", parts=["Good", "bye"])).message_ids
    await handoffs.hand_back(office, handoff_id)
    await office.exchange("And now?", "It is me again", root="1.5", contact="U7")

    for message_id, text in ((first, "Good"), (second, "bye")):
        send = await office.begin_send(asked, message_id)
        assert isinstance(send, Send)
        assert (send.message.text, send.message.author_name, send.message.author_role) == (
            text,
            handoffs.GRACE.name,
            "Acme Bikes",
        )
        await office.settle_sent(asked, message_id)
        assert (await office.message(message_id)).state == "sent"
    events = [event for event in await office.events("message.sent") if event.actor == "agent"]
    assert [event.detail["message_id"] for event in events] == [str(first), str(second)]


async def test_what_an_agent_wrote_and_the_channel_has_not_waits_again_whoever_has_the_conversation(
    office: Office, asked: Accepted
) -> None:
    await handoffs.seat(office)
    handoff_id = await handoffs.owned(office, asked)
    [message_id] = (await handoffs.write(office, handoff_id, "Hello")).message_ids
    await office.begin_send(asked, message_id)
    await handoffs.hand_back(office, handoff_id)
    await unsend(office, asked, message_id)
    assert (await office.message(message_id)).state == "pending"
    assert isinstance(await office.begin_send(asked, message_id), Send)


async def test_what_may_have_been_sent_before_a_takeover_is_looked_for_and_never_sent_again(
    office: Office, asked: Accepted
) -> None:
    await handoffs.seat(office)
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await handoffs.owned(office, asked)
    again = await office.begin_send(asked, reply)
    assert isinstance(again, Send)
    assert (again.is_uncertain, again.may_still_arrive) == (True, True)
    await unsend(office, asked, reply)
    message = await office.message(reply)
    assert (message.state, message.settled_at is not None) == ("discarded", True)
    assert await office.begin_send(asked, reply) == "superseded"


async def test_what_the_contact_was_to_be_told_while_nobody_had_it_is_not_told_later(
    office: Office, asked: Accepted
) -> None:
    await handoffs.seat(office)
    handoff_id = await handoffs.hand_off(office, asked)
    async with office.session() as session:
        [notice_id] = (await attending.advance(session, office.vault, handoff_id, datetime.now(UTC))).notice_ids
    await handoffs.claim(office, handoff_id)
    assert await office.begin_send(asked, notice_id) == "superseded"


async def test_a_send_of_the_employees_is_waited_for_as_long_as_it_may_begin(office: Office, asked: Accepted) -> None:
    await handoffs.seat(office)

    async def is_sending() -> bool:
        async with office.session() as session:
            return await outbox.is_sending(session, asked.conversation_id)

    [reply] = await office.answer(asked)
    assert not await is_sending()
    await office.begin_send(asked, reply)
    assert await is_sending()
    await office.let_send_time_pass(reply)
    assert not await is_sending()
    handoff_id = await handoffs.owned(office, asked)
    [message_id] = (await handoffs.write(office, handoff_id, "Hello")).message_ids
    await office.begin_send(asked, message_id)
    # What an agent says is no reason to wait for the next change.
    assert not await is_sending()


async def test_a_message_that_the_channel_refuses_has_failed(office: Office, asked: Accepted) -> None:
    parts = await office.answer(asked, "One", "Two")
    await office.begin_send(asked, parts[0])
    await refuse(office, asked, parts[0], ChannelRefused("It is archived.", "is_archived"))

    message = await office.message(parts[0])
    assert (message.state, message.detail) == ("failed", {"error": "is_archived"})
    assert message.settled_at
    assert (await office.message(asked.message_id)).state == "failed"
    [event] = await office.events("message.failed")
    assert event.detail == {"message_id": str(parts[0]), "error": "is_archived"}
    assert await office.begin_send(asked, parts[0]) == "failed"
    [connection] = await office.rows(Connection)
    assert connection.status == "active"


async def test_a_dead_connection_is_marked_once_and_sends_nothing_more(office: Office, asked: Accepted) -> None:
    first, other = await office.answer(asked), await office.say(root="2.0")
    second = await office.answer(other)
    await office.begin_send(asked, first[0])
    await office.begin_send(other, second[0])
    await refuse(office, asked, first[0], ConnectionDead("The token was revoked.", "token_revoked"))
    await refuse(office, other, second[0], ConnectionDead("It is gone.", "account_inactive"))

    [connection] = await office.rows(Connection)
    assert (connection.status, connection.status_reason) == ("revoked", "token_revoked")
    assert (await office.actions()).count("connection.revoked") == 1

    third = await office.say(root="3.0")
    [reply] = await office.answer(third)
    assert await office.begin_send(third, reply) == "failed"
    assert (await office.message(reply)).detail == {"error": "connection_inactive"}
    assert (await office.message(third.message_id)).state == "failed"


async def test_a_connection_dies_while_a_new_contact_writes(office: Office, asked: Accepted) -> None:
    """Each holds what the other needs, unless the connection's lock lets rows that belong to it be written."""
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    async with office.session() as session:
        session.add(
            Contact(
                tenant_id=office.tenant_id, connection_id=office.connection_id, external_id="U8", person_id=new_id()
            )
        )
        await session.flush()
        async with asyncio.timeout(10):
            await refuse(office, asked, reply, ConnectionDead("The token was revoked.", "token_revoked"))
            await conversations.lock(session, asked.conversation_id)
    [connection] = await office.rows(Connection)
    assert connection.status == "revoked"


async def test_times_are_those_of_the_settling(office: Office, asked: Accepted) -> None:
    before = datetime.now(UTC)
    [reply] = await office.answer(asked)
    await office.begin_send(asked, reply)
    await office.settle_sent(asked, reply)
    for message in await office.messages():
        assert message.settled_at is not None
        assert before <= message.settled_at <= datetime.now(UTC)
