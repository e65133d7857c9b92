"""Attending to a handoff where its people are: in a Slack that is away, hangs up or refuses, and by mail."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email.headerregistry import Address
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.attending import MAIL_AGAIN_AFTER, Attending
from konstruct import outbox, temporal
from konstruct.adapters.mail import MailServer, SmtpMailer
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.contracts.handoffs import HandoffStanding, HandoffState
from konstruct.db import Database
from konstruct.desk import texts
from konstruct.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable, SendUncertain
from konstruct.handoffs import attending as core
from konstruct.handoffs import entries, owning
from konstruct.inbox import Accepted
from konstruct.tables import Connection
from konstruct.vault import Vault
from tests.support.handoffs import (
    DESK_CHANNEL,
    GRACE,
    LINUS,
    a_wish,
    an_origin,
    change_row,
    claim,
    hand_back,
    hand_off,
    handoff_row,
    note,
    owned,
    seat,
    write,
)
from tests.support.mail_double import MailDouble, open_mail_double
from tests.support.office import Office, open_office
from tests.support.slack_double import Json, SlackDouble


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        double.world.add_workspace().add_channel(DESK_CHANNEL)
        yield double


@pytest.fixture
async def mails() -> AsyncIterator[MailDouble]:
    async with open_mail_double() as double:
        yield double


@pytest.fixture
async def office(slack: SlackDouble, database: Database, vault: Vault) -> Office:
    [workspace] = slack.world.workspaces.values()
    office = await open_office(database, vault, bot_token=workspace.bot_token)
    await seat(office)
    return office


@dataclass(frozen=True)
class Desk:
    """One who attends to the handoffs of an office, and what people see of it."""

    attending: Attending
    office: Office
    slack: SlackDouble

    async def attend(self, handoff_id: UUID, *, attempt: int = 1) -> HandoffStanding:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=attempt)
        state = HandoffState(self.office.tenant_id, handoff_id)
        standing: HandoffStanding = await environment.run(self.attending.attend_handoff, state)
        return standing

    async def let_pass(self, handoff_id: UUID, time: timedelta) -> None:
        """As if it had been opened, and all been done, so much earlier."""
        handoff = await handoff_row(self.office, handoff_id)
        waiting = dict(handoff.progress["waiting"])
        for name, value in waiting.items():
            if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
                waiting[name] = (core.waiting_of(handoff).__getattribute__(name) - time).isoformat()
        await change_row(self.office, handoff_id, progress=handoff.progress | {"waiting": waiting})

    @property
    def cards(self) -> list[Json]:
        return [message for message in self.slack.bot_messages(DESK_CHANNEL) if _event(message) == "konstruct_handoff"]

    @property
    def card(self) -> Json:
        [card] = self.cards
        return card

    @property
    def lines(self) -> list[str]:
        """In the thread of the card."""
        return [
            message["text"]
            for message in self.slack.bot_messages(DESK_CHANNEL, thread_ts=self.card["ts"])
            if _event(message) == "konstruct_entry"
        ]


def _event(message: Json) -> str:
    return str(message.get("metadata", {}).get("event_type", ""))


def buttons(card: Json) -> list[str]:
    actions = [block for block in card["blocks"] if block["type"] == "actions"]
    return [element["action_id"].removeprefix("handoff:") for block in actions for element in block["elements"]]


@pytest.fixture
async def desk(
    office: Office, slack: SlackDouble, mails: MailDouble, database: Database, vault: Vault, temporal_client: Client
) -> AsyncIterator[Desk]:
    mailer = SmtpMailer(MailServer("127.0.0.1", mails.port, "none"), Address(addr_spec="desk@example.com"))
    async with open_session() as session:
        deskroom = SlackDeskroom(session, slack.api_url, time_limit=timedelta(seconds=1))
        yield Desk(Attending(database, vault, {"slack": deskroom}, mailer, temporal_client), office, slack)


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("I want a person")


async def signals(client: Client, office: Office, asked: Accepted) -> list[str]:
    handle = client.get_workflow_handle(temporal.workflow_id(office.tenant_id, asked.conversation_id))
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]


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
        assert 590 < standing.seconds <= 600

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


class TestWithoutSlack:
    async def test_while_it_is_away_the_contact_is_told_and_people_are_written_to(
        self, desk: Desk, asked: Accepted, mails: MailDouble, temporal_client: Client
    ) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.let_pass(handoff_id, timedelta(minutes=30))
        desk.slack.fail_next("chat.postMessage", status=503)
        with pytest.raises((ChannelUnavailable, SendUncertain)):
            await desk.attend(handoff_id)
        [mail] = mails.inbox
        assert sorted(mail.recipients) == ["grace@example.com", "linus@example.com"]
        assert await signals(temporal_client, desk.office, asked) == ["send_notice"] * 2
        await desk.attend(handoff_id, attempt=2)
        assert len(mails.inbox) == 1
        assert len([line for line in desk.lines if "still waits" in line]) == 1

    async def test_it_asks_for_patience_and_gets_it(self, desk: Desk, asked: Accepted) -> None:
        handoff_id = await hand_off(desk.office, asked)
        desk.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=7)
        with pytest.raises(ChannelRateLimited):
            await desk.attend(handoff_id)
        await desk.attend(handoff_id, attempt=2)
        assert len(desk.cards) == 1

    @pytest.mark.parametrize("why", ["no desk", "no connection", "revoked", "archived", "not there"])
    async def test_where_nothing_can_be_shown_the_rest_goes_on(
        self, desk: Desk, asked: Accepted, mails: MailDouble, why: str
    ) -> None:
        office = desk.office
        if why in ("no desk", "no connection", "not there"):
            channel = {"no desk": None, "not there": "C0"}.get(why, DESK_CHANNEL)
            await seat(office, channel=channel, connection="none" if why == "no connection" else "slack")
        elif why == "archived":
            desk.slack.find_channel(DESK_CHANNEL, None)[1].is_archived = True
        else:
            async with office.session() as session:
                (await session.get_one(Connection, (office.tenant_id, office.connection_id))).status = "revoked"
        handoff_id = await hand_off(office, asked)
        standing = await desk.attend(handoff_id)
        assert (desk.cards, standing.is_over) == ([], False)
        assert standing.seconds is not None
        assert (await handoff_row(office, handoff_id)).progress["tasks"] == []
        await desk.let_pass(handoff_id, timedelta(minutes=10))
        await desk.attend(handoff_id)
        assert len(mails.inbox) == 1
        assert (await claim(office, handoff_id)).agent == GRACE.key


class TestMail:
    async def test_nothing_that_was_said_is_in_it_and_it_is_sent_once(
        self, desk: Desk, asked: Accepted, mails: MailDouble
    ) -> None:
        handoff_id = await hand_off(desk.office, asked, a_wish("Canary reason"))
        await desk.attend(handoff_id)
        await desk.let_pass(handoff_id, timedelta(minutes=10))
        for _ in range(2):
            await desk.attend(handoff_id)
        [mail] = mails.inbox
        content = mail.content.decode()
        assert str(handoff_id) in content
        assert "anary" not in content
        assert "I want a person" not in content

    async def test_where_the_server_is_away_it_is_tried_again_and_the_card_does_not_wait(
        self, desk: Desk, asked: Accepted, mails: MailDouble
    ) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.let_pass(handoff_id, timedelta(minutes=10))
        mails.says["MAIL"] = "451 Later"
        await desk.office.say("Hello?")
        standing = await desk.attend(handoff_id)
        assert standing.seconds is not None
        assert standing.seconds <= MAIL_AGAIN_AFTER
        assert any("Hello?" in line for line in desk.lines)
        del mails.says["MAIL"]
        await desk.attend(handoff_id)
        assert len(mails.inbox) == 1
        assert (await handoff_row(desk.office, handoff_id)).progress["tasks"] == []

    async def test_what_the_server_refuses_is_not_tried_again(
        self, desk: Desk, asked: Accepted, mails: MailDouble
    ) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.let_pass(handoff_id, timedelta(minutes=10))
        mails.says["MAIL"] = "550 No"
        await desk.attend(handoff_id)
        assert (await handoff_row(desk.office, handoff_id)).progress["tasks"] == []

    async def test_what_was_taken_meanwhile_is_not_written_of(
        self, desk: Desk, asked: Accepted, mails: MailDouble
    ) -> None:
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.let_pass(handoff_id, timedelta(minutes=10))
        mails.says["MAIL"] = "451 Later"
        await desk.attend(handoff_id)
        del mails.says["MAIL"]
        await claim(desk.office, handoff_id, LINUS)
        standing = await desk.attend(handoff_id)
        assert (mails.inbox, standing.seconds) == ([], None)


class TestTheConversation:
    async def test_it_is_told_what_the_contact_is_to_be_told(
        self, desk: Desk, asked: Accepted, temporal_client: Client
    ) -> None:
        handoff_id = await hand_off(desk.office, asked)
        for _ in range(2):
            await desk.attend(handoff_id)
        assert await signals(temporal_client, desk.office, asked) == ["send_notice"]
        [notice] = await desk.office.messages("outbound")
        assert notice.body == texts.told("asked")

    async def test_it_is_told_to_go_on_when_nobody_came(
        self, desk: Desk, asked: Accepted, temporal_client: Client
    ) -> None:
        terms: dict[str, Any] = {"people": ["grace"], "then": "hand_back"}
        await seat(desk.office, groups={"support": terms})
        handoff_id = await hand_off(desk.office, asked)
        await desk.attend(handoff_id)
        await desk.let_pass(handoff_id, timedelta(hours=8))
        standing = await desk.attend(handoff_id)
        assert await signals(temporal_client, desk.office, asked) == ["send_notice", "deliver_message"]
        assert (standing.is_over, buttons(desk.card)) == (True, [])
