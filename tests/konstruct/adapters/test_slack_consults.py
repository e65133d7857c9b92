"""What a colleague is asked in Slack: whoever is asked is called and nobody else, and what strangers wrote is shown."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given, settings

from konstruct.adapters import slack_handoffs
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom, consult_blocks
from konstruct.desk_ports import ConsultCard, Deskroom
from konstruct.errors import ChannelRefused, SendUncertain
from konstruct.ports import ChannelAccount
from tests.konstruct.adapters.slack_place import SCOPES, account_of
from tests.konstruct.adapters.test_slack_cards import HOSTILE, anything, buttons, parts
from tests.konstruct.adapters.test_slack_handoffs import MENTION, shown
from tests.support.slack_double import SlackDouble
from tests.support.slack_double.rules import check_content

CARD = ConsultCard(
    consult_id=UUID("0190a000-0000-7000-8000-000000000001"),
    employee="Ada",
    colleague="Ben Okoro",
    question="May A-17 be refunded?",
    expires_at=datetime(2026, 11, 26, 12, tzinfo=UTC),
    ring=("U1",),
)


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        double.world.add_workspace(scopes=SCOPES).add_channel("C1")
        yield double


@pytest.fixture
def account(slack: SlackDouble) -> ChannelAccount:
    [workspace] = slack.world.workspaces.values()
    return account_of(workspace)


@pytest.fixture
async def deskroom(slack: SlackDouble) -> AsyncIterator[Deskroom]:
    async with open_session() as session:
        yield SlackDeskroom(session, slack.api_url, time_limit=timedelta(seconds=1))


def test_it_says_who_asks_whom_what_and_until_when() -> None:
    blocks = consult_blocks(CARD)
    [header] = parts(blocks, "header")
    assert header["text"]["text"] == "A question for Ben Okoro"
    [quote] = parts(blocks, "rich_text_quote")
    assert [element["text"] for element in quote["elements"]] == [CARD.question]
    [until] = parts(blocks, "date")
    assert until["timestamp"] == int(CARD.expires_at.timestamp())
    assert "Ada (AI)\n asks:" in shown(blocks)
    assert buttons(blocks) == {}


def test_once_it_is_over_it_asks_for_nothing() -> None:
    blocks = consult_blocks(replace(CARD, ring=(), outcome="Ben Okoro answered."))
    assert "Ben Okoro answered." in shown(blocks)
    assert "Answer in this thread" not in shown(blocks)
    assert (list(parts(blocks, "date")), list(parts(blocks, "user"))) == ([], [])
    erased = consult_blocks(replace(CARD, employee="", question="", ring=(), outcome="Erased."))
    assert list(parts(erased, "rich_text_quote")) == []


def test_it_calls_whoever_is_asked_and_nobody_else() -> None:
    hostile = replace(
        CARD, employee=HOSTILE, colleague=HOSTILE, question=HOSTILE, ring=("U1", "<!here>"), outcome=HOSTILE
    )
    message = slack_handoffs._consult(hostile, slack_handoffs.SIZE)
    blocks = message["blocks"]
    assert [part["user_id"] for part in parts(blocks, "user")] == ["U1"]
    assert list(parts(blocks, "mrkdwn")) == []
    assert MENTION.findall(message["text"]) == ["<@"]
    assert not MENTION.search(shown(blocks))
    assert "\u202e" not in shown(blocks)
    kinds = {part["type"] for quote in parts(blocks, "rich_text_quote") for part in quote["elements"]}
    assert kinds == {"text"}


def test_whom_no_id_is_known_of_is_called_by_name_alone() -> None:
    check_content(slack_handoffs._consult(replace(CARD, ring=("nobody",)), slack_handoffs.SIZE))


@settings(deadline=None)
@given(anything, anything)
@example("&" * 9_000, "<" * 9_000)
@example("", "\n \u200b")
def test_whatever_is_asked_slack_takes_it(one: str, other: str) -> None:
    for outcome in ("", one):
        card = replace(CARD, employee=one, colleague=other, question=other, outcome=outcome)
        check_content(slack_handoffs._consult(card, slack_handoffs.SIZE))


async def test_it_is_posted_found_and_renewed_in_place(
    slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount
) -> None:
    before = datetime.now(UTC)
    ts = await deskroom.show_consult(account, "C1", CARD)
    [call] = slack.calls_of("chat.postMessage")
    assert call.args["text"] == "<@U1> Ada asks Ben Okoro: May A-17 be refunded?"
    assert (call.args["unfurl_links"], call.args["unfurl_media"]) == (False, False)
    for _ in range(2):
        await deskroom.renew_consult(account, "C1", ts, replace(CARD, ring=(), outcome="Ben Okoro answered."))
    [renewed] = slack.bot_messages("C1")
    assert (renewed["ts"], renewed["text"]) == (ts, "Ada asks Ben Okoro: Ben Okoro answered.")
    assert await deskroom.find_consult(account, "C1", CARD, before) == ts
    assert await deskroom.find_consult(account, "C1", replace(CARD, consult_id=uuid4()), before) is None


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_uncertain_post_is_found_if_it_happened(
    slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, accepted: bool
) -> None:
    before = datetime.now(UTC)
    slack.drop_next("chat.postMessage", accepted=accepted)
    with pytest.raises(SendUncertain):
        await deskroom.show_consult(account, "C1", CARD)
    found = await deskroom.find_consult(account, "C1", CARD, before)
    posted = [message["ts"] for message in slack.bot_messages("C1")]
    assert (posted, len(posted)) == ([found] if found else [], int(accepted))


async def test_where_it_cannot_be_asked_that_is_said(deskroom: Deskroom, account: ChannelAccount) -> None:
    with pytest.raises(ChannelRefused, match="gone, or the app was never in it"):
        await deskroom.show_consult(account, "C404", CARD)
