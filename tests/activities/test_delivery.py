import secrets
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from konstruct import conversations
from konstruct.contracts.conversation import Delivered, DeliverRequest
from konstruct.db import Database
from konstruct.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConnectionDead, SendUncertain
from konstruct.inbox import Accepted
from konstruct.tables import Connection
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.activities.conftest import AuditBroken
from tests.support import handoffs
from tests.support.doubles import KeptWindows, RecordingMessenger
from tests.support.office import REFUSING, Office, open_office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("Hello?", root="1.5")


async def deliver(
    delivery: Delivery, office: Office, asked: Accepted, message_ids: list[UUID], *, end_status: bool = False
) -> Delivered:
    request = DeliverRequest(office.tenant_id, asked.conversation_id, message_ids, end_status)
    return await ActivityEnvironment().run(delivery.deliver, request)


async def test_an_answer_is_sent_in_order_and_recorded(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    parts = await office.answer(asked, "One", "Two")
    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.told == [("send", "One"), ("send", "Two")]
    assert await office.states() == ["answered", "sent", "sent"]
    assert [(await office.message(part)).external_id for part in parts] == [f"sent-{part}" for part in parts]
    assert (await office.actions()).count("message.sent") == 2


async def test_a_delivery_after_a_crash_goes_on_where_the_first_one_ended(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    parts = await office.answer(asked, "One", "Two")
    await deliver(delivery, office, asked, parts[:1])
    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.sent == ["One", "Two"]


async def test_a_status_that_was_shown_is_ended_after_the_reply(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    await deliver(delivery, office, asked, await office.answer(asked), end_status=True)
    assert messenger.told == [("send", "Hello!"), ("idle", "1.5")]


async def test_an_uncertain_send_that_arrived_is_not_repeated(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    parts = await office.answer(asked)
    messenger.troubles.append(SendUncertain("The connection broke."))
    with pytest.raises(SendUncertain):
        await deliver(delivery, office, asked, parts)
    assert await office.states() == ["taken", "sending"]

    messenger.arrived["Hello!"] = "1700000000.1"
    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.told == [("send", "Hello!"), ("find", "Hello!")]
    message = await office.message(parts[0])
    assert (message.state, message.external_id, message.maybe_duplicate) == ("sent", "1700000000.1", False)


async def test_an_uncertain_send_that_is_not_there_is_repeated_and_marked(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    parts = await office.answer(asked)
    messenger.troubles.append(SendUncertain("The connection broke."))
    with pytest.raises(SendUncertain):
        await deliver(delivery, office, asked, parts)
    await office.let_send_time_pass(parts[0])

    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.told == [("send", "Hello!"), ("find", "Hello!"), ("send", "Hello!")]
    assert (await office.message(parts[0])).maybe_duplicate


async def test_an_uncertain_send_is_not_repeated_while_it_may_still_arrive(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    """An attempt whose worker stood still was taken for dead, and goes on."""
    parts = await office.answer(asked)
    await office.begin_send(asked, parts[0])
    with pytest.raises(SendUncertain):
        await deliver(delivery, office, asked, parts)

    await office.settle_sent(asked, parts[0])
    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.told == [("find", "Hello!")]
    assert not (await office.message(parts[0])).maybe_duplicate


async def test_a_send_whose_record_failed_is_looked_up_before_it_is_repeated(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger, audit_broken: AuditBroken
) -> None:
    parts = await office.answer(asked)
    async with audit_broken():
        with pytest.raises(DBAPIError):
            await deliver(delivery, office, asked, parts)
        # The state and its audit event are written together or not at all.
        assert await office.states() == ["taken", "sending"]
        assert "message.sent" not in await office.actions()

    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.told == [("send", "Hello!"), ("find", "Hello!")]
    assert await office.states() == ["answered", "sent"]
    assert (await office.actions()).count("message.sent") == 1


@pytest.mark.parametrize(
    "trouble", [ChannelRateLimited("Slow down.", timedelta(seconds=7)), ChannelUnavailable("It is away.")]
)
async def test_what_the_channel_did_not_take_waits_again(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger, trouble: Exception
) -> None:
    parts = await office.answer(asked, "One", "Two")
    messenger.troubles.append(trouble)
    with pytest.raises(type(trouble)):
        await deliver(delivery, office, asked, parts)
    assert await office.states() == ["taken", "pending", "pending"]

    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.told == [("send", "One"), ("send", "One"), ("send", "Two")]
    assert not (await office.message(parts[0])).maybe_duplicate


async def test_nothing_follows_a_part_that_the_channel_refused(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    parts = await office.answer(asked, "One", "Two")
    messenger.troubles.append(ChannelRefused("It is archived.", "is_archived"))
    assert await deliver(delivery, office, asked, parts, end_status=True) == Delivered("failed")
    assert messenger.told == [("send", "One"), ("idle", "1.5")]
    assert (await office.states())[:2] == ["failed", "failed"]
    assert "message.failed" in await office.actions()


async def test_a_dead_connection_is_marked_and_sends_no_more(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    messenger.troubles.append(ConnectionDead("The token was revoked.", "token_revoked"))
    assert await deliver(delivery, office, asked, await office.answer(asked)) == Delivered("failed")
    [connection] = await office.rows(Connection)
    assert (connection.status, connection.status_reason) == ("revoked", "token_revoked")

    again = await office.say("Hello again?", root="1.5")
    assert await deliver(delivery, office, again, await office.answer(again, "Again")) == Delivered("failed")
    assert messenger.sent == ["Hello!"]


async def test_nothing_is_sent_after_a_takeover(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    parts = await office.answer(asked, "One", "Two")
    await office.change_owner(asked.conversation_id, "agent")
    assert await deliver(delivery, office, asked, parts) == Delivered("superseded")
    assert messenger.sent == []


@pytest.mark.parametrize("is_there", [True, False])
async def test_what_was_cut_off_before_a_takeover_is_found_or_given_up_and_never_sent_again(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger, is_there: bool
) -> None:
    parts = await office.answer(asked)
    messenger.troubles.append(SendUncertain("The connection broke."))
    with pytest.raises(SendUncertain):
        await deliver(delivery, office, asked, parts)
    await handoffs.owned(office, asked)
    await office.let_send_time_pass(parts[0])
    if is_there:
        messenger.arrived["Hello!"] = "1700000000.1"

    outcome = await deliver(delivery, office, asked, parts)

    assert outcome == Delivered("sent" if is_there else "superseded")
    assert messenger.told == [("send", "Hello!"), ("find", "Hello!")]
    assert (await office.message(parts[0])).state == ("sent" if is_there else "discarded")


async def test_what_an_agent_wrote_is_sent_after_it_was_handed_back(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    handoff_id = await handoffs.owned(office, asked)
    written = await handoffs.write(office, handoff_id, "Hello from Grace")
    await handoffs.hand_back(office, handoff_id)
    assert await deliver(delivery, office, asked, written.message_ids) == Delivered("sent")
    assert messenger.sent == ["Hello from Grace"]


async def test_a_notice_is_sent_in_the_products_own_name(
    office: Office, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    refused = await office.say("One too many", limiter=REFUSING)
    assert refused.notice_id
    assert await deliver(delivery, office, refused, [refused.notice_id]) == Delivered("sent")
    assert await office.states() == ["refused", "sent"]
    assert len(messenger.sent) == 1


async def test_what_comes_too_late_waits_and_the_template_goes_out_in_its_place(
    database: Database, vault: Vault, messenger: RecordingMessenger
) -> None:
    office = await open_office(
        database,
        vault,
        kind="whatsapp",
        account=secrets.token_hex(8),
        external={"reengage_template": "we_have_an_answer", "reengage_language": "en"},
    )
    delivery = Delivery(database, vault, {"whatsapp": messenger}, KeptWindows())
    asked = await office.say("Hello?")
    async with office.session() as session:
        conversation = await conversations.lock(session, asked.conversation_id)
        conversation.contact_said_at = utc_now() - timedelta(hours=25)
    parts = await office.answer(asked, "One", "Two")

    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert await deliver(delivery, office, asked, parts) == Delivered("sent")
    assert messenger.sent == ["[template we_have_an_answer]"]
    again = await office.say("Hi!")
    assert await deliver(delivery, office, again, list(again.released_ids)) == Delivered("sent")
    assert messenger.sent == ["[template we_have_an_answer]", "One", "Two"]
