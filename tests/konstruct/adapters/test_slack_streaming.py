"""Streamed replies against a Slack that checks modes, recipients and states, and against calls that fail or hang."""

from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest

from konstruct.adapters.slack import SlackMessenger
from konstruct.adapters.slack_streaming import SlackStreamer
from konstruct.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    SendUncertain,
    StreamEnded,
    StreamingUnsupported,
)
from konstruct.ports import ChannelAccount, Thread
from konstruct.streaming import StreamedTask, Streamer
from tests.konstruct.adapters.slack_place import account_of, outgoing
from tests.support.slack_double import SlackDouble, Workspace


@pytest.fixture
def streamer(session: aiohttp.ClientSession, slack: SlackDouble) -> SlackStreamer:
    return SlackStreamer(session, slack.api_url)


async def test_a_reply_grows_in_its_thread_under_the_employees_name_and_is_found_at_its_end(
    slack: SlackDouble, streamer: Streamer, messenger: SlackMessenger, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing("Hello ")
    ts = await streamer.begin(account, thread, message)
    await streamer.append(account, thread, ts, "**you**")
    [shown] = slack.bot_messages("C1", thread_ts=thread.root)
    assert (shown["ts"], shown["text"], shown["username"]) == (ts, "Hello **you**", "Ada · Support")
    assert shown["streaming_state"] == "in_progress"
    assert await messenger.find(account, thread, message) is None
    await streamer.end(account, thread, ts, message.message_id)
    assert shown["streaming_state"] == "completed"
    assert await messenger.find(account, thread, message) == ts
    assert slack.world.streams[ts].pieces == ["Hello ", "**you**"]


async def test_a_tool_is_a_card_that_changes_its_state(
    slack: SlackDouble, streamer: Streamer, account: ChannelAccount, thread: Thread
) -> None:
    ts = await streamer.begin(account, thread, outgoing())
    await streamer.show_task(account, thread, ts, StreamedTask("1", "search_orders", "in_progress"))
    await streamer.show_task(account, thread, ts, StreamedTask("2", "<!here>" * 100, "error"))
    await streamer.append(account, thread, ts, " and more")
    await streamer.show_task(account, thread, ts, StreamedTask("1", "search_orders", "complete"))
    one, two = slack.world.streams[ts].tasks.values()
    assert (one["title"], one["status"]) == ("search_orders", "complete")
    assert two["status"] == "error"
    assert "<!" not in two["title"]


async def test_without_the_scope_for_names_the_name_stands_in_the_text_and_one_call_is_lost(
    slack: SlackDouble, streamer: Streamer, thread: Thread, workspace: Workspace
) -> None:
    workspace.scopes -= {"chat:write.customize"}
    account = account_of(workspace)
    first = await streamer.begin(account, thread, outgoing())
    second = await streamer.begin(account, thread, outgoing())
    await streamer.end(account, thread, second, outgoing().message_id)
    await streamer.replace(account, thread, second, outgoing("Again"))
    assert slack.world.streams[first].text == "**Ada · Support**\n\nHello **you**"
    assert slack.bot_messages("C1")[1]["blocks"][0]["text"] == "**Ada · Support**\n\nAgain"
    assert len(slack.calls_of("chat.startStream")) == 3


@pytest.mark.parametrize("code", ["unknown_method", "feature_not_enabled", "channel_type_not_supported", "not_paid"])
async def test_where_nothing_is_streamed_the_caller_is_told_and_nothing_is_sent(
    slack: SlackDouble, streamer: Streamer, workspace: Workspace, thread: Thread, code: str
) -> None:
    workspace.refuses_streams = code
    account = account_of(workspace)
    for _ in range(2):
        with pytest.raises(StreamingUnsupported):
            await streamer.begin(account, thread, outgoing())
    assert slack.bot_messages("C1") == []
    # What the whole workspace lacks is asked for once; what may be about this channel or person, each time.
    assert len(slack.calls_of("chat.startStream")) == (1 if code in {"unknown_method", "feature_not_enabled"} else 2)


async def test_a_person_of_no_workspace_of_ours_is_not_streamed_to(
    streamer: Streamer, workspace: Workspace, thread: Thread
) -> None:
    account = account_of(workspace)
    workspace.team_id = "T9"
    with pytest.raises(StreamingUnsupported, match="team_not_found"):
        await streamer.begin(account, thread, outgoing())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("is_archived", ChannelRefused),
        ("missing_scope", ChannelRefused),
        ("token_revoked", ConnectionDead),
        ("ratelimited", ChannelRateLimited),
        ("internal_error", SendUncertain),
        ("team_added_to_org", ChannelUnavailable),
    ],
)
async def test_other_refusals_of_a_beginning_mean_what_they_mean_everywhere(
    slack: SlackDouble,
    streamer: Streamer,
    account: ChannelAccount,
    thread: Thread,
    error: str,
    expected: type[ChannelError],
) -> None:
    slack.fail_next("chat.startStream", error=error)
    slack.fail_next("chat.startStream", error=error)
    with pytest.raises(ChannelError) as failure:
        await streamer.begin(account, thread, outgoing())
    assert type(failure.value) is expected


