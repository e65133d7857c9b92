"""What was under way in a database of yesterday: done again never, settled by what the channel says, or for people."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from konstruct.accounts import mails
from konstruct.errors import ChannelUnavailable, Misconfigured
from konstruct.handoffs import attending
from konstruct.identity import new_id
from konstruct.ports import Mail
from konstruct.recovery import restorations
from konstruct.recovery.fencing import RECENT, RESTORED
from konstruct.tables import Approval, Conversation, Handoff, MeteredUsage, ThresholdAlert, ToolCall
from konstruct.tables.base import utc_now
from tests.konstruct.recovery.conftest import YESTERDAY, Recovery, Remembering
from tests.konstruct.satisfaction.place import choose, due, let_pass
from tests.support import approvals
from tests.support.doubles import RecordingMessenger
from tests.support.handoffs import hand_off, handoff_row, owned, seat, write
from tests.support.office import Office, open_office


async def owner_of(office: Office, conversation_id: UUID) -> str:
    async with office.session() as session:
        return (await session.get_one(Conversation, (office.tenant_id, conversation_id))).owner


async def test_an_answer_that_the_channel_has_is_sent(
    restored: Office, recovery: Recovery, messenger: RecordingMessenger
) -> None:
    asked = await restored.say("Hello?")
    [reply] = await restored.answer(asked, "Hello!")
    messenger.arrived["Hello!"] = "ts-of-later"

    fenced = await recovery.fence()

    assert (fenced.arrived, fenced.unsent, fenced.offered) == (1, 0, 0)
    assert await restored.states() == ["answered", "sent"]
    assert (await restored.message(reply)).external_id == "ts-of-later"
    assert messenger.sent == []
    assert await owner_of(restored, asked.conversation_id) == "employee"


async def test_what_the_channel_does_not_have_is_not_sent_but_for_people(restored: Office, recovery: Recovery) -> None:
    asked = await restored.say("Hello?")
    await restored.answer(asked, "Hello!")

    fenced = await recovery.fence()

    assert (fenced.unsent, fenced.offered) == (1, 1)
    states = {(message.direction, message.author): message.state for message in await restored.messages()}
    assert states["inbound", "contact"] == "passed"
    assert states["outbound", "employee"] == "discarded"
    assert await owner_of(restored, asked.conversation_id) == "queue"
    [event] = await restored.events("turn.restored")
    assert (event.conversation_id, event.detail["is_certain"]) == (asked.conversation_id, True)
    # Every epoch is told in the trail: this one, and that of the queue.
    [opened] = await restored.events("handoff.opened")
    assert (event.detail["epoch"], opened.detail["epoch"]) == (1, 2)


async def test_a_question_that_was_answered_since_has_its_answer_again(
    restored: Office, recovery: Recovery, channel: Remembering
) -> None:
    asked = await restored.say("When do you open?", root="1.0")
    answer = channel.answered("1.0", "At nine.")

    fenced = await recovery.fence()

    assert (fenced.found, fenced.answered, fenced.offered) == (1, 1, 0)
    assert await restored.states() == ["answered", "sent"]
    found = await restored.message(answer)
    assert (found.body, found.author, found.seq) == ("At nine.", "employee", 2)
    [event] = await restored.events("message.sent")
    assert event.detail == {"message_id": str(answer), "found_again": True}
    assert await owner_of(restored, asked.conversation_id) == "employee"


async def test_of_several_questions_one_answer_does_not_say_which_it_is_to(
    restored: Office, recovery: Recovery, channel: Remembering
) -> None:
    asked = await restored.say("When do you open?", root="1.0")
    await restored.say("And when do you close?", root="1.0")
    channel.answered("1.0", "At nine.")

    fenced = await recovery.fence()

    assert (fenced.found, fenced.answered, fenced.offered) == (1, 0, 1)
    assert await owner_of(restored, asked.conversation_id) == "queue"


async def test_a_channel_that_cannot_be_asked_leaves_it_to_people(
    restored: Office, recovery: Recovery, channel: Remembering
) -> None:
    asked = await restored.say("Hello?")
    channel.trouble = ChannelUnavailable("Slack cannot be reached.")

    await recovery.fence()

    assert await owner_of(restored, asked.conversation_id) == "queue"
    [event] = await restored.events("turn.restored")
    assert event.detail["is_certain"] is False


async def test_nobody_can_ask_whatsapp_so_it_is_for_people(recovery: Recovery) -> None:
    office = await open_office(recovery.database, recovery.vault, kind="whatsapp")
    asked = await office.say("Hello?")
    await office.answer(asked, "Hello!")
    await recovery.fence()
    assert await owner_of(office, asked.conversation_id) == "queue"
    assert "discarded" in await office.states()


async def test_what_nobody_answered_for_a_week_is_not_worth_a_look(restored: Office, recovery: Recovery) -> None:
    asked = await restored.say("Hello?")
    await let_pass(restored, RECENT + timedelta(hours=1))
    fenced = await recovery.fence()
    assert (fenced.failed, fenced.offered) == (1, 0)
    assert await restored.states() == ["failed"]
    assert await owner_of(restored, asked.conversation_id) == "employee"


async def test_what_was_over_stays_as_it_is_and_older_copies_of_windows_fit_no_more(
    restored: Office, recovery: Recovery
) -> None:
    asked = await restored.exchange("Hello?", "Hello!")
    [before] = await restored.conversations()
    fenced = await recovery.fence()
    assert fenced.conversations == 0
    assert await restored.states() == ["answered", "sent"]
    [after] = await restored.conversations()
    assert after.epoch == before.epoch
    assert after.revision > before.revision + 100_000
    assert after.turn_id is None
    await restored.answer(await restored.say("And then?"), "Then we are here.")
    assert await owner_of(restored, asked.conversation_id) == "employee"


async def test_what_an_agent_did_not_get_out_is_theirs_to_send_again(restored: Office, recovery: Recovery) -> None:
    await seat(restored)
    asked = await restored.say("Hello?")
    handoff_id = await owned(restored, asked)
    written = await write(restored, handoff_id, "I am on it.")
    await recovery.fence()
    message = await restored.message(written.message_ids[0])
    assert (message.state, message.detail) == ("failed", {"error": RESTORED})
    assert await owner_of(restored, asked.conversation_id) == "agent"


async def test_people_are_not_rung_again_and_the_contact_is_told_nothing_again(
    restored: Office, recovery: Recovery
) -> None:
    await seat(restored)
    asked = await restored.say("Hello?")
    handoff_id = await hand_off(restored, asked)
    await recovery.fence()
    now = datetime.now(UTC)
    async with restored.session() as session:
        advanced = await attending.advance(session, restored.vault, handoff_id, now + timedelta(seconds=1))
    assert (advanced.tasks, advanced.notice_ids, advanced.answer_id) == ((), (), None)
    assert (await handoff_row(restored, handoff_id)).state == "waiting"


async def test_nobody_decides_any_more_on_what_may_have_been_decided(restored: Office, recovery: Recovery) -> None:
    await approvals.ask(restored)
    await recovery.fence()
    [approval] = await restored.rows(Approval)
    [call] = await restored.rows(ToolCall)
    assert (approval.state, call.state) == ("expired", "expired")
    assert approval.reported_at is not None
    [handoff] = await restored.rows(Handoff)
    assert handoff.requested_by == "restoration"


async def test_a_call_that_may_have_been_made_is_not_made_again(restored: Office, recovery: Recovery) -> None:
    await approvals.ask(restored)
    async with restored.session() as session:
        await session.execute(update(Approval).values(state="approved", decided_by="grace", decided_at=utc_now()))
        await session.execute(update(ToolCall).values(state="ready"))
    await recovery.fence()
    [call] = await restored.rows(ToolCall)
    assert call.state == "unknown"


async def test_nothing_is_mailed_or_metered_again(restored: Office, recovery: Recovery) -> None:
    now = utc_now()
    async with restored.session() as session:
        session.add(ThresholdAlert(tenant_id=restored.tenant_id, what="budget:business", month=now.date(), percent=80))
        session.add(
            MeteredUsage(tenant_id=restored.tenant_id, event_name="models", customer_id="cus_1", value=1, used_at=now)
        )
    async with recovery.database.account_session(new_id()) as session:
        mails.put(session, recovery.vault, Mail(new_id(), ("anna@example.com",), "Hello", "A link"))

    await recovery.fence()

    async with restored.session() as session:
        alert = await session.get_one(ThresholdAlert, (restored.tenant_id, "budget:business", now.date(), 80))
    assert alert.mailed_at is not None
    [metered] = await restored.rows(MeteredUsage)
    assert metered.tried_at is not None
    # Stripe tells a repetition from the first time for a day, and after that it is not sent.
    assert metered.tried_at < now - YESTERDAY + timedelta(minutes=5)
    assert await mails.kept(recovery.database, recovery.vault) == []


async def test_nobody_is_asked_again_how_they_were_helped(restored: Office, recovery: Recovery) -> None:
    await choose(restored)
    await restored.exchange("Where is it?", "It comes on Monday.")
    await let_pass(restored)
    assert len(await due(restored)) == 1
    await recovery.fence()
    assert await due(restored) == []


async def test_one_that_was_cut_off_goes_on_and_does_nothing_twice(restored: Office, recovery: Recovery) -> None:
    await restored.say("Hello?")
    first, second = await recovery.fence(), await recovery.fence()
    assert (first.offered, second.conversations) == (1, 0)
    [event] = await restored.events("tenant.restored")
    assert (event.actor, event.detail["offered"]) == ("operator", 1)


async def test_nobody_works_on_it_before_it_is_settled(recovery: Recovery) -> None:
    await restorations.require_fenced(recovery.database)
    await restorations.begin(recovery.database, datetime(2026, 11, 29, 18, tzinfo=UTC))
    with pytest.raises(Misconfigured, match=r"restored to what it was at 2026-11-29 18:00:00 UTC.*konstruct restore"):
        await restorations.require_fenced(recovery.database)
    await restorations.finish(recovery.database)
    await restorations.require_fenced(recovery.database)


async def test_a_conversation_that_was_tried_out_is_nobodys_to_look_at(recovery: Recovery) -> None:
    office = await open_office(recovery.database, recovery.vault, kind="console")
    await office.say("Hello?")
    await recovery.fence()
    assert await office.states() == ["stopped"]
    assert await office.rows(Handoff) == []
