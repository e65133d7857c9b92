"""What a channel tells of messages after the send, in whatever order: it settles what nobody knew."""

import itertools
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from konstruct import contacts, conversations, outbox, receipts
from konstruct.channels import WHATSAPP
from konstruct.db import Database
from konstruct.errors import ChannelRefused
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.outbox import SEND_ENDS_WITHIN
from konstruct.outgoing import Send
from konstruct.receipts import Receipt, Status, Taken
from konstruct.tables import Handoff, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.handoffs import hand_off
from tests.support.office import Office, open_office

THEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
WAMID = "wamid.first"


@pytest.fixture
async def number(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))


async def receive(
    office: Office,
    status: Status,
    *,
    of: str = WAMID,
    message_id: UUID | None = None,
    code: str = "",
    at: datetime = THEN,
) -> Taken | None:
    async with office.session() as session:
        return await receipts.take(session, office.connection_id, Receipt(of, status, at, message_id, code))


async def sending(office: Office) -> tuple[Accepted, UUID]:
    """A message whose send has begun and not answered."""
    asked = await office.say("Hello?")
    [reply] = await office.answer(asked)
    assert isinstance(await office.begin_send(asked, reply), Send)
    return asked, reply


async def settle_sent(office: Office, asked: Accepted, reply: UUID) -> None:
    async with office.session() as session:
        await outbox.settle_sent(session, asked.conversation_id, reply, WAMID, was_resent=False)


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "read"])))
async def test_in_whatever_order_they_come_the_furthest_stands(number: Office, order: list[Status]) -> None:
    asked, reply = await sending(number)
    await settle_sent(number, asked, reply)
    moments = {name: THEN + timedelta(minutes=n) for n, name in enumerate(["sent", "delivered", "read"])}

    for status in [*order, *order]:
        await receive(number, status, at=moments[status])
    message = await number.message(reply)
    assert (message.state, message.external_id) == ("sent", WAMID)
    assert (message.delivered_at, message.read_at) == (moments["delivered"], moments["read"])


async def test_a_message_that_was_read_was_delivered(number: Office) -> None:
    asked, reply = await sending(number)
    await settle_sent(number, asked, reply)
    await receive(number, "read")

    message = await number.message(reply)
    assert message.delivered_at == message.read_at == THEN


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
async def test_a_receipt_settles_a_send_that_did_not_say_how_it_ended(number: Office, status: Status) -> None:
    asked, reply = await sending(number)

    await receive(number, status, message_id=reply)
    message = await number.message(reply)
    assert (message.state, message.external_id, message.maybe_duplicate) == ("sent", WAMID, False)
    assert await number.begin_send(asked, reply) == "sent"
    assert [row.state for row in await number.messages("inbound")] == ["answered"]


async def test_a_receipt_that_comes_before_the_send_answers_changes_nothing_of_its_answer(number: Office) -> None:
    asked, reply = await sending(number)
    await receive(number, "delivered", message_id=reply)
    await settle_sent(number, asked, reply)

    message = await number.message(reply)
    assert (message.state, message.delivered_at) == ("sent", THEN)
    assert (await number.actions()).count("message.sent") == 1


async def test_what_failed_after_it_was_taken_stays_failed(number: Office) -> None:
    asked, reply = await sending(number)
    await receive(number, "failed", message_id=reply, code="undeliverable")
    await settle_sent(number, asked, reply)
    await receive(number, "sent", message_id=reply)
    await receive(number, "delivered", message_id=reply)

    message = await number.message(reply)
    assert (message.state, message.detail) == ("failed", {"error": "undeliverable"})
    [event] = await number.events("message.failed")
    assert event.detail["error"] == "undeliverable"


async def test_a_failure_of_what_was_delivered_is_none(number: Office) -> None:
    asked, reply = await sending(number)
    await settle_sent(number, asked, reply)
    await receive(number, "delivered")
    await receive(number, "failed", code="undeliverable")

    assert (await number.message(reply)).state == "sent"


async def test_a_failure_is_told_to_whoever_has_the_conversation(number: Office) -> None:
    asked, reply = await sending(number)
    await settle_sent(number, asked, reply)
    handoff_id = new_id()
    async with number.session() as session:
        conversation = await conversations.lock(session, asked.conversation_id)
        contact = (await session.get_one(Message, (number.tenant_id, reply))).contact_id
        assert contact
        conversation.handoff_id = handoff_id
        session.add(
            Handoff(
                tenant_id=number.tenant_id,
                id=handoff_id,
                conversation_id=asked.conversation_id,
                contact_id=contact,
                state="owned",
                priority="normal",
                cause="agent",
                requested_by="kim",
                sealed_reason=b"",
                began_seq=0,
                mirrored_seq=0,
                next_due_at=None,
            )
        )

    assert await receive(number, "failed", code="undeliverable") == Taken(asked.conversation_id, handoff_id)
    [handoff] = await number.rows(Handoff)
    assert handoff.next_due_at is not None
    assert await receive(number, "failed", code="undeliverable") is None


