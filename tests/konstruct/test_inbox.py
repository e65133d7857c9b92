import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import conversations, inbox, unsettled
from konstruct.connections import ConnectionRef
from konstruct.errors import Deadlocked
from konstruct.identity import ConnectionId, new_id
from konstruct.inbox import Inbound
from konstruct.limits import LocalLimiter
from konstruct.messages import MAX_BODY
from konstruct.ports import Limit, Verdict
from konstruct.tables import Contact, Conversation, EmployeeBinding, Message, Tenant
from tests.support.office import REFUSING, REFUSING_SILENTLY, Allowing, Office, hire, open_office


async def test_a_message_is_kept_with_its_contact_and_conversation(office: Office) -> None:
    accepted = await office.say("Hello?", root="1.5", contact="U7", external_id="C1:1.5")

    assert (accepted.is_new, accepted.is_refused, accepted.notice_id) == (True, False, None)
    [contact] = await office.rows(Contact)
    [conversation] = await office.rows(Conversation)
    [message] = await office.messages()
    assert (contact.external_id, contact.connection_id) == ("U7", office.connection_id)
    assert (conversation.id, conversation.channel, conversation.root) == (accepted.conversation_id, "C1", "1.5")
    assert (conversation.contact_id, conversation.employee_id) == (contact.id, office.employee_id)
    assert (conversation.owner, conversation.epoch, conversation.last_seq) == ("employee", 0, 1)
    assert (message.id, message.body, message.seq) == (accepted.message_id, "Hello?", 1)
    assert (message.state, message.direction, message.author) == ("received", "inbound", "contact")
    assert (message.contact_id, message.external_id) == (contact.id, "C1:1.5")


async def test_repetitions_at_once_are_one_message(office: Office) -> None:
    accepted = await asyncio.gather(*(office.say(external_id="C1:1.0") for _ in range(25)))

    assert sum(one.is_new for one in accepted) == 1
    assert len({one.message_id for one in accepted}) == 1
    assert len(await office.messages()) == 1
    [conversation] = await office.rows(Conversation)
    assert conversation.last_seq == 1


async def test_the_first_messages_of_a_thread_at_once_are_one_conversation(office: Office) -> None:
    accepted = await asyncio.gather(*(office.say(f"{number}", contact=f"U{number % 3}") for number in range(10)))

    assert all(one.is_new for one in accepted)
    assert len({one.conversation_id for one in accepted}) == len(await office.rows(Conversation)) == 1
    assert sorted(message.seq for message in await office.messages()) == list(range(1, 11))
    assert {contact.external_id for contact in await office.rows(Contact)} == {"U0", "U1", "U2"}
    assert len(await office.rows(Contact)) == 3


async def test_threads_and_channels_are_conversations_of_their_own(office: Office) -> None:
    places = [("C1", "1.0"), ("C1", "2.0"), ("C2", "1.0"), ("C1", "1.0")]
    accepted = [await office.say(channel=channel, root=root) for channel, root in places]
    assert len({one.conversation_id for one in accepted}) == 3
    assert accepted[0].conversation_id == accepted[3].conversation_id


async def test_the_same_id_in_another_tenant_is_another_message(office: Office) -> None:
    other = await open_office(office.database, office.vault)
    assert (await office.say(external_id="C1:1.0")).is_new
    assert (await other.say(external_id="C1:1.0")).is_new


async def test_a_message_longer_than_a_channel_allows_is_cut(office: Office) -> None:
    await office.say("x" * (MAX_BODY + 1))
    [message] = await office.messages()
    assert message.body == "x" * MAX_BODY


async def test_the_employee_of_a_channel_serves_its_conversations(office: Office) -> None:
    async with office.session() as session:
        bert = await hire(session, office.tenant_id, "bert", "Bert")
        session.add(
            EmployeeBinding(
                tenant_id=office.tenant_id, connection_id=office.connection_id, channel="C2", employee_id=bert.id
            )
        )
    await office.say(channel="C1")
    await office.say(channel="C2")
    served = {conversation.channel: conversation.employee_id for conversation in await office.rows(Conversation)}
    assert served == {"C1": office.employee_id, "C2": bert.id}


