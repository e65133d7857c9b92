"""Attending to a handoff in Slack, which hangs up or refuses: a card, and the lines of its thread, each once."""

import json
import re

import pytest
from temporalio.client import Client

from konstruct import contacts, outbox
from konstruct.errors import ChannelRefused, ChannelUnavailable, SendUncertain
from konstruct.handoffs import attending as core
from konstruct.handoffs import entries, owning
from konstruct.inbox import Accepted
from konstruct.tables import Tenant
from tests.activities.desks import Desk, asked, buttons, desk, mails, office, signals, slack
from tests.support.handoffs import (
    DESK_CHANNEL,
    GRACE,
    a_wish,
    an_origin,
    claim,
    hand_back,
    hand_off,
    handoff_row,
    note,
    owned,
    seat,
    write,
)

__all__ = ["asked", "desk", "mails", "office", "slack"]


class TestTheCard:
    async def test_it_is_shown_where_the_desk_is_and_calls_people(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        standing = await desk.attend(handoff_id)
        assert buttons(desk.card) == ["claim", "not_now"]
        assert "<@UGRACE> <@ULINUS>" in desk.card["text"]
        handoff = await handoff_row(desk.office, handoff_id)
        assert (handoff.card_connection_id, handoff.card_channel, handoff.card_external_id) == (
            desk.office.connection_id,
            DESK_CHANNEL,
            desk.card["ts"],
        )
        assert handoff.progress["tasks"] == []
        assert (standing.is_over, standing.needs_packet, standing.assist) == (False, True, [])
        assert standing.seconds is not None
        assert 0 < standing.seconds <= 600

    async def test_it_leads_to_the_inbox_where_people_know_the_portal(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        assert "Open in the inbox" not in json.dumps(desk.card)
        await desk.with_portal("https://portal.example/").attend(handoff_id)
        links = [
            element["url"]
            for block in desk.card["blocks"]
            if block["type"] == "rich_text"
            for part in block["elements"]
            for element in part["elements"]
            if element["type"] == "link"
        ]
        async with desk.office.session() as session:
            slug = (await session.get_one(Tenant, desk.office.tenant_id)).slug
        assert links == [f"https://portal.example/t/{slug}/inbox/{asked.conversation_id}"]

    async def test_attending_again_shows_nothing_again(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        calls, lines = len(desk.slack.calls), desk.lines
        await desk.attend(handoff_id)
        assert (len(desk.slack.calls), desk.lines) == (calls, lines)

    async def test_it_is_renewed_as_things_change_and_calls_nobody_by_that(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        await claim(desk.office, handoff_id)
        standing = await desk.attend(handoff_id)
        assert buttons(desk.card) == ["hand_back", "resolve", "release", "draft", "summary"]
        assert "<@" not in desk.card["text"]
        assert GRACE.name in str(desk.card["blocks"])
        assert (standing.is_over, standing.seconds) == (False, None)
        await hand_back(desk.office, handoff_id)
        standing = await desk.attend(handoff_id)
        assert (buttons(desk.card), standing.is_over, standing.needs_packet) == ([], True, False)
        assert len(desk.cards) == 1

    async def test_one_whose_arrival_nobody_heard_of_is_found(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        desk.slack.drop_next("chat.postMessage", accepted=True)
        with pytest.raises(SendUncertain):
            await desk.attend(handoff_id)
        await desk.attend(handoff_id, attempt=2)
        assert (await handoff_row(desk.office, handoff_id)).card_external_id == desk.card["ts"]

    async def test_one_that_did_not_arrive_is_shown_again(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        desk.slack.drop_next("chat.postMessage")
        with pytest.raises(SendUncertain):
            await desk.attend(handoff_id)
        await desk.attend(handoff_id, attempt=2)
        assert "<@UGRACE>" in desk.card["text"]

    async def test_who_was_called_by_a_new_card_is_not_called_again_in_its_thread(
        self, desk: Desk, asked: Accepted
    ) -> None:
        """The attempt was cut off right after the card was on record."""
        handoff_id = await hand_off(desk.office, asked)
        desk.slack.fail_next("chat.postMessage", error="internal_error", accepted=True)
        with pytest.raises((ChannelUnavailable, SendUncertain)):
            await desk.attend(handoff_id)
        for attempt in (2, 3):
            await desk.attend(handoff_id, attempt=attempt)
        assert not any("Can you take this one?" in line for line in desk.lines)

    async def test_where_it_was_shown_it_stays_when_the_desk_moves(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        [workspace] = desk.slack.world.workspaces.values()
        workspace.add_channel("C8")
        await seat(desk.office, channel="C8")
        await claim(desk.office, handoff_id)
        await desk.attend(handoff_id)
        assert GRACE.name in str(desk.card["blocks"])
        assert desk.slack.bot_messages("C8") == []

    async def test_one_that_somebody_deleted_is_shown_anew(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        _, channel = desk.slack.find_channel(DESK_CHANNEL, None)
        desk.slack.world.delete(channel, desk.card["ts"])
        await claim(desk.office, handoff_id)
        await desk.attend(handoff_id)
        assert GRACE.name in str(desk.card["blocks"])
        assert (await handoff_row(desk.office, handoff_id)).card_external_id == desk.card["ts"]
        assert any("I want a person" in line for line in desk.lines)

    async def test_who_is_told_is_shown_a_card_and_then_nobody_waits(self, desk: Desk, asked: Accepted) -> None:
        async with desk.office.session() as session:
            handoff_id = await owning.tell(session, desk.office.vault, asked.conversation_id, a_wish(rule="costly"))
        assert handoff_id is not None
        standing = await desk.attend(handoff_id)
        assert (buttons(desk.card), standing.is_over) == (["claim"], True)
        assert "<@UGRACE>" in desk.card["text"]


class TestTheThread:
    async def test_what_is_said_stands_there_in_order_and_once(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await owned(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.office.say("Hello?")
        await write(desk.office, handoff_id, "Here I am.\n// Careful.")
        for _ in range(2):
            await desk.attend(handoff_id)
        assert [line.partition(": ")[2] for line in desk.lines] == [
            "I want a person",
            "Hello?",
            "Here I am.",
            "// Careful.",
        ]

    @pytest.mark.parametrize("arrived", [True, False])
    async def test_a_line_whose_arrival_nobody_heard_of_is_looked_for_first(
        self, desk: Desk, asked: Accepted, arrived: bool
    ) -> None:
        handoff_id = await owned(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.office.say("Second")
        await note(desk.office, handoff_id, "A note")
        desk.slack.drop_next("chat.postMessage", accepted=arrived)
        with pytest.raises(SendUncertain):
            await desk.attend(handoff_id)
        desk.slack.drop_next("chat.postMessage", accepted=arrived)
        with pytest.raises(SendUncertain):
            await desk.attend(handoff_id, attempt=2)
        await desk.attend(handoff_id, attempt=3)
        assert [line.partition(": ")[2] for line in desk.lines] == ["I want a person", "Second", "A note"]

    async def test_a_line_that_slack_refuses_holds_up_nothing(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await owned(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.office.say("Refused")
        await desk.office.say("Taken")
        desk.slack.fail_next("chat.postMessage", error="restricted_action")
        await desk.attend(handoff_id)
        assert [line.partition(": ")[2] for line in desk.lines] == ["I want a person", "Taken"]

    async def test_people_are_rung_and_reminded_there(self, desk: Desk, asked: Accepted) -> None:
        await seat(desk.office, groups={"support": {"people": ["grace", "linus"], "ring": "in_order"}})
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        assert "<@UGRACE>" in desk.card["text"]
        async with desk.office.session() as session:
            await core.not_now(session, handoff_id, "grace")
        await desk.attend(handoff_id)
        [call] = [line for line in desk.lines if "Can you take this one?" in line]
        assert "<@ULINUS>" in call
        assert "<@UGRACE>" not in call

    async def test_a_call_whose_arrival_nobody_heard_of_is_not_repeated(self, desk: Desk, asked: Accepted) -> None:
        await seat(desk.office, groups={"support": {"people": ["grace", "linus"], "ring": "in_order"}})
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        async with desk.office.session() as session:
            await core.not_now(session, handoff_id, "grace")
        desk.slack.drop_next("chat.postMessage", accepted=True)
        with pytest.raises(SendUncertain):
            await desk.attend(handoff_id)
        await desk.attend(handoff_id, attempt=2)
        assert len([line for line in desk.lines if "Can you take this one?" in line]) == 1

    async def test_a_draft_and_what_did_not_reach_the_contact_stand_there(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await owned(desk.office, asked)
        [message_id] = (await write(desk.office, handoff_id, "Hello")).message_ids
        async with desk.office.session() as session:
            entry_id = await entries.ask(session, handoff_id, GRACE, "draft", an_origin())
        standing = await desk.attend(handoff_id)
        assert standing.assist == [entry_id]
        async with desk.office.session() as session:
            await entries.fill(session, desk.office.vault, entry_id, "Dear you")
        await desk.office.begin_send(asked, message_id)
        async with desk.office.session() as session:
            refused = ChannelRefused("It is archived.", "is_archived")
            await outbox.settle_refused(session, asked.conversation_id, message_id, refused)
        for _ in range(2):
            standing = await desk.attend(handoff_id)
        assert standing.assist == []
        assert len([line for line in desk.lines if "Dear you" in line]) == 1
        assert len([line for line in desk.lines if "has not reached the contact" in line]) == 1

    async def test_what_was_written_by_strangers_calls_nobody(self, desk: Desk, asked: Accepted) -> None:
        await desk.office.say("<!channel> <@UGRACE> look")
        await desk.attend(await owned(desk.office, asked))
        assert not any(re.search(r"<[@!]", line) for line in desk.lines)


async def test_of_who_was_erased_the_card_says_nothing_any_more(
    desk: Desk, asked: Accepted, temporal_client: Client
) -> None:
    handoff_id = await hand_off(desk.office, asked, a_wish("Canary reason"))
    await desk.attend(handoff_id)
    assert "Canary reason" in str(desk.card)
    contact_id = (await handoff_row(desk.office, handoff_id)).contact_id
    async with desk.office.session() as session:
        await contacts.erase(session, desk.office.tenant_id, contact_id, actor="test")
    standing = await desk.attend(handoff_id)
    assert (standing.is_over, buttons(desk.card)) == (True, [])
    assert "Canary" not in str(desk.card)
    assert "U1" not in str(desk.card["blocks"])
    assert await signals(temporal_client, desk.office, asked) == ["send_notice", "resume"]
