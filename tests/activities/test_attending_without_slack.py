"""Attending to a handoff where Slack is away, or nothing can be shown there: by mail, and to the contact."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from activities.attending import MAIL_AGAIN_AFTER
from konstruct.accounts.permissions import Role
from konstruct.desk import texts
from konstruct.errors import ChannelRateLimited, ChannelUnavailable, SendUncertain
from konstruct.inbox import Accepted
from konstruct.tables import Connection
from tests.activities.desks import Desk, asked, buttons, desk, mails, office, signals, slack
from tests.support.handoffs import (
    DESK_CHANNEL,
    GRACE,
    LINUS,
    a_wish,
    claim,
    hand_off,
    handoff_row,
    seat,
)
from tests.support.mail_double import MailDouble
from tests.support.members import enrolled

__all__ = ["asked", "desk", "mails", "office", "slack"]


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

    async def test_where_nobody_is_at_the_desk_the_team_is_written_to_with_the_way_to_the_inbox(
        self, desk: Desk, mails: MailDouble, temporal_client: Client
    ) -> None:
        office = desk.office
        await seat(office, channel=None, people={})
        roles: tuple[Role, ...] = ("owner", "agent", "viewer")
        team = {role: await enrolled(office.database, office.vault, role, office.tenant_id) for role in roles}
        asked = await office.say("I want a person")
        handoff_id = await hand_off(office, asked)
        portal = desk.with_portal("https://portal.example")
        await portal.attend(handoff_id)
        assert mails.inbox == []
        await portal.let_pass(handoff_id, timedelta(minutes=10))
        for _ in range(2):
            await portal.attend(handoff_id)
        [mail] = mails.inbox
        assert sorted(mail.recipients) == sorted([team["owner"].email, team["agent"].email])
        content = mail.content.decode().replace("=\r\n", "")
        assert f"https://portal.example/t/{team['owner'].slug}/inbox/{asked.conversation_id}" in content

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
