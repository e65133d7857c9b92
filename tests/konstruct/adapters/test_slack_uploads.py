"""Files on their way to Slack: shared in their thread once, and found again when nobody knows."""

from dataclasses import replace

import pytest

from konstruct.adapters.slack import SlackMessenger
from konstruct.errors import ChannelRefused, ChannelUnavailable, SendUncertain
from konstruct.ports import ChannelAccount, Outgoing, OutgoingFile, Thread
from tests.konstruct.adapters.slack_place import outgoing
from tests.support.slack_double import Handing, SlackDouble, Workspace

CONTENT = b"%PDF-" + b"terms " * 10_000


@pytest.fixture
def message() -> Outgoing:
    file = OutgoingFile("terms.pdf", "application/pdf", CONTENT)
    return replace(outgoing("Here are <!channel> our **terms** & more."), file=file)


async def test_a_file_is_shared_in_its_thread_with_the_text(
    slack: SlackDouble,
    messenger: SlackMessenger,
    account: ChannelAccount,
    thread: Thread,
    workspace: Workspace,
    message: Outgoing,
) -> None:
    file_id = await messenger.send(account, thread, message)
    [said] = slack.bot_messages("C1", thread_ts=thread.root)
    assert [file["id"] for file in said["files"]] == [file_id]
    assert said["text"].startswith("*Ada · Support*\n\nHere are ")
    assert "<!channel>" not in said["text"]
    assert said["text"].endswith("our *terms* &amp; more.")
    kept = workspace.files[file_id]
    assert (kept.name, kept.mimetype, kept.content) == ("terms.pdf", "application/pdf", CONTENT)


async def test_one_whose_send_was_uncertain_is_found_and_one_that_was_not_sent_is_not(
    slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount, thread: Thread, message: Outgoing
) -> None:
    assert await messenger.find(account, thread, message) is None
    slack.drop_next("files.completeUploadExternal", accepted=True)
    with pytest.raises(SendUncertain):
        await messenger.send(account, thread, message)
    [said] = slack.bot_messages("C1", thread_ts=thread.root)
    assert await messenger.find(account, thread, message) == said["files"][0]["id"]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "upload"])
async def test_what_fails_before_it_is_shared_was_certainly_not_sent(
    slack: SlackDouble,
    messenger: SlackMessenger,
    account: ChannelAccount,
    thread: Thread,
    message: Outgoing,
    method: str,
) -> None:
    if method == "upload":
        slack.files.next("upload", Handing(status=500))
    else:
        slack.drop_next(method)
    with pytest.raises(ChannelUnavailable):
        await messenger.send(account, thread, message)
    assert slack.bot_messages("C1") == []


async def test_without_the_permission_it_is_refused(
    messenger: SlackMessenger, account: ChannelAccount, thread: Thread, workspace: Workspace, message: Outgoing
) -> None:
    workspace.scopes -= {"files:write"}
    with pytest.raises(ChannelRefused, match="Needed: files:write"):
        await messenger.send(account, thread, message)
