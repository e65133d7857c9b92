"""The Slack messenger against a Slack that checks scopes, limits and arguments, and against broken answers."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from konstruct.adapters.slack import Prompt, SlackMessenger
from konstruct.embedded.loopback import free_port
from konstruct.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    SendUncertain,
)
from konstruct.ports import Button, ChannelAccount, Messenger, Thread
from tests.konstruct.adapters.slack_place import account_of, outgoing, said, thread_in
from tests.support.http import serve
from tests.support.slack_double import SlackDouble, Workspace


async def test_a_reply_goes_to_its_thread_under_the_employees_name(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing()
    ts = await messenger.send(account, thread, message)
    [posted] = slack.bot_messages("C1", thread_ts=thread.root)
    assert posted["ts"] == ts
    assert posted["username"] == "Ada · Support"
    assert posted["text"] == "Hello you"
    assert posted["blocks"] == [{"type": "markdown", "text": "Hello **you**"}]
    assert posted["metadata"]["event_payload"] == {"id": str(message.message_id)}
    [call] = slack.calls_of("chat.postMessage")
    assert (call.args["unfurl_links"], call.args["unfurl_media"]) == (False, False)


async def test_of_buttons_those_that_rate_are_shown(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    buttons = (Button("person", "Talk to a person"), Button("rating:x:4", "4 ★★★★"), Button("rating:x:5", "5 ★★★★★"))
    await messenger.send(account, thread, replace(outgoing(), buttons=buttons))
    await messenger.send(account, thread, replace(outgoing(), buttons=buttons[:1]))
    rated, plain = slack.bot_messages("C1", thread_ts=thread.root)
    [_, actions] = rated["blocks"]
    shown = [(each["text"]["text"], each["action_id"], each["value"]) for each in actions["elements"]]
    assert shown == [("4 ★★★★", "rating:4", "rating:x:4"), ("5 ★★★★★", "rating:5", "rating:x:5")]
    assert [block["type"] for block in plain["blocks"]] == ["markdown"]


async def test_every_part_of_a_long_answer_is_within_slacks_limits(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    headings = "".join(f"## Point {number}\n\nIt is so & not <otherwise>.\n\n" for number in range(300))
    code = "```python\n" + "if a < b & c > d: pass  # why\n" * 1000 + "```\n\n"
    parts = messenger.split(headings + code + "A sentence. " * 2000)
    for part in parts:
        await messenger.send(account, thread, outgoing(part))
    assert len(slack.bot_messages("C1", thread_ts=thread.root)) == len(parts) > 5


async def test_without_the_scope_for_names_the_name_stands_in_the_text_and_one_call_is_lost(
    slack: SlackDouble, messenger: Messenger, thread: Thread, workspace: Workspace
) -> None:
    workspace.scopes -= {"chat:write.customize"}
    account = account_of(workspace)
    await messenger.send(account, thread, outgoing())
    await messenger.send(account, thread, outgoing())
    texts = [posted["blocks"][0]["text"] for posted in slack.bot_messages("C1", thread_ts=thread.root)]
    assert texts == ["**Ada · Support**\n\nHello **you**"] * 2
    assert len(slack.calls_of("chat.postMessage")) == 3


async def test_without_any_scope_to_write_the_operator_is_told_which(
    messenger: Messenger, thread: Thread, workspace: Workspace
) -> None:
    workspace.scopes -= {"chat:write", "chat:write.customize"}
    with pytest.raises(ChannelRefused, match="Needed: chat:write") as refusal:
        await messenger.send(account_of(workspace), thread, outgoing())
    assert refusal.value.code == "missing_scope"


async def test_a_workspace_that_refuses_markdown_blocks_gets_sections(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    slack.fail_next("chat.postMessage", error="invalid_blocks")
    await messenger.send(account, thread, outgoing("**Hi** <3 " * 500))
    [posted] = slack.bot_messages("C1", thread_ts=thread.root)
    assert {block["type"] for block in posted["blocks"]} == {"section"}
    assert posted["blocks"][0]["text"]["text"].startswith("*Hi* &lt;3")


async def test_a_reply_to_a_deleted_message_is_taken_back_and_refused(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, workspace: Workspace
) -> None:
    slack.world.delete(workspace.channels["C1"], thread.root)
    with pytest.raises(ChannelRefused) as refusal:
        await messenger.send(account, thread, outgoing())
    assert refusal.value.code == "thread_not_found"
    [stray] = slack.calls_of("chat.postMessage")
    [deletion] = slack.calls_of("chat.delete")
    assert stray.answer is not None
    assert deletion.args == {"channel": "C1", "ts": stray.answer["ts"]}


async def test_a_reply_to_a_thread_whose_root_is_a_tombstone_is_sent(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, workspace: Workspace
) -> None:
    await messenger.send(account, thread, outgoing())
    slack.world.delete(workspace.channels["C1"], thread.root)
    await messenger.send(account, thread, outgoing())
    assert len(slack.bot_messages("C1", thread_ts=thread.root)) == 2


async def test_an_archived_channel_is_refused(
    messenger: Messenger, account: ChannelAccount, thread: Thread, workspace: Workspace
) -> None:
    workspace.channels["C1"].is_archived = True
    with pytest.raises(ChannelRefused, match="archived") as refusal:
        await messenger.send(account, thread, outgoing())
    assert refusal.value.code == "is_archived"


async def test_a_revoked_token_means_a_dead_connection(
    messenger: Messenger, account: ChannelAccount, thread: Thread, workspace: Workspace
) -> None:
    workspace.token_state = "token_revoked"
    with pytest.raises(ConnectionDead) as death:
        await messenger.send(account, thread, outgoing())
    assert death.value.code == "token_revoked"
    assert workspace.bot_token not in str(death.value)


async def test_a_connection_without_a_token_is_dead(
    messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    account.secrets.clear()
    with pytest.raises(ConnectionDead):
        await messenger.send(account, thread, outgoing())


async def test_too_many_calls_say_when_to_come_again_and_are_not_repeated(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    slack.fail_next("chat.postMessage", error="ratelimited", retry_after=17)
    with pytest.raises(ChannelRateLimited) as limit:
        await messenger.send(account, thread, outgoing())
    assert limit.value.retry_after == timedelta(seconds=17)
    assert len(slack.calls_of("chat.postMessage")) == 1


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("failure", ["reset", "server error", "internal_error", "hang"])
async def test_an_uncertain_send_is_found_if_it_happened(
    slack: SlackDouble,
    session: aiohttp.ClientSession,
    account: ChannelAccount,
    thread: Thread,
    failure: str,
    accepted: bool,
) -> None:
    messenger = SlackMessenger(session, slack.api_url, time_limit=timedelta(seconds=1))
    message = outgoing()
    if failure == "reset":
        slack.drop_next("chat.postMessage", accepted=accepted)
    elif failure == "server error":
        slack.fail_next("chat.postMessage", status=503, accepted=accepted)
    elif failure == "internal_error":
        slack.fail_next("chat.postMessage", error="internal_error", accepted=accepted)
    else:
        slack.hold_next("chat.postMessage", accepted=accepted)
    with pytest.raises(SendUncertain):
        await messenger.send(account, thread, message)
    found = await messenger.find(account, thread, message)
    posted = slack.bot_messages("C1", thread_ts=thread.root)
    assert ([found] if found else []) == [reply["ts"] for reply in posted]
    assert bool(found) is accepted


async def test_a_message_is_found_behind_many_others_and_not_taken_for_another(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, workspace: Workspace
) -> None:
    message = outgoing()
    for _ in range(40):
        said(slack, workspace, workspace.channels["C1"], thread_ts=thread.root)
    await messenger.send(account, thread, outgoing(message.text))
    ts = await messenger.send(account, thread, message)
    assert await messenger.find(account, thread, message) == ts
    assert await messenger.find(account, thread, outgoing()) is None
    assert len(slack.calls_of("conversations.replies")) > 3


async def test_a_message_is_found_in_a_direct_message(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, workspace: Workspace
) -> None:
    thread, message = thread_in(slack, workspace, workspace.dm_with("U1")), outgoing()
    ts = await messenger.send(account, thread, message)
    assert await messenger.find(account, thread, message) == ts


async def test_what_cannot_be_looked_up_now_is_looked_up_later(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    slack.fail_next("conversations.replies", error="ratelimited", retry_after=60)
    with pytest.raises(ChannelRateLimited) as limit:
        await messenger.find(account, thread, outgoing())
    assert limit.value.retry_after == timedelta(seconds=60)
    slack.drop_next("conversations.replies")
    slack.drop_next("conversations.replies")  # One for the retry that aiohttp makes of a GET by itself.
    with pytest.raises(ChannelUnavailable):
        await messenger.find(account, thread, outgoing())


async def test_a_request_that_never_left_certainly_was_not_sent(
    session: aiohttp.ClientSession, account: ChannelAccount, thread: Thread
) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/api/", "http://nowhere.invalid/api/", "not an address"):
        with pytest.raises(ChannelUnavailable, match="cannot be reached"):
            await SlackMessenger(session, url).send(account, thread, outgoing())


async def test_thinking_shows_a_status_and_a_stop_button_until_it_is_over(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    place = (thread.channel, thread.root)
    await messenger.show_thinking(account, thread)
    assert slack.world.statuses[place] == "is thinking…"
    assert slack.world.sessions[place]["status"] == "processing"
    await messenger.show_idle(account, thread)
    assert place not in slack.world.statuses
    assert slack.world.sessions[place]["status"] == "active"


async def test_what_only_decorates_never_fails(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, workspace: Workspace
) -> None:
    slack.drop_next("agents.sessions.setStatus")
    slack.fail_next("assistant.threads.setStatus", status=500)
    await messenger.show_thinking(account, thread)
    workspace.token_state = "token_revoked"
    await messenger.show_thinking(account, thread)
    account.secrets.clear()
    await messenger.show_idle(account, thread)


async def test_a_decoration_that_hangs_is_left(
    slack: SlackDouble, session: aiohttp.ClientSession, account: ChannelAccount, thread: Thread
) -> None:
    messenger = SlackMessenger(session, slack.api_url, cosmetic_time_limit=timedelta(seconds=0.2))
    slack.hold_next("assistant.threads.setStatus")
    async with asyncio.timeout(5):
        await messenger.show_thinking(account, thread)
    assert slack.world.sessions[thread.channel, thread.root]["status"] == "processing"


async def test_a_method_that_a_workspace_lacks_is_asked_for_once(
    slack: SlackDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    slack.fail_next("agents.sessions.setStatus", error="unknown_method")
    await messenger.show_thinking(account, thread)
    await messenger.show_thinking(account, thread)
    assert len(slack.calls_of("agents.sessions.setStatus")) == 1
    assert len(slack.calls_of("assistant.threads.setStatus")) == 2


async def test_prompts_are_suggested_in_the_direct_message(
    slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount, workspace: Workspace
) -> None:
    dm = workspace.dm_with("U1")
    await messenger.suggest_prompts(account, dm.id, [Prompt(f"Title {n}", f"Message {n}") for n in range(6)])
    assert slack.world.prompts[dm.id] == [{"title": f"Title {n}", "message": f"Message {n}"} for n in range(4)]


Answer = Callable[[], web.Response]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.Response(text="<html>login</html>", content_type="text/html"), SendUncertain),
        (lambda: web.Response(text="ok", content_type="text/plain"), SendUncertain),
        (lambda: web.Response(text="bad gateway", status=502), SendUncertain),
        (lambda: web.Response(text='{"ok": tr', content_type="application/json"), SendUncertain),
        (lambda: web.Response(body=b"\xff\xfe", content_type="application/json", charset="utf-8"), SendUncertain),
        (lambda: web.json_response([1]), SendUncertain),
        (lambda: web.json_response({"ok": True}), SendUncertain),
        (lambda: web.json_response({"ok": False}), SendUncertain),
        (lambda: web.json_response({"ok": False, "error": "unheard_of"}, status=500), SendUncertain),
        (lambda: web.Response(text="forbidden", status=403), ChannelUnavailable),
        (lambda: web.Response(text="slow down", status=429), ChannelRateLimited),
        (lambda: web.json_response({"ok": False, "error": "brand_new_reason"}), ChannelRefused),
    ],
)
async def test_an_answer_that_is_not_slacks_own_is_a_channel_error(
    session: aiohttp.ClientSession, account: ChannelAccount, thread: Thread, answer: Answer, error: type[ChannelError]
) -> None:
    async with serve(always(answer)) as url:
        with pytest.raises(error):
            await SlackMessenger(session, url).send(account, thread, outgoing())


async def test_what_is_said_is_not_logged(
    messenger: Messenger, account: ChannelAccount, thread: Thread, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await messenger.send(account, thread, outgoing("a confidence"))
    assert "confidence" not in caplog.text


def always(answer: Answer) -> web.Application:
    """Answers every call alike."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return answer()

    app = web.Application()
    app.add_routes([web.route("*", "/{any:.*}", handle)])
    return app
