"""Files from Slack: with the token and to Slack's hosts alone, and never a page to sign in at instead."""

import json
from datetime import timedelta

import aiohttp
import pytest

from konstruct.adapters.slack_files import SlackFiles
from konstruct.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable
from konstruct.ports import ChannelAccount
from tests.support.slack_double import Handing, HostedFile, SlackDouble, Workspace

CONTENT = b"%PDF-" + b"canary " * 30_000
MOST = 1_000_000


@pytest.fixture
def files(session: aiohttp.ClientSession, slack: SlackDouble) -> SlackFiles:
    return SlackFiles(session, slack.api_url)


@pytest.fixture
def file(workspace: Workspace) -> HostedFile:
    return workspace.files.setdefault("F1", HostedFile("F1", "bill.pdf", "application/pdf", CONTENT))


def at(url: str) -> str:
    return json.dumps({"id": "F1", "url": url})


async def fetched(files: SlackFiles, account: ChannelAccount, reference: str, most: int = MOST) -> bytes:
    return b"".join([piece async for piece in files.fetch(account, reference, most_bytes=most)])


async def test_a_file_is_fetched_with_the_bots_token(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, workspace: Workspace, file: HostedFile
) -> None:
    assert await fetched(files, account, at(f"{slack.url}/files/F1")) == CONTENT
    assert slack.files.asked == [("F1", workspace.bot_token)]


async def test_the_token_goes_along_when_slack_sends_on_to_another_of_its_addresses(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, workspace: Workspace, file: HostedFile
) -> None:
    slack.files.next("F0", Handing(redirect=f"{slack.url}/files/F1"))
    assert await fetched(files, account, at(f"{slack.url}/files/F0")) == CONTENT
    assert slack.files.asked == [("F0", workspace.bot_token), ("F1", workspace.bot_token)]


@pytest.mark.parametrize(
    "url",
    [
        "https://attacker.example/F1",
        "http://files.slack.com/F1",
        "https://slack.com.attacker.example/F1",
        "https://notslack.com/F1",
        "https://files.slack.com@attacker.example/F1",
        "https://files.slack.com:8443/F1",
        "https://someone@files.slack.com/F1",
        "http://127.0.0.1:1/files/F1",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("is_redirect", [False, True])
async def test_nobody_else_is_asked(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, url: str, is_redirect: bool
) -> None:
    slack.files.next("F0", Handing(redirect=url))
    reference = at(f"{slack.url}/files/F0") if is_redirect else at(url)
    with pytest.raises(ChannelRefused, match="outside of Slack"):
        await fetched(files, account, reference)


async def test_redirects_without_end_are_not_followed(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount
) -> None:
    for _ in range(10):
        slack.files.next("F0", Handing(redirect=f"{slack.url}/files/F0"))
    with pytest.raises(ChannelRefused, match="one address to the next"):
        await fetched(files, account, at(f"{slack.url}/files/F0"))


async def test_a_page_to_sign_in_at_is_no_file(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, workspace: Workspace, file: HostedFile
) -> None:
    workspace.scopes -= {"files:read"}
    with pytest.raises(ChannelRefused, match="files:read"):
        await fetched(files, account, at(f"{slack.url}/files/F1"))


async def test_a_web_page_that_somebody_sent_is_a_file(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, workspace: Workspace
) -> None:
    workspace.files["F2"] = HostedFile("F2", "page.html", "text/html", b"<html>canary</html>")
    assert await fetched(files, account, at(f"{slack.url}/files/F2")) == b"<html>canary</html>"


@pytest.mark.parametrize("says_length", [True, False])
async def test_what_is_too_long_is_not_taken_in(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, file: HostedFile, says_length: bool
) -> None:
    if not says_length:
        slack.files.next("F1", Handing(is_chunked=True))
    with pytest.raises(ChannelRefused, match="larger than 0 MB") as refused:
        await fetched(files, account, at(f"{slack.url}/files/F1"), most=100_000)
    assert refused.value.code == "too_big"


async def test_a_file_of_another_workspace_is_asked_for(
    files: SlackFiles, account: ChannelAccount, file: HostedFile
) -> None:
    assert await fetched(files, account, json.dumps({"id": "F1"})) == CONTENT


async def test_a_file_that_is_gone_is_refused(files: SlackFiles, slack: SlackDouble, account: ChannelAccount) -> None:
    with pytest.raises(ChannelRefused, match="404"):
        await fetched(files, account, at(f"{slack.url}/files/F9"))
    with pytest.raises(ChannelRefused, match="file_not_found"):
        await fetched(files, account, json.dumps({"id": "F9"}))


async def test_trouble_that_passes_is_told_apart(
    files: SlackFiles, slack: SlackDouble, account: ChannelAccount, file: HostedFile
) -> None:
    slack.files.next("F1", Handing(status=503))
    with pytest.raises(ChannelUnavailable):
        await fetched(files, account, at(f"{slack.url}/files/F1"))
    slack.files.next("F1", Handing(status=429, headers={"Retry-After": "7"}))
    with pytest.raises(ChannelRateLimited) as limited:
        await fetched(files, account, at(f"{slack.url}/files/F1"))
    assert limited.value.retry_after == timedelta(seconds=7)
    slack.files.next("F1", Handing(stops_after=1_000, is_dropped=True))
    with pytest.raises(ChannelUnavailable):
        await fetched(files, account, at(f"{slack.url}/files/F1"))
