"""The Slack double as Slack's own client sees it: what it checks, stores, records and breaks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.support.slack_double import SlackDouble, Workspace
from tests.support.slack_double.world import BOT_SCOPES


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as slack:
        yield slack


@pytest.fixture
def team(slack: SlackDouble) -> Workspace:
    team = slack.world.add_workspace()
    team.add_channel("C1", members={"U1"})
    return team


@pytest.fixture
async def client(slack: SlackDouble, team: Workspace) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(team.bot_token, base_url=slack.api_url, session=session, retry_handlers=[])


async def refusal(call: Any) -> Any:
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response


def root(slack: SlackDouble, team: Workspace) -> str:
    channel = team.channels["C1"]
    message = {"type": "message", "user": "U1", "text": "hello", "ts": slack.world.next_ts()}
    return str(slack.world.store(channel, message)["ts"])


async def test_a_reply_lands_in_its_thread_with_its_metadata(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient
) -> None:
    thread_ts = root(slack, team)
    metadata = {"event_type": "konstruct_message", "event_payload": {"id": "1"}}
    blocks = [{"type": "markdown", "text": "**hi**"}]
    posted = await client.chat_postMessage(
        channel="C1", text="hi", thread_ts=thread_ts, blocks=blocks, metadata=metadata
    )
    assert posted["message"]["thread_ts"] == thread_ts
    assert await slack.wait_for_message("C1", thread_ts=thread_ts) == [posted["message"]]
    plain = await client.conversations_replies(channel="C1", ts=thread_ts)
    assert [message["text"] for message in plain["messages"]] == ["hello", "hi"]
    assert "metadata" not in plain["messages"][1]
    full = await client.conversations_replies(channel="C1", ts=thread_ts, include_all_metadata=True)
    assert full["messages"][1]["metadata"] == metadata
    assert [message["text"] for message in (await client.conversations_history(channel="C1"))["messages"]] == ["hello"]


async def test_replies_come_in_pages(slack: SlackDouble, team: Workspace, client: AsyncWebClient) -> None:
    thread_ts = root(slack, team)
    for number in range(4):
        await client.chat_postMessage(channel="C1", text=str(number), thread_ts=thread_ts)
    pages = await client.conversations_replies(channel="C1", ts=thread_ts, limit=2)
    texts = [[message["text"] for message in page["messages"]] async for page in pages]
    assert texts == [["hello", "0"], ["1", "2"], ["3"]]


async def test_a_reply_to_a_deleted_message_silently_lands_in_the_channel(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient
) -> None:
    gone = root(slack, team)
    slack.world.delete(team.channels["C1"], gone)
    posted = await client.chat_postMessage(channel="C1", text="too late", thread_ts=gone)
    assert "thread_ts" not in posted["message"]
    assert (await refusal(client.conversations_replies(channel="C1", ts=gone)))["error"] == "thread_not_found"


async def test_a_thread_outlives_its_deleted_root_when_it_has_replies(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient
) -> None:
    thread_ts = root(slack, team)
    await client.chat_postMessage(channel="C1", text="one", thread_ts=thread_ts)
    slack.world.delete(team.channels["C1"], thread_ts)
    posted = await client.chat_postMessage(channel="C1", text="two", thread_ts=thread_ts)
    assert posted["message"]["thread_ts"] == thread_ts
    found = (await client.conversations_replies(channel="C1", ts=thread_ts))["messages"]
    assert [message.get("subtype", message["text"]) for message in found] == ["tombstone", "one", "two"]


async def test_tokens_and_scopes_are_checked(slack: SlackDouble, team: Workspace, client: AsyncWebClient) -> None:
    say: dict[str, Any] = {"channel": "C1", "text": "hi"}
    assert (await refusal(client.chat_postMessage(**say, token="xoxb-unknown")))["error"] == "invalid_auth"
    assert (await refusal(client.chat_postMessage(**say, token=slack.app_token)))["error"] == "not_allowed_token_type"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{slack.api_url}auth.test") as answer:
            assert (await answer.json())["error"] == "not_authed"
        async with session.post(f"{slack.api_url}auth.test", data={"token": team.bot_token}) as answer:
            assert (await answer.json())["team_id"] == team.team_id
        async with session.post(f"{slack.api_url}chat.postMessage", json={"token": team.bot_token, **say}) as answer:
            assert (await answer.json())["error"] == "not_authed"
    team.scopes = BOT_SCOPES - {"chat:write.customize"}
    lacking = await refusal(client.chat_postMessage(**say, username="Ada"))
    assert (lacking["error"], lacking["needed"]) == ("missing_scope", "chat:write.customize")
    assert "chat:write" in lacking["provided"].split(",")
    team.token_state = "token_revoked"
    assert (await refusal(client.chat_postMessage(**say)))["error"] == "token_revoked"


async def test_channels_are_checked(slack: SlackDouble, team: Workspace, client: AsyncWebClient) -> None:
    team.add_channel("C2", with_bot=False)
    team.add_channel("C3", is_archived=True)
    team.add_channel("G1", kind="group", with_bot=False)
    other = slack.world.add_workspace()
    other.add_channel("C9")
    expected = {"C2": "not_in_channel", "C3": "is_archived", "G1": "channel_not_found", "C9": "channel_not_found"}
    for channel, error in expected.items():
        assert (await refusal(client.chat_postMessage(channel=channel, text="hi")))["error"] == error


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"blocks": [{"type": "markdown", "text": "x" * 12_001}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "markdown", "text": "# Title\n" * 51}]}, "invalid_blocks"),
        ({"blocks": [{"type": "sonnet"}]}, "invalid_blocks"),
        ({"blocks": "not json"}, "invalid_blocks_format"),
        ({"blocks": [{"type": "markdown", "text": "x" * 7000}] * 2}, "msg_blocks_too_long"),
        ({"blocks": [{"type": "markdown", "text": "&" * 4000}]}, "msg_blocks_too_long"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
        ({"markdown_text": "y" * 12_001}, "msg_too_long"),
        ({"text": "x", "metadata": {"event_type": "made", "event_payload": "text"}}, "invalid_metadata_format"),
    ],
)
async def test_messages_that_slack_refuses_are_refused(
    client: AsyncWebClient, message: dict[str, Any], error: str
) -> None:
    assert (await refusal(client.api_call("chat.postMessage", json={"channel": "C1", **message})))["error"] == error


async def test_long_text_is_truncated(client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C1", text="x" * 40_001)
    assert len(posted["message"]["text"]) == 40_000


async def test_another_name_makes_a_bot_message_without_a_user(client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C1", text="hi", username="Ada")
    assert (posted["message"]["subtype"], posted["message"]["username"]) == ("bot_message", "Ada")
    assert "user" not in posted["message"]


async def test_a_message_can_be_updated_by_its_bot_alone(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel="C1", text="draft")
    await client.chat_update(channel="C1", ts=posted["ts"], text="done")
    assert team.channels["C1"].messages[posted["ts"]]["text"] == "done"
    theirs = root(slack, team)
    assert (await refusal(client.chat_update(channel="C1", ts=theirs, text="x")))["error"] == "cant_update_message"
    nothing = await refusal(client.chat_update(channel="C1", ts="1.000001", text="x"))
    assert nothing["error"] == "message_not_found"


RICH = {"type": "rich_text_section", "elements": [{"type": "text", "text": "hi"}]}
BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Yes"}}
SURE = {name: {"type": "plain_text", "text": "?"} for name in ("title", "text", "confirm", "deny")}


@pytest.mark.parametrize(
    ("kind", "element", "complaint"),
    [
        ("rich_text", RICH | {"type": "rich_text_table"}, "unsupported type"),
        ("rich_text", RICH | {"elements": []}, "elements"),
        ("rich_text", RICH | {"elements": [{"type": "mrkdwn", "text": "hi"}]}, "unsupported type"),
        ("rich_text", RICH | {"elements": [{"type": "text", "text": ""}]}, "more than 0"),
        ("rich_text", RICH | {"elements": [{"type": "text", "text": "x" * 3_001}]}, "less than 3001"),
        ("rich_text", RICH | {"elements": [{"type": "text", "text": "x", "style": {"red": True}}]}, "style"),
        ("rich_text", RICH | {"elements": [{"type": "date", "timestamp": 1}]}, "format"),
        ("rich_text", RICH | {"elements": [{"type": "date", "timestamp": 1.5, "format": "{date}"}]}, "timestamp"),
        ("actions", BUTTON | {"text": {"type": "mrkdwn", "text": "Yes"}}, "plain_text"),
        ("actions", BUTTON | {"style": "loud"}, "style"),
        ("actions", BUTTON | {"confirm": SURE | {"text": {"type": "plain_text", "text": "x" * 301}}}, "less than 301"),
        ("actions", BUTTON | {"confirm": {}}, "text"),
    ],
)
async def test_blocks_that_slack_would_not_take_are_refused(
    client: AsyncWebClient, kind: str, element: dict[str, Any], complaint: str
) -> None:
    refused = await refusal(
        client.chat_postMessage(channel="C1", text="x", blocks=[{"type": kind, "elements": [element]}])
    )
    assert refused["error"] == "invalid_blocks"
    assert complaint in refused["response_metadata"]["messages"][0]


async def test_a_whisper_reaches_one_member_and_is_no_message(slack: SlackDouble, client: AsyncWebClient) -> None:
    await client.chat_postEphemeral(channel="C1", user="U1", text="psst")
    stranger = await refusal(client.chat_postEphemeral(channel="C1", user="U2", text="psst"))
    assert stranger["error"] == "user_not_in_channel"
    assert await slack.wait_for_whisper() == [("C1", "U1", "psst")]
    assert slack.bot_messages("C1") == []


async def test_only_its_own_messages_can_be_deleted(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient
) -> None:
    mine = await client.chat_postMessage(channel="C1", text="hi")
    await client.chat_delete(channel="C1", ts=mine["ts"])
    assert slack.bot_messages("C1") == []
    assert (await refusal(client.chat_delete(channel="C1", ts=mine["ts"])))["error"] == "message_not_found"
    theirs = root(slack, team)
    assert (await refusal(client.chat_delete(channel="C1", ts=theirs)))["error"] == "cant_delete_message"


async def test_the_agent_surface(slack: SlackDouble, team: Workspace, client: AsyncWebClient) -> None:
    thread_ts = root(slack, team)
    where: dict[str, Any] = {"channel_id": "C1", "thread_ts": thread_ts}
    await client.assistant_threads_setStatus(**where, status="is thinking…")
    assert slack.world.statuses == {("C1", thread_ts): "is thinking…"}
    reply = await client.chat_postMessage(channel="C1", text="hi", thread_ts=thread_ts)
    assert slack.world.statuses == {}
    assert (await refusal(client.agents_sessions_rename(**where, title="x")))["error"] == "session_not_found"
    await client.agents_sessions_setStatus(**where, status="processing", title="Parcel")
    assert slack.world.sessions["C1", thread_ts] == {"status": "processing", "title": "Parcel"}
    not_a_root = client.agents_sessions_setStatus(channel_id="C1", thread_ts=reply["ts"], status="active")
    assert (await refusal(not_a_root))["error"] == "invalid_thread_ts"
    prompts = [{"title": "Track", "message": "Where is my parcel?"}]
    await client.assistant_threads_setSuggestedPrompts(**where, prompts=prompts)
    assert slack.world.prompts == {}
    await client.assistant_threads_setSuggestedPrompts(channel_id="C1", prompts=prompts)
    assert slack.world.prompts == {"C1": prompts}


async def test_people_and_dms_are_found(team: Workspace, client: AsyncWebClient) -> None:
    team.users["U1"] = "Ada Lovelace"
    assert (await client.users_info(user="U1"))["user"]["real_name"] == "Ada Lovelace"
    opened = (await client.conversations_open(users="U1"))["channel"]["id"]
    assert opened == (await client.conversations_open(users="U1"))["channel"]["id"]
    assert (await client.conversations_info(channel=opened))["channel"]["is_im"]


async def test_an_installation_code_is_good_once(slack: SlackDouble, team: Workspace) -> None:
    code = slack.issue_code(team)
    async with httpx.AsyncClient(base_url=slack.api_url) as http:

        async def exchange(secret: str) -> Any:
            basic = (slack.client_id, secret)
            return (await http.post("oauth.v2.access", data={"code": code}, auth=basic)).json()

        assert (await exchange("wrong"))["error"] == "bad_client_secret"
        granted = await exchange(slack.client_secret)
        assert (granted["access_token"], granted["team"]["id"]) == (team.bot_token, team.team_id)
        assert (await exchange(slack.client_secret))["error"] == "invalid_code"


async def test_a_rate_limit_says_when_to_try_again(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.fail_next("chat.postMessage", error="ratelimited", retry_after=2)
    limited = await refusal(client.chat_postMessage(channel="C1", text="hi"))
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "2")
    slack.seconds_between_messages = 60
    await client.chat_postMessage(channel="C1", text="one")
    assert (await refusal(client.chat_postMessage(channel="C1", text="two"))).status_code == 429
    assert [call.answer and call.answer["ok"] for call in slack.calls_of("chat.postMessage")] == [None, True, False]


async def test_a_server_error_is_not_json(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.fail_next("chat.postMessage", status=500)
    failed = await refusal(client.chat_postMessage(channel="C1", text="hi"))
    assert failed.status_code == 500
    assert slack.bot_messages("C1") == []


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_dropped_call_is_a_reset_whether_it_was_accepted_or_not(
    slack: SlackDouble, client: AsyncWebClient, accepted: bool
) -> None:
    slack.drop_next("chat.postMessage", accepted=accepted)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel="C1", text="hi")
    assert len(slack.bot_messages("C1")) == int(accepted)


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_held_call_goes_on_when_it_is_released(
    slack: SlackDouble, client: AsyncWebClient, accepted: bool
) -> None:
    released = slack.hold_next("chat.postMessage", accepted=accepted)
    posting = asyncio.create_task(client.chat_postMessage(channel="C1", text="hi"))
    await slack.wait_for_call("chat.postMessage")
    if accepted:
        await slack.wait_for_message("C1")
    assert not posting.done()
    released.set()
    assert (await posting)["ok"]
    assert len(slack.bot_messages("C1")) == 1


async def test_waiting_in_vain_says_what_was_called_instead(slack: SlackDouble, client: AsyncWebClient) -> None:
    await client.auth_test()
    with pytest.raises(AssertionError, match=r"no 1 messages in C1[\s\S]*auth\.test"):
        await slack.wait_for_message("C1", timeout=0.05)