async def test_what_nobody_sent_is_ignored(number: Office, database: Database, vault: Vault) -> None:
    asked, reply = await sending(number)
    await settle_sent(number, asked, reply)
    other = await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))

    assert await receive(number, "read", of="wamid.other", message_id=new_id()) is None
    assert await receive(number, "read", of="wamid.other", message_id=asked.message_id) is None
    await receive(other, "read", message_id=reply)
    assert (await number.message(reply)).read_at is None


async def test_an_erased_message_learns_nothing_of_its_contact_again(number: Office) -> None:
    _, reply = await sending(number)
    async with number.session() as session:
        found = await contacts.find(session, "U1")
        await contacts.erase(session, number.tenant_id, found.contact_id, actor="test")
    await receive(number, "delivered", message_id=reply)

    message = await number.message(reply)
    assert (message.external_id, message.delivered_at) == (None, None)


async def test_what_may_still_be_told_of_is_waited_for_then_sent_once_more_and_no_third_time(number: Office) -> None:
    asked, reply = await sending(number)
    await let_pass(number, reply, SEND_ENDS_WITHIN)
    early = await number.begin_send(asked, reply)
    assert isinstance(early, Send)
    assert early.may_still_arrive
    async with number.session() as session:
        # As whoever is told to wait does.
        await outbox.uncount(session, reply)

    await let_pass(number, reply, WHATSAPP.confirms_within)
    late = await number.begin_send(asked, reply)
    assert isinstance(late, Send)
    assert late.is_uncertain
    assert not late.may_still_arrive
    async with number.session() as session:
        await outbox.settle_unsent(session, asked.conversation_id, reply)
    assert isinstance(again := await number.begin_send(asked, reply), Send)
    assert not again.is_uncertain

    await let_pass(number, reply, WHATSAPP.confirms_within)
    assert await number.begin_send(asked, reply) == "failed"
    assert (await number.message(reply)).detail == {"error": "outcome_unknown"}


async def test_a_receipt_of_what_was_sent_twice_says_that_it_may_be_there_twice(number: Office) -> None:
    asked, reply = await sending(number)
    await let_pass(number, reply, WHATSAPP.confirms_within)
    await number.begin_send(asked, reply)
    async with number.session() as session:
        await outbox.settle_unsent(session, asked.conversation_id, reply)
    await number.begin_send(asked, reply)
    await receive(number, "sent", message_id=reply)

    assert (await number.message(reply)).maybe_duplicate


async def test_what_may_have_arrived_says_so_though_people_took_over_before_it_was_repeated(number: Office) -> None:
    asked, reply = await sending(number)
    await let_pass(number, reply, WHATSAPP.confirms_within)
    await number.begin_send(asked, reply)
    await hand_off(number, asked)
    async with number.session() as session:
        await outbox.settle_unsent(session, asked.conversation_id, reply)
    message = await number.message(reply)
    assert (message.state, message.maybe_duplicate) == ("discarded", True)


async def test_of_two_attempts_that_both_arrived_it_is_known_that_there_may_be_two(number: Office) -> None:
    """The first one stood still, and knows nothing of the other."""
    asked, reply = await sending(number)
    await let_pass(number, reply, WHATSAPP.confirms_within)
    await number.begin_send(asked, reply)
    async with number.session() as session:
        await outbox.settle_sent(session, asked.conversation_id, reply, WAMID, was_resent=False)
    assert (await number.message(reply)).maybe_duplicate


async def let_pass(office: Office, message_id: UUID, time: timedelta) -> None:
    async with office.session() as session:
        message = await session.get_one(Message, (office.tenant_id, message_id))
        message.sending_at = utc_now() - time - timedelta(seconds=1)


async def test_a_refusal_by_the_channel_itself_is_no_receipt(number: Office) -> None:
    asked, reply = await sending(number)
    async with number.session() as session:
        error = ChannelRefused("It is not taken.", "131051")
        await outbox.settle_refused(session, asked.conversation_id, reply, error)

    assert (await number.message(reply)).detail == {"error": "131051"}


async def test_a_channel_that_needs_it_is_told_what_the_contact_said_last(number: Office) -> None:
    asked = await number.exchange("One thing", "Done.")
    again = await number.say("And another thing", external_id="wamid.latest")
    [reply] = await number.answer(again)
    send = await number.begin_send(again, reply)

    assert isinstance(send, Send)
    assert send.thread.latest == "wamid.latest"
    assert asked.conversation_id == again.conversation_id


async def test_a_channel_that_does_not_is_not(database: Database, vault: Vault) -> None:
    slack = await open_office(database, vault)
    asked = await slack.say("Hello?")
    [reply] = await slack.answer(asked)
    send = await slack.begin_send(asked, reply)

    assert isinstance(send, Send)
    assert send.thread.latest == ""
