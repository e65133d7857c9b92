"""Approvals as cards: whole or not to be approved, verbatim, and within what Slack takes."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.adapters import slack_cards
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.errors import ChannelRefused, ChannelUnavailable, SendUncertain
from konstruct.ports import ApprovalCard, ChannelAccount
from konstruct.visible import visible
from tests.konstruct.adapters.slack_place import SCOPES, account_of
from tests.support.slack_double import Json, SlackDouble
from tests.support.slack_double.rules import check_content

CARD = ApprovalCard(
    approval_id=UUID("0190a000-0000-7000-8000-000000000001"),
    fingerprint="a" * 32,
    employee="Ada",
    tool="refund_order",
    reason="It moves money.",
    arguments=json.dumps({"amount": 20, "order": "A-17"}, indent=2),
    expires_at=datetime(2026, 11, 26, 12, tzinfo=UTC),
)
HOSTILE = "<!channel> <@U1|Bob> *b* `c` :tada: @here <https://evil.example|bank> &lt; \u202egnp.exe\u200b \U000e0041"

# What a model, a customer or a tool's server may come up with, lone halves of characters among it.
anything = st.text(st.characters(exclude_categories=()), max_size=12_000)


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        double.world.add_workspace(scopes=SCOPES).add_channel("C1")
        yield double


@pytest.fixture
async def messenger(slack: SlackDouble) -> AsyncIterator[SlackMessenger]:
    async with open_session() as session:
        yield SlackMessenger(session, slack.api_url)


@pytest.fixture
def account(slack: SlackDouble) -> ChannelAccount:
    [workspace] = slack.world.workspaces.values()
    return account_of(workspace)


def parts(value: object, kind: str) -> Iterator[Json]:
    if isinstance(value, dict):
        if value.get("type") == kind:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from parts(inner, kind)


def shown(blocks: list[Json]) -> str:
    [preformatted] = parts(blocks, "rich_text_preformatted")
    return "".join(element["text"] for element in preformatted["elements"])


def buttons(blocks: list[Json]) -> dict[str, Any]:
    return {button["action_id"]: button for button in parts(blocks, "button")}


class TestTheCard:
    def test_it_shows_who_asks_for_what_and_why_and_until_when(self) -> None:
        blocks = slack_cards.blocks(CARD, is_whole=True)

        texts = [element["text"] for element in parts(blocks, "text")]
        assert texts[:3] == ["Ada", " asks to use ", "refund_order"]
        assert "It moves money." in texts
        assert [date["timestamp"] for date in parts(blocks, "date")] == [int(CARD.expires_at.timestamp())]
        assert shown(blocks) == CARD.arguments

    def test_its_buttons_carry_what_was_shown_and_approving_asks_again(self) -> None:
        found = buttons(slack_cards.blocks(CARD, is_whole=True))

        assert set(found) == {slack_cards.APPROVE, slack_cards.DENY}
        assert {button["value"] for button in found.values()} == {f"{CARD.approval_id}:{CARD.fingerprint}"}
        assert "Ada will use refund_order" in found[slack_cards.APPROVE]["confirm"]["text"]["text"]

    def test_what_was_decided_has_no_buttons_any_more(self) -> None:
        blocks = slack_cards.blocks(replace(CARD, outcome="Approved by Grace."), is_whole=True)

        assert buttons(blocks) == {}
        assert shown(blocks) == CARD.arguments
        assert "Approved by Grace." in [element["text"] for element in parts(blocks, "text")]

    def test_nothing_on_it_is_read_as_markup(self) -> None:
        hostile = replace(CARD, employee=HOSTILE, tool=HOSTILE, reason=HOSTILE, arguments=json.dumps(HOSTILE))
        blocks = slack_cards.blocks(hostile, is_whole=True)

        assert list(parts(blocks, "mrkdwn")) == []
        assert all(text["emoji"] is False for text in parts(blocks, "plain_text"))
        kinds = {element["type"] for section in parts(blocks, "rich_text_section") for element in section["elements"]}
        assert kinds == {"text", "date"}
        said = slack_cards.notification(hostile)
        assert "<" not in said
        assert "@here" not in said

    def test_what_cannot_be_seen_is_spelt_out_and_still_means_the_same(self) -> None:
        arguments = {"to": "ada\u202e@moc.live", "cc": "a\u200bb\u00a0c\U000e0041", "path": "\u2028"}
        text = json.dumps(arguments, ensure_ascii=False, indent=2)

        spelt = visible(text)

        assert all(char.isprintable() or char == "\n" for char in spelt)
        assert r"\u202e" in spelt
        assert json.loads(spelt) == arguments

    @given(anything, anything, anything, anything)
    @example("&" * 40, "<" * 50, "x" * slack_cards.REASON_SIZE, "x" * slack_cards.CARD_SIZE)
    @example("", " ", "\n", "")
    def test_whatever_is_on_it_slack_takes_it_and_all_of_it_is_there_to_be_approved(
        self, employee: str, tool: str, reason: str, arguments: str
    ) -> None:
        card = replace(CARD, employee=employee, tool=tool, reason=reason, arguments=arguments)
        is_whole = slack_cards.fits(card)
        for each in (card, replace(card, outcome=reason)):
            blocks = slack_cards.blocks(each, is_whole=is_whole)
            check_content({"text": slack_cards.notification(each), "blocks": blocks})
        found = buttons(slack_cards.blocks(card, is_whole=is_whole))
        assert (slack_cards.APPROVE in found) == is_whole
        if is_whole:
            assert shown(slack_cards.blocks(card, is_whole=True)) == (visible(arguments) or "–")

    @pytest.mark.parametrize(
        "card",
        [
            replace(CARD, arguments=json.dumps("x" * slack_cards.CARD_SIZE)),
            # Slack stores these as entities, which are five times as long.
            replace(CARD, arguments=json.dumps("&" * (slack_cards.CARD_SIZE // 4))),
            replace(CARD, arguments=json.dumps("\u202e" * (slack_cards.CARD_SIZE // 4), ensure_ascii=False)),
            replace(CARD, tool="x" * (slack_cards.NAME_SIZE + 1)),
            replace(CARD, employee="x" * (slack_cards.NAME_SIZE + 1)),
            replace(CARD, reason="x" * (slack_cards.REASON_SIZE + 1)),
        ],
    )
    def test_what_is_too_long_can_be_denied_and_not_approved(self, card: ApprovalCard) -> None:
        assert not slack_cards.fits(card)
        blocks = slack_cards.blocks(card, is_whole=False)

        assert set(buttons(blocks)) == {slack_cards.DENY}
        said = "".join(element["text"] for element in parts(blocks, "text"))
        assert "only the beginning" in said
        assert f"over the REST API, as approval {card.approval_id}" in said
        check_content({"blocks": blocks})


class TestShowing:
    async def test_a_card_is_posted_and_renewed_in_place(
        self, slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount
    ) -> None:
        ts = await messenger.show_approval(account, "C1", CARD)
        [posted] = slack.bot_messages("C1")
        assert posted["ts"] == ts
        assert set(buttons(posted["blocks"])) == {slack_cards.APPROVE, slack_cards.DENY}
        [call] = slack.calls_of("chat.postMessage")
        assert (call.args["unfurl_links"], call.args["unfurl_media"]) == (False, False)

        for _ in range(2):
            await messenger.renew_approval(account, "C1", ts, replace(CARD, outcome="Denied by Grace."))

        [renewed] = slack.bot_messages("C1")
        assert renewed["ts"] == ts
        assert buttons(renewed["blocks"]) == {}
        assert "Denied by Grace." in renewed["text"]

    async def test_a_long_one_is_shown_in_part(
        self, slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount
    ) -> None:
        card = replace(CARD, arguments=json.dumps({"text": "word " * 5_000}))
        ts = await messenger.show_approval(account, "C1", card)
        await messenger.renew_approval(account, "C1", ts, replace(card, outcome="Denied by Grace."))

        [posted] = slack.bot_messages("C1")
        assert posted["ts"] == ts

    @pytest.mark.parametrize("code", ["msg_blocks_too_long", "invalid_blocks"])
    async def test_what_slack_counts_otherwise_than_we_is_shown_in_part(
        self, slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount, code: str
    ) -> None:
        slack.fail_next("chat.postMessage", error=code)

        await messenger.show_approval(account, "C1", CARD)

        [posted] = slack.bot_messages("C1")
        assert set(buttons(posted["blocks"])) == {slack_cards.DENY}

    async def test_a_place_that_cannot_be_written_to_is_refused(
        self, slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount
    ) -> None:
        with pytest.raises(ChannelRefused, match="gone, or the app was never in it"):
            await messenger.show_approval(account, "C404", CARD)
        with pytest.raises(ChannelRefused):
            await messenger.renew_approval(account, "C1", "1.000001", CARD)

    async def test_a_post_that_broke_off_is_uncertain_and_a_renewal_can_be_repeated(
        self, slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount
    ) -> None:
        ts = await messenger.show_approval(account, "C1", CARD)
        for method in ("chat.postMessage", "chat.update"):
            slack.drop_next(method, accepted=True)
        with pytest.raises(SendUncertain):
            await messenger.show_approval(account, "C1", CARD)
        with pytest.raises(ChannelUnavailable):
            await messenger.renew_approval(account, "C1", ts, replace(CARD, outcome="Approved."))

    async def test_the_console_says_that_it_has_none(self, account: ChannelAccount) -> None:
        for attempt in (
            ConsoleMessenger().show_approval(account, "C1", CARD),
            ConsoleMessenger().renew_approval(account, "C1", "1", CARD),
        ):
            with pytest.raises(ChannelRefused, match="over the REST API"):
                await attempt
