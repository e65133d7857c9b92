"""Streamed messages of the Slack double as Slack's own client sees them."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.models.messages.chunk import MarkdownTextChunk, TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from tests.support.slack_double import SlackDouble, Workspace
from tests.support_tests.test_slack_double import refusal, root

METADATA = {"event_type": "konstruct_message", "event_payload": {"id": "1"}}


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


@pytest.fixture
def where(slack: SlackDouble, team: Workspace) -> dict[str, Any]:
    """All that a beginning needs but its text."""
    place = {"channel": "C1", "thread_ts": root(slack, team)}
    return {**place, "recipient_team_id": team.team_id, "recipient_user_id": "U1"}


async def test_slacks_own_helper_streams_text_and_tasks(
    slack: SlackDouble, client: AsyncWebClient, where: dict[str, Any]
) -> None:
    stream = await client.chat_stream(**where, buffer_size=1)
    await stream.append(markdown_text="One ")
    await stream.append(chunks=[TaskUpdateChunk(id="t1", title="search", status="in_progress")])
    [open_message] = slack.bot_messages("C1", thread_ts=where["thread_ts"])
    assert (open_message["text"], open_message["streaming_state"]) == ("One ", "in_progress")
    await stream.append(markdown_text="two", chunks=[TaskUpdateChunk(id="t1", title="search", status="complete")])
    await stream.stop(markdown_text=".", metadata=METADATA)
    found = await client.conversations_replies(channel="C1", ts=where["thread_ts"], include_all_metadata=True)
    message = found["messages"][1]
    assert (message["ts"], message["text"], message["streaming_state"]) == (stream.ts, "One two.", "completed")
    assert message["metadata"] == METADATA
    assert [block["status"] for block in message["blocks"] if block["type"] == "task_card"] == ["complete"]
    streamed = slack.world.streams[message["ts"]]
    assert streamed.pieces == ["One ", "two", "."]
    times = [at for at, _ in streamed.chunks]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"thread_ts": ""}, "invalid_arguments"),
        ({"thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"thread_ts": "1.000001"}, "message_not_found"),
        ({"recipient_user_id": ""}, "missing_recipient_user_id"),
        ({"recipient_team_id": ""}, "missing_recipient_team_id"),
        ({"recipient_team_id": "T9"}, "team_not_found"),
        ({"task_display_mode": "loud"}, "invalid_arguments"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"markdown_text": "x", "chunks": [{"type": "markdown_text", "text": "x"}]}, "cannot_provide_both"),
        ({"chunks": []}, "invalid_chunks"),
        ({"chunks": [{"type": "sonnet"}]}, "invalid_chunks"),
        ({"chunks": [{"type": "markdown_text", "text": ""}]}, "invalid_chunks"),
        ({"chunks": [{"type": "markdown_text", "text": "x" * 12_001}]}, "msg_too_long"),
        ({"chunks": [{"type": "task_update", "id": "1", "title": "x" * 257, "status": "error"}]}, "invalid_chunks"),
        ({"chunks": [{"type": "task_update", "id": "1", "title": "x", "status": "done"}]}, "invalid_chunks"),
    ],
)
async def test_what_slack_would_not_begin_is_refused(
    slack: SlackDouble, client: AsyncWebClient, where: dict[str, Any], change: dict[str, Any], error: str
) -> None:
    answer = await refusal(client.api_call("chat.startStream", json={**where, **change}))
    assert answer["error"].startswith(error)
    assert slack.bot_messages("C1") == []


async def test_scopes_and_workspaces_without_streams(
    team: Workspace, client: AsyncWebClient, where: dict[str, Any]
) -> None:
    team.scopes -= {"chat:write.customize"}
    assert (await refusal(client.chat_startStream(**where, username="Ada")))["error"] == "missing_scope"
    team.refuses_streams = "feature_not_enabled"
    assert (await refusal(client.chat_startStream(**where)))["error"] == "feature_not_enabled"


async def test_a_stream_keeps_the_mode_in_which_it_began(client: AsyncWebClient, where: dict[str, Any]) -> None:
    text = (await client.chat_startStream(**where, markdown_text="a"))["ts"]
    chunks = (await client.chat_startStream(**where, chunks=[MarkdownTextChunk(text="a")]))["ts"]
    await client.chat_appendStream(channel="C1", ts=text, markdown_text="b")
    crossed = [
        client.chat_appendStream(channel="C1", ts=text, chunks=[MarkdownTextChunk(text="b")]),
        client.chat_appendStream(channel="C1", ts=chunks, markdown_text="b"),
        client.chat_stopStream(channel="C1", ts=chunks, markdown_text="b"),
    ]
    for call in crossed:
        assert (await refusal(call))["error"] == "streaming_mode_mismatch"
    nothing = await refusal(client.chat_appendStream(channel="C1", ts=text))
    assert nothing["error"] == "markdown_text_or_chunks_required"


async def test_all_chunks_together_have_a_limit(client: AsyncWebClient, where: dict[str, Any]) -> None:
    ts = (await client.chat_startStream(**where, markdown_text="x" * 12_000))["ts"]
    too_much = await refusal(client.chat_appendStream(channel="C1", ts=ts, markdown_text="x" * 1_201))
    assert too_much["error"] == "msg_blocks_too_long"


@pytest.mark.parametrize("ending", ["stop", "time", "person"])
async def test_an_ended_stream_takes_nothing_more_but_can_be_edited(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient, where: dict[str, Any], ending: str
) -> None:
    ts = (await client.chat_startStream(**where, markdown_text="half"))["ts"]
    assert (await refusal(client.chat_update(channel="C1", ts=ts, text="x")))["error"] == "streaming_state_conflict"
    if ending == "stop":
        await client.chat_stopStream(channel="C1", ts=ts)
    else:
        slack.world.end_stream(team.channels["C1"], ts, by_user=ending == "person")
    ended = "stopped_by_user" if ending == "person" else "message_not_in_streaming_state"
    assert (await refusal(client.chat_appendStream(channel="C1", ts=ts, markdown_text="x")))["error"] == ended
    assert (await refusal(client.chat_stopStream(channel="C1", ts=ts)))["error"] == ended
    await client.chat_update(channel="C1", ts=ts, markdown_text="the whole")
    [message] = slack.bot_messages("C1")
    assert message["text"] == "the whole"


async def test_only_streams_of_ones_own_are_appended_to(
    slack: SlackDouble, team: Workspace, client: AsyncWebClient, where: dict[str, Any]
) -> None:
    posted = (await client.chat_postMessage(channel="C1", text="whole"))["ts"]
    expected = {
        posted: "message_not_in_streaming_state",
        where["thread_ts"]: "message_not_owned_by_app",
        "1.000001": "message_not_found",
    }
    for ts, error in expected.items():
        assert (await refusal(client.chat_appendStream(channel="C1", ts=ts, markdown_text="x")))["error"] == error


@pytest.mark.parametrize("accepted", [False, True])
async def test_an_append_that_is_cut_off_was_made_or_was_not(
    slack: SlackDouble, client: AsyncWebClient, where: dict[str, Any], accepted: bool
) -> None:
    ts = (await client.chat_startStream(**where, markdown_text="a"))["ts"]
    slack.drop_next("chat.appendStream", accepted=accepted)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_appendStream(channel="C1", ts=ts, markdown_text="b")
    assert slack.world.streams[ts].text == ("ab" if accepted else "a")
