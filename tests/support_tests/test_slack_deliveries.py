"""The Slack double's sending half: which events people cause, how they are signed, retried, and sent by socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from tests.support.http import serve
from tests.support.slack_double import SlackDouble, Workspace
from tests.support.slack_double import events as build


@dataclass
class Gateway:
    """Takes whatever comes and answers with the statuses it was given, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200, headers=self.headers)

    @property
    def envelopes(self) -> list[Any]:
        return [json.loads(body) for _, body in self.taken]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    app = web.Application()
    app.add_routes([web.post("/slack/events", gateway.take)])
    async with serve(app) as base_url:
        gateway.url = f"{base_url}/slack/events"
        yield gateway


@pytest.fixture
async def slack(gateway: Gateway) -> AsyncIterator[SlackDouble]:
    async with SlackDouble(events_url=gateway.url).running() as slack:
        yield slack


@pytest.fixture
def team(slack: SlackDouble) -> Workspace:
    team = slack.world.add_workspace()
    team.add_channel("C1")
    return team


def kinds(gateway: Gateway) -> list[str]:
    return [envelope["event"]["type"] for envelope in gateway.envelopes]


async def test_a_mention_arrives_twice_with_one_ts(slack: SlackDouble, team: Workspace, gateway: Gateway) -> None:
    said = await slack.person_says("C1", "U1", f"<@{team.bot_user_id}> hello", order=("app_mention", "message"))
    mention, message = gateway.envelopes
    assert kinds(gateway) == ["app_mention", "message"]
    assert mention["event"]["ts"] == message["event"]["ts"] == said.ts
    assert mention["event_id"] != message["event_id"]
    assert message["event"]["blocks"][0]["elements"][0]["elements"][0] == {"type": "user", "user_id": team.bot_user_id}
    assert message["event"]["channel_type"] == "channel"
    assert message["authorizations"][0]["team_id"] == team.team_id


async def test_a_thread_reply_and_a_dm_arrive_once(slack: SlackDouble, team: Workspace, gateway: Gateway) -> None:
    said = await slack.person_says("C1", "U1", "hello")
    await slack.person_says("C1", "U2", "me too", thread_ts=said.ts)
    await slack.person_says(team.dm_with("U1").id, "U1", f"hi <@{team.bot_user_id}>")
    assert kinds(gateway) == ["message"] * 3
    assert gateway.envelopes[1]["event"]["thread_ts"] == said.ts
    assert gateway.envelopes[2]["event"]["channel_type"] == "im"


async def test_what_is_said_where_the_bot_is_not_stays_there(
    slack: SlackDouble, team: Workspace, gateway: Gateway
) -> None:
    team.add_channel("C2", with_bot=False)
    await slack.person_says("C2", "U1", f"<@{team.bot_user_id}> hello")
    assert gateway.taken == []


async def test_signatures_hold_and_forgeries_do_not(slack: SlackDouble, gateway: Gateway) -> None:
    challenge = json.dumps(build.url_verification("c")).encode()
    await slack.post(gateway.url, challenge)
    await slack.post(gateway.url, challenge, secret="another")
    await slack.post(gateway.url, challenge, timestamp=1_700_000_000)
    judge = SignatureVerifier(slack.signing_secret)
    assert [judge.is_valid_request(body, headers) for headers, body in gateway.taken] == [True, False, False]


async def test_a_failed_delivery_is_tried_again_with_the_same_event(
    slack: SlackDouble, team: Workspace, gateway: Gateway
) -> None:
    gateway.statuses = [500, 503]
    attempts = await slack.deliver_with_retries(build.app_uninstalled(slack.world.next_ts()), pace=0)
    assert [attempt.status for attempt in attempts] == [500, 503, 200]
    assert [headers.get("X-Slack-Retry-Num") for headers, _ in gateway.taken] == [None, "1", "2"]
    assert gateway.taken[1][0]["X-Slack-Retry-Reason"] == "http_error"
    assert len({envelope["event_id"] for envelope in gateway.envelopes}) == 1


async def test_retries_end_when_they_are_refused(slack: SlackDouble, team: Workspace, gateway: Gateway) -> None:
    gateway.statuses, gateway.headers = [500], {"X-Slack-No-Retry": "1"}
    assert len(await slack.deliver_with_retries(build.app_uninstalled(slack.world.next_ts()), pace=0)) == 1


async def test_nobody_there_is_a_failed_connection(slack: SlackDouble, team: Workspace) -> None:
    async with serve(web.Application()) as gone:
        pass
    attempts = await slack.deliver_with_retries(build.app_uninstalled("1.000001"), url=gone, pace=0)
    assert [attempt.failure for attempt in attempts] == ["connection_failed"] * 4


