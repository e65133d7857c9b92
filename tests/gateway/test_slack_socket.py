"""Slack's events over the websocket that we open ourselves."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from gateway.slack_events import SlackEvents
from konstruct.db import Database
from tests.gateway.conftest import MakeEvents, OpenOffice, Quarantine
from tests.support.slack_double import SlackDouble
from tests.support.slack_double import events as built


@pytest.fixture
async def listening(slack: SlackDouble, make_events: MakeEvents) -> AsyncIterator[SlackEvents]:
    async with make_events(slack_app_token=SecretStr(slack.app_token)) as events:
        yield events


@pytest.mark.usefixtures("listening")
async def test_a_message_is_durable_when_it_is_acknowledged(slack: SlackDouble, new_office: OpenOffice) -> None:
    office = await new_office()

    said = await slack.person_says(office.workspace.dm_with("U1").id, "U1", "hello")

    assert [delivery.status for delivery in said.deliveries] == [200]
    assert await office.bodies() == ["hello"]


@pytest.mark.usefixtures("listening")
async def test_what_cannot_be_used_is_kept_aside_and_acknowledged(slack: SlackDouble, quarantine: Quarantine) -> None:
    await slack.sockets.send("events_api", {"type": "event_callback", "event": {"text": "\ud800"}})

    [kept] = await quarantine()
    assert "surrogate" in kept.reason


@pytest.mark.usefixtures("listening")
async def test_an_interaction_is_acknowledged(slack: SlackDouble, new_office: OpenOffice) -> None:
    office = await new_office()
    channel = office.workspace.add_channel("C1")
    shown = built.person_message("U1", "Pick one", "1.000001", office.workspace.team_id)
    click = built.block_actions(slack.world, office.workspace, channel, shown, "U1", {"action_id": "a", "value": "b"})

    assert "payload" not in await slack.sockets.send("interactive", click)


async def test_without_a_database_nothing_is_acknowledged(
    slack: SlackDouble, new_office: OpenOffice, make_events: MakeEvents
) -> None:
    office = await new_office()
    dm = office.workspace.dm_with("U1")
    envelope = slack.envelope(built.message(dm, built.person_message("U1", "hello", "1.000001", "T1")))
    nowhere = Database(SecretStr("postgresql://konstruct_app@127.0.0.1:1/konstruct"))

    async with make_events(database=nowhere, slack_app_token=SecretStr(slack.app_token)):
        with pytest.raises(AssertionError, match="acknowledged none"):
            await slack.sockets.send("events_api", envelope, ack_within=0.3, attempts=2)

    async with make_events(slack_app_token=SecretStr(slack.app_token)):
        await slack.sockets.send("events_api", envelope)
    assert await office.bodies() == ["hello"]


@pytest.mark.usefixtures("listening")
async def test_it_comes_back_when_slack_asks_for_it(slack: SlackDouble, new_office: OpenOffice) -> None:
    office = await new_office()
    await slack.sockets.wait_connected()

    await slack.sockets.ask_to_reconnect()
    await slack.person_says(office.workspace.dm_with("U1").id, "U1", "still there?")

    assert await office.bodies() == ["still there?"]


async def test_a_gateway_starts_while_slack_is_away(make_events: MakeEvents) -> None:
    token = SecretStr("xapp-1-somebody")

    async with make_events(slack_app_token=token, slack_api_url="http://127.0.0.1:1/api/") as events:
        assert (await events.receive(b'{"type": "url_verification", "challenge": "c"}')).status == 200