async def test_a_conversation_keeps_its_employee_when_the_channel_gets_another(office: Office) -> None:
    first = await office.say()
    async with office.session() as session:
        bert = await hire(session, office.tenant_id, "bert", "Bert")
        session.add(
            EmployeeBinding(
                tenant_id=office.tenant_id, connection_id=office.connection_id, channel="C1", employee_id=bert.id
            )
        )
    assert (await office.say()).conversation_id == first.conversation_id
    [conversation] = await office.rows(Conversation)
    assert conversation.employee_id == office.employee_id


async def test_a_refused_message_is_kept_and_the_contact_is_told_once(office: Office) -> None:
    told = await office.say("One too many", limiter=REFUSING)
    untold = await office.say("And another", limiter=REFUSING_SILENTLY)

    assert told.is_refused
    assert told.notice_id
    assert untold.is_refused
    assert untold.notice_id is None
    assert await office.states() == ["refused", "pending", "refused"]
    notice = await office.message(told.notice_id)
    assert (notice.purpose, notice.author, notice.direction, notice.turn_id) == ("notice", "system", "outbound", None)
    assert notice.body is not None
    assert notice.body.startswith("Sorry, I could not take your message")
    assert "in 30 seconds" in notice.body
    assert (await office.message(told.message_id)).detail == {"limit": "contact"}
    events = await office.events("message.refused")
    assert [(event.actor, event.detail["told"]) for event in events] == [("limiter", True), ("limiter", False)]
    assert {event.conversation_id for event in events} == {told.conversation_id}


async def test_a_repetition_of_a_refused_message_tells_nobody_again(office: Office) -> None:
    first = await office.say(external_id="C1:1.0", limiter=REFUSING)
    again = await office.say(external_id="C1:1.0", limiter=REFUSING)
    assert (again.message_id, again.is_new, again.notice_id) == (first.message_id, False, None)
    assert await office.states() == ["refused", "pending"]


async def test_a_tenants_own_limits_hold(office: Office) -> None:
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        tenant.limits = {"contact": "2/hour"}
    limiter = LocalLimiter()
    refused = [(await office.say(f"{number}", limiter=limiter)).is_refused for number in range(4)]
    assert refused == [False, False, True, True]
    assert not (await office.say(contact="U2", limiter=limiter)).is_refused


async def test_limits_are_counted_in_keys_of_the_tenant(office: Office) -> None:
    asked: list[tuple[str, str, Limit]] = []

    class Listening(Allowing):
        async def check(self, message_key: str, buckets: object) -> Verdict:
            assert isinstance(buckets, list)
            asked.extend(buckets)
            return self.verdict

    await office.say(contact="U7", limiter=Listening())
    assert [scope for scope, _, _ in asked] == ["tenant", "connection", "contact"]
    assert all(f"{{{office.tenant_id}}}" in key for _, key, _ in asked)
    assert asked[2][2] == Limit(20, timedelta(minutes=1))


async def test_a_connection_of_nobody_keeps_nothing(office: Office) -> None:
    nowhere = ConnectionRef(office.tenant_id, ConnectionId(new_id()))
    with pytest.raises(Exception, match="violates foreign key"):
        await inbox.accept(
            office.database, office.vault, Allowing(), nowhere, Inbound("C1", "1.0", "1", "U1", "Hello?")
        )
    assert await office.rows(Contact) == []


async def test_a_thread_is_found_by_its_place(office: Office) -> None:
    accepted = await office.say(channel="C1", root="1.0")
    async with office.session() as session:
        assert await inbox.conversation_at(session, office.connection_id, "C1", "1.0") == accepted.conversation_id
        assert await inbox.conversation_at(session, office.connection_id, "C1", "2.0") is None