async def test_edits_and_deletions_show_what_was_there(slack: SlackDouble, team: Workspace, gateway: Gateway) -> None:
    said = await slack.person_says("C1", "U1", "helo")
    await slack.person_edits("C1", said.ts, "hello")
    await slack.person_deletes("C1", said.ts)
    changed, deleted = (envelope["event"] for envelope in gateway.envelopes[1:])
    assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("helo", "hello")
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", said.ts)


async def test_slack_connect_and_org_wide_installs_name_their_teams(
    slack: SlackDouble, team: Workspace, gateway: Gateway
) -> None:
    await slack.person_says("C1", "U7", "hello from next door", user_team="T0OTHER")
    [shared] = gateway.envelopes
    assert (shared["team_id"], shared["authorizations"][0]["team_id"]) == ("T0OTHER", team.team_id)
    assert shared["is_ext_shared_channel"]
    org = slack.world.add_workspace(enterprise_id="E1", is_enterprise_install=True)
    org.add_channel("C2")
    await slack.person_says("C2", "U1", "hello")
    assert gateway.envelopes[1]["authorizations"][0]["team_id"] is None
    assert gateway.envelopes[1]["authorizations"][0]["enterprise_id"] == "E1"


async def test_a_click_arrives_as_a_form(slack: SlackDouble, team: Workspace, gateway: Gateway) -> None:
    said = await slack.person_says("C1", "U1", "hello")
    await slack.person_clicks("C1", said.ts, "U1", action_id="handoff:request", value="42", url=gateway.url)
    payload = json.loads(parse_qs(gateway.taken[-1][1].decode())["payload"][0])
    assert payload["type"] == "block_actions"
    assert payload["actions"][0]["value"] == "42"
    assert payload["container"]["message_ts"] == said.ts


async def test_the_bots_own_words_come_back_when_echoes_are_on(
    slack: SlackDouble, team: Workspace, gateway: Gateway
) -> None:
    slack.echoes = True
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(team.bot_token, base_url=slack.api_url, session=session)
        await client.chat_postMessage(channel="C1", text="hi")
    await slack.echoed()
    assert gateway.envelopes[0]["event"]["bot_id"] == team.bot_id


async def test_unacknowledged_socket_events_come_again(slack: SlackDouble, team: Workspace) -> None:
    slack.events_url = None
    event = build.app_home_opened(team.dm_with("U1"), "U1", slack.world.next_ts())
    async with aiohttp.ClientSession() as session:
        opened = await AsyncWebClient(base_url=slack.api_url, session=session).apps_connections_open(
            app_token=slack.app_token
        )
        async with session.ws_connect(opened["url"]) as socket:
            assert (await socket.receive_json())["type"] == "hello"
            sending = asyncio.create_task(slack.sockets.send("events_api", slack.envelope(event), ack_within=0.05))
            first = await socket.receive_json()
            again = await socket.receive_json()
            await socket.send_json({"envelope_id": again["envelope_id"]})
            assert (await sending)["envelope_id"] == again["envelope_id"]
            assert (first["retry_attempt"], again["retry_attempt"]) == (0, 1)
            assert first["payload"]["event_id"] == again["payload"]["event_id"]
            await slack.sockets.ask_to_reconnect()
            assert (await socket.receive_json())["type"] == "disconnect"
        async with session.get(opened["url"].replace("ws://", "http://")) as used_twice:
            assert used_twice.status == 401


async def test_the_bots_own_streams_come_back_as_one_message_that_changes(
    slack: SlackDouble, team: Workspace, gateway: Gateway
) -> None:
    slack.echoes = True
    said = await slack.person_says("C1", "U1", "hello")
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(team.bot_token, base_url=slack.api_url, session=session)
        recipient: dict[str, Any] = {"recipient_team_id": team.team_id, "recipient_user_id": "U1"}
        ts = (await client.chat_startStream(channel="C1", thread_ts=said.ts, markdown_text="hi", **recipient))["ts"]
        await slack.echoed()
        await client.chat_stopStream(channel="C1", ts=ts)
        await slack.echoed()
    _, begun, ended = (envelope["event"] for envelope in gateway.envelopes)
    assert (begun["ts"], begun["bot_id"], begun["streaming_state"]) == (ts, team.bot_id, "in_progress")
    assert (ended["subtype"], ended["message"]["streaming_state"]) == ("message_changed", "completed")