@pytest.mark.parametrize("by_user", [False, True])
async def test_an_ended_stream_says_so_and_is_replaced_whole(
    slack: SlackDouble,
    streamer: Streamer,
    messenger: SlackMessenger,
    workspace: Workspace,
    account: ChannelAccount,
    thread: Thread,
    by_user: bool,
) -> None:
    message = outgoing("Half a ")
    ts = await streamer.begin(account, thread, message)
    slack.world.end_stream(workspace.channels["C1"], ts, by_user=by_user)
    late = [
        streamer.append(account, thread, ts, "sentence"),
        streamer.show_task(account, thread, ts, StreamedTask("1", "search", "complete")),
        streamer.end(account, thread, ts, message.message_id),
    ]
    for call in late:
        with pytest.raises(StreamEnded) as ended:
            await call
        assert ended.value.code == ("stopped_by_user" if by_user else "message_not_in_streaming_state")
    for _ in range(2):
        await streamer.replace(account, thread, ts, replace(message, text="A whole **sentence**."))
    [shown] = slack.bot_messages("C1", thread_ts=thread.root)
    assert shown["blocks"] == [{"type": "markdown", "text": "A whole **sentence**."}]
    assert shown["text"] == "A whole sentence."
    assert await messenger.find(account, thread, message) == ts


async def test_a_stream_that_its_author_left_open_is_ended_before_it_is_replaced(
    slack: SlackDouble, streamer: Streamer, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing("Half a ")
    ts = await streamer.begin(account, thread, message)
    await streamer.replace(account, thread, ts, replace(message, text="Whole."))
    [shown] = slack.bot_messages("C1", thread_ts=thread.root)
    assert (shown["text"], shown["streaming_state"]) == ("Whole.", "completed")


async def test_where_no_block_may_follow_a_stream_it_is_replaced_as_text(
    slack: SlackDouble, streamer: Streamer, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing("Half a ")
    ts = await streamer.begin(account, thread, message)
    await streamer.end(account, thread, ts, message.message_id)
    slack.fail_next("chat.update", error="block_mismatch")
    await streamer.replace(account, thread, ts, replace(message, text="A whole **sentence**."))
    [shown] = slack.bot_messages("C1", thread_ts=thread.root)
    assert shown["text"] == "A whole **sentence**."


async def test_a_message_that_is_gone_cannot_be_replaced(
    streamer: Streamer, account: ChannelAccount, thread: Thread
) -> None:
    with pytest.raises(ChannelRefused) as refusal:
        await streamer.replace(account, thread, "1.000001", outgoing())
    assert refusal.value.code == "message_not_found"


@pytest.mark.parametrize("accepted", [False, True])
async def test_an_append_that_is_cut_off_or_hangs_is_uncertain_and_is_not_made_again(
    slack: SlackDouble, session: aiohttp.ClientSession, account: ChannelAccount, thread: Thread, accepted: bool
) -> None:
    streamer = SlackStreamer(session, slack.api_url, time_limit=timedelta(seconds=0.3))
    ts = await streamer.begin(account, thread, outgoing("a"))
    slack.drop_next("chat.appendStream", accepted=accepted)
    with pytest.raises(SendUncertain):
        await streamer.append(account, thread, ts, "b")
    released = slack.hold_next("chat.appendStream", accepted=accepted)
    with pytest.raises(SendUncertain, match="in time"):
        await streamer.append(account, thread, ts, "c")
    assert slack.world.streams[ts].text == ("abc" if accepted else "a")
    assert len(slack.calls_of("chat.appendStream")) == 2
    released.set()


async def test_a_connection_without_a_token_is_dead(
    streamer: Streamer, account: ChannelAccount, thread: Thread
) -> None:
    account.secrets.clear()
    with pytest.raises(ConnectionDead):
        await streamer.begin(account, thread, outgoing())


async def test_a_reply_may_begin_with_its_cards_alone(
    slack: SlackDouble, streamer: Streamer, account: ChannelAccount, thread: Thread
) -> None:
    ts = await streamer.begin(account, thread, outgoing(""), [StreamedTask("0.0", "search_orders", "in_progress")])
    await streamer.append(account, thread, ts, "Found.")
    assert [chunk["type"] for _, chunk in slack.world.streams[ts].chunks] == ["task_update", "markdown_text"]


async def test_what_was_begun_and_not_ended_is_found_by_what_it_does_not_carry(
    streamer: Streamer, messenger: SlackMessenger, account: ChannelAccount, thread: Thread
) -> None:
    since = outgoing().created_at
    assert await streamer.find_begun(account, thread, since, ()) is None
    await messenger.send(account, thread, outgoing("A notice."))
    ended = outgoing("Ended.")
    await streamer.end(account, thread, await streamer.begin(account, thread, ended), ended.message_id)
    assert await streamer.find_begun(account, thread, since, ()) is None
    first, second = [await streamer.begin(account, thread, outgoing(text)) for text in ("One", "Two")]
    assert await streamer.find_begun(account, thread, since, ()) == first
    assert await streamer.find_begun(account, thread, since, {first}) == second
    assert await streamer.find_begun(account, thread, since, {first, second}) is None