async def test_messages_are_ordered_by_when_they_were_accepted(office: Office) -> None:
    asked = [await office.say(f"{number}") for number in range(3)]
    [reply] = await office.answer(asked[2], "Answer")
    last = await office.say("Thanks")
    async with office.session() as session:
        ordered = (await session.execute(select(Message.id).order_by(col(Message.seq)))).scalars().all()
    assert list(ordered) == [*(one.message_id for one in asked), reply, last.message_id]


async def test_what_nobody_took_in_time_is_put_back_on_its_way(office: Office) -> None:
    fresh = await office.say("Just now", root="1.0")
    waiting = await office.say("Waits", root="2.0")
    refused = await office.say("One too many", root="3.0", limiter=REFUSING)
    answered = await office.say("Answered", root="4.0")
    [reply] = await office.answer(answered)
    await office.begin_send(answered, reply)
    await office.settle_sent(answered, reply)
    lost = await office.say("Its worker died", root="5.0")
    await office.begin(lost, new_id())
    thought_about = await office.say("Somebody is at it", root="6.0")
    await office.begin(thought_about, new_id())
    old = [waiting.message_id, refused.message_id, refused.notice_id, answered.message_id, reply, lost.message_id]
    async with office.session() as session:
        for message_id in (*old, thought_about.message_id):
            message = await session.get_one(Message, (office.tenant_id, message_id))
            message.created_at -= timedelta(minutes=5 if message_id == thought_about.message_id else 15)

    found = [one for one in await unsettled.find(office.database, 10_000) if one.tenant_id == office.tenant_id]

    assert {(one.message_id, one.is_notice) for one in found} == {
        (waiting.message_id, False),
        (refused.notice_id, True),
        (lost.message_id, False),
    }
    assert fresh.message_id not in {one.message_id for one in found}
    assert {one.conversation_id for one in found} == {
        waiting.conversation_id,
        refused.conversation_id,
        lost.conversation_id,
    }


async def test_a_message_whose_writing_is_cut_off_leaves_nothing(office: Office) -> None:
    """It waits for its conversation when it is cancelled, with a new contact already written."""
    first = await office.say("First")
    is_checked = asyncio.Event()

    class Telling(Allowing):
        async def check(self, message_key: str, buckets: object) -> Verdict:
            is_checked.set()
            return self.verdict

    async with office.session() as session:
        await conversations.lock(session, first.conversation_id)
        second = asyncio.create_task(office.say("Second", contact="U9", limiter=Telling()))
        await is_checked.wait()
        await _somebody_waits_for_a_row(session)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
    assert [message.body for message in await office.messages()] == ["First"]
    assert [contact.external_id for contact in await office.rows(Contact)] == ["U1"]


async def test_a_message_that_postgres_ends_for_a_deadlock_is_written_again(office: Office) -> None:
    first = await office.say("First")
    said: list[inbox.Accepted] = []
    is_ended = False
    while not is_ended:
        with suppress(Deadlocked):  # Of two Postgres ends either; here it is to be the message.
            async with office.session() as session:
                await session.execute(select(Contact).with_for_update())
                next_one = asyncio.create_task(office.say("Next"))
                await _somebody_waits_for_a_row(session)
                await conversations.lock(session, first.conversation_id)
                is_ended = True
        said.append(await next_one)

    assert {one.is_new for one in said} == {True}
    assert [message.body for message in await office.messages()] == ["First", *("Next" for _ in said)]


async def _somebody_waits_for_a_row(session: AsyncSession) -> None:
    me = text("select pg_backend_pid()")
    # In a transaction pg_stat_activity goes on telling who was connected when it was first asked; pg_locks does not.
    waiting = text("select count(*) from pg_locks where not granted and :me = any (pg_blocking_pids(pid))")
    pid = (await session.execute(me)).scalar_one()
    while not (await session.execute(waiting, {"me": pid})).scalar_one():
        pass


async def test_what_postgres_takes_in_no_text_is_left_out(office: Office) -> None:
    asked = await office.say("before\0 and \ud800 after")

    assert (await office.message(asked.message_id)).body == "before and ? after"
