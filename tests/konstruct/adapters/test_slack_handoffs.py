"""Handoffs in Slack: who is called and nobody else, what strangers wrote within Slack's limits, and no line twice."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from konstruct.adapters import slack_handoffs
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom, card_blocks, entry_text
from konstruct.desk_ports import DeskEntry, Deskroom, HandoffCard
from konstruct.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConnectionDead, SendUncertain
from konstruct.ports import ChannelAccount
from tests.konstruct.adapters.slack_place import SCOPES, account_of, said
from tests.konstruct.adapters.test_slack_cards import HOSTILE, anything, buttons, parts
from tests.support.slack_double import Json, SlackDouble, Workspace
from tests.support.slack_double.rules import check_content

CARD = HandoffCard(
    handoff_id=UUID("0190a000-0000-7000-8000-000000000001"),
    headline="Support: a person is needed",
    employee="Ada",
    contact="Grace Hopper",
    reason="The contact asked for a person.",
    priority="high",
    summary="The parcel A-17 is lost.",
    tried="Looked up the parcel.\nAsked the carrier.",
    suggestion="Offer a refund.",
    standing="Waiting since 10:02.",
    state="waiting",
    ring=("U1", "U024BE7LH"),
)
MENTION = re.compile(r"<[@!#]")
State = Literal["waiting", "owned", "over", "told"]
Kind = Literal["contact", "agent", "employee", "note", "draft", "summary", "system"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def an_entry(text: str = "Where is my parcel?", *, author: str = "Contact", kind: Kind = "contact") -> DeskEntry:
    return DeskEntry(uuid4(), author, text, kind, datetime.now(UTC))


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        double.world.add_workspace(scopes=SCOPES).add_channel("C1").members.add("U1")
        yield double


@pytest.fixture
def workspace(slack: SlackDouble) -> Workspace:
    [workspace] = slack.world.workspaces.values()
    return workspace


@pytest.fixture
def account(workspace: Workspace) -> ChannelAccount:
    return account_of(workspace)


@pytest.fixture
async def deskroom(slack: SlackDouble) -> AsyncIterator[Deskroom]:
    async with open_session() as session:
        yield SlackDeskroom(session, slack.api_url, time_limit=timedelta(seconds=1))


@pytest.fixture
async def thread(deskroom: Deskroom, account: ChannelAccount) -> str:
    return await deskroom.show_handoff(account, "C1", CARD)


def shown(blocks: list[Json]) -> str:
    return "\n".join(element["text"] for element in parts(blocks, "text"))


class TestTheCard:
    def test_it_says_who_needs_a_person_and_why_and_what_is_known(self) -> None:
        text = shown(card_blocks(CARD))

        for part in (CARD.contact, CARD.employee, CARD.reason, CARD.summary, CARD.tried, CARD.suggestion):
            assert part in text
        assert CARD.standing in text
        assert "Priority: high." in text
        [header] = parts(card_blocks(CARD), "header")
        assert header["text"]["text"] == CARD.headline

    def test_what_is_not_known_has_no_title(self) -> None:
        bare = replace(CARD, reason="", summary="", tried="", suggestion="")

        assert list(parts(card_blocks(bare), "rich_text_quote")) == []
        assert "Why" not in shown(card_blocks(bare))

    @pytest.mark.parametrize(
        ("state", "actions"),
        [
            ("waiting", ["claim", "not_now"]),
            ("owned", ["hand_back", "resolve", "release", "draft", "summary"]),
            ("told", ["claim"]),
            ("over", []),
        ],
    )
    def test_its_buttons_are_what_can_be_done_now_and_carry_the_handoff(self, state: State, actions: list[str]) -> None:
        found = buttons(card_blocks(replace(CARD, state=state)))

        assert list(found) == [f"handoff:{action}" for action in actions]
        assert {button["value"] for button in found.values()} <= {str(CARD.handoff_id)}

    def test_it_mentions_those_who_are_called_and_nobody_else(self) -> None:
        hostile = replace(
            CARD,
            headline=HOSTILE,
            employee=HOSTILE,
            contact=HOSTILE,
            reason=HOSTILE,
            priority=HOSTILE,
            summary=HOSTILE,
            tried=HOSTILE,
            suggestion=HOSTILE,
            standing=HOSTILE,
            ring=("U1", "U1> <!channel", "<!here>", "", "W2"),
        )
        blocks = card_blocks(hostile)

        [mrkdwn] = parts(blocks, "mrkdwn")
        assert mrkdwn == {"type": "mrkdwn", "text": "<@U1> <@W2>", "verbatim": True}
        assert all(text["emoji"] is False for text in parts(blocks, "plain_text"))
        assert not MENTION.search(shown(blocks))
        assert "\u202e" not in shown(blocks)
        kinds = {part["type"] for quote in parts(blocks, "rich_text_quote") for part in quote["elements"]}
        assert kinds == {"text"}

    def test_without_a_ring_nobody_is_mentioned(self) -> None:
        assert list(parts(card_blocks(replace(CARD, ring=())), "mrkdwn")) == []

    def test_what_is_long_is_cut_at_a_word_with_an_ellipsis(self) -> None:
        text = shown(card_blocks(replace(CARD, summary="word " * 3_000)))

        assert "word…" in text
        assert len(text) < slack_handoffs.SIZE


@settings(deadline=None)
@given(anything, anything, st.sampled_from(KINDS))
@example("&" * 9_000, "<" * 9_000, "contact")
@example("", "\n \u200b", "draft")
@example("# a\n" * 3_000, "```\n" * 3_000, "summary")
def test_whatever_is_shown_slack_takes_it(one: str, other: str, kind: Kind) -> None:
    ring = tuple(f"U{number}" for number in range(200))
    card = replace(CARD, headline=one, employee=other, contact=one, reason=other, standing=one, ring=ring)
    for each in (replace(card, summary=one, tried=other, suggestion=one), replace(card, summary=other, tried=one)):
        check_content(slack_handoffs._card(each, slack_handoffs.SIZE))
    for author in ("Contact", one):
        check_content(slack_handoffs._entry(an_entry(other, author=author, kind=kind), slack_handoffs.SIZE))
        assert not MENTION.search(entry_text(an_entry(other, author=author, kind=kind)))


class TestLines:
    @pytest.mark.parametrize(
        ("kind", "author", "text"),
        [
            ("contact", "Contact", "Contact: Hello"),
            ("agent", "Anna Berg", "Anna Berg, to the contact: Hello"),
            ("employee", "Ada", "Ada (AI), to the contact: Hello"),
            ("note", "Anna Berg", "Note by Anna Berg, not shown to the contact: Hello"),
            ("draft", "Ada", "Draft, not shown to the contact: Hello"),
            ("summary", "Ada", "Summary: Hello"),
            ("system", "Konstruct", "Konstruct: Hello"),
        ],
    )
    def test_each_says_who_speaks_to_whom(self, kind: Kind, author: str, text: str) -> None:
        assert entry_text(an_entry("Hello", author=author, kind=kind)) == text

    def test_a_name_cannot_begin_another_line(self) -> None:
        assert entry_text(an_entry("Hello", author="Mallory:\nAnna {author}")) == "Mallory: Anna {author}: Hello"

    async def test_what_a_contact_wrote_cannot_pass_for_another_line(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str
    ) -> None:
        await deskroom.post_entry(account, "C1", thread, an_entry("Hi\n\n*Anna Berg:*\nRefund <@U1> 100"))

        [posted] = slack.bot_messages("C1", thread_ts=thread)[1:]
        [section] = parts(posted["blocks"], "rich_text_section")
        assert [element["text"] for element in section["elements"]] == ["Contact:"]
        [quote] = parts(posted["blocks"], "rich_text_quote")
        assert "".join(element["text"] for element in quote["elements"]).startswith("Hi\n\n*Anna Berg:*\nRefund")
        assert list(parts(posted["blocks"], "mrkdwn")) == []
        assert not MENTION.search(posted["text"])


class TestShowing:
    async def test_a_card_is_posted_found_and_renewed_in_place(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount
    ) -> None:
        before = datetime.now(UTC)
        ts = await deskroom.show_handoff(account, "C1", CARD)
        [call] = slack.calls_of("chat.postMessage")
        assert (call.args["unfurl_links"], call.args["unfurl_media"]) == (False, False)
        assert call.args["text"] == "<@U1> <@U024BE7LH> Support: a person is needed Waiting since 10:02."

        for _ in range(2):
            owned = replace(CARD, state="owned", standing="Anna Berg has it.", ring=())
            await deskroom.renew_handoff(account, "C1", ts, owned)

        [renewed] = slack.bot_messages("C1")
        assert renewed["ts"] == ts
        assert "handoff:claim" not in buttons(renewed["blocks"])
        assert "Anna Berg has it." in renewed["text"]
        assert await deskroom.find_handoff(account, "C1", CARD, before) == ts

    @pytest.mark.parametrize("accepted", [True, False])
    @pytest.mark.parametrize("failure", ["reset", "server error", "hang"])
    async def test_an_uncertain_post_is_found_if_it_happened(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str, failure: str, accepted: bool
    ) -> None:
        def fail() -> None:
            if failure == "reset":
                slack.drop_next("chat.postMessage", accepted=accepted)
            elif failure == "server error":
                slack.fail_next("chat.postMessage", status=503, accepted=accepted)
            else:
                slack.hold_next("chat.postMessage", accepted=accepted)

        card, entry, since = replace(CARD, handoff_id=uuid4()), an_entry(), datetime.now(UTC)
        fail()
        with pytest.raises(SendUncertain):
            await deskroom.show_handoff(account, "C1", card)
        fail()
        with pytest.raises(SendUncertain):
            await deskroom.post_entry(account, "C1", thread, entry)

        found = [
            await deskroom.find_handoff(account, "C1", card, since),
            await deskroom.find_entry(account, "C1", thread, entry),
        ]
        posted = [message["ts"] for message in slack.bot_messages("C1") if message["ts"] != thread]
        assert [ts for ts in found if ts] == posted
        assert len(posted) == (2 if accepted else 0)

    async def test_they_are_found_behind_many_others_and_not_taken_for_another(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str, workspace: Workspace
    ) -> None:
        entry, channel = an_entry(), workspace.channels["C1"]
        ts = await deskroom.post_entry(account, "C1", thread, entry)
        await deskroom.show_handoff(account, "C1", replace(CARD, handoff_id=uuid4()))
        for _ in range(40):
            said(slack, workspace, channel)
            said(slack, workspace, channel, thread_ts=thread)

        assert await deskroom.find_handoff(account, "C1", CARD, entry.created_at) == thread
        assert len(slack.calls_of("conversations.history")) > 2
        assert await deskroom.find_entry(account, "C1", thread, entry) == ts
        other = replace(CARD, handoff_id=entry.entry_id)
        assert await deskroom.find_handoff(account, "C1", other, entry.created_at) is None
        assert await deskroom.find_entry(account, "C1", thread, an_entry()) is None

    async def test_a_line_whose_card_is_gone_is_taken_back_and_refused(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str, workspace: Workspace
    ) -> None:
        slack.world.delete(workspace.channels["C1"], thread)
        with pytest.raises(ChannelRefused) as refusal:
            await deskroom.post_entry(account, "C1", thread, an_entry())
        assert refusal.value.code == "thread_not_found"
        assert slack.bot_messages("C1") == []

    @pytest.mark.parametrize("code", ["msg_blocks_too_long", "invalid_blocks"])
    async def test_what_slack_counts_otherwise_than_we_is_shown_in_part(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str, code: str
    ) -> None:
        long = "word " * 1_000
        for method in ("chat.postMessage", "chat.update"):
            slack.fail_next(method, error=code)
        ts = await deskroom.post_entry(account, "C1", thread, an_entry(long))
        await deskroom.renew_handoff(account, "C1", thread, replace(CARD, summary=long))

        card, line = slack.bot_messages("C1")
        assert line["ts"] == ts
        assert len(shown(line["blocks"])) < 2 * slack_handoffs.SHORT_SIZE
        assert len(shown(card["blocks"])) < 2 * slack_handoffs.SHORT_SIZE
        assert "handoff:claim" in buttons(card["blocks"])

        for _ in range(2):
            slack.fail_next("chat.postMessage", error=code)
        with pytest.raises(ChannelRefused):
            await deskroom.post_entry(account, "C1", thread, an_entry(long))

    async def test_only_one_person_is_shown_a_whisper(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str
    ) -> None:
        draft = entry_text(an_entry("Dear <!channel>, *sorry* & hello", kind="draft", author="Ada"))
        await deskroom.whisper(account, "C1", thread, "U1", draft)
        await deskroom.whisper(account, "C1", None, "U1", "Anna Berg was faster.")

        in_thread, at_the_top = slack.calls_of("chat.postEphemeral")
        assert in_thread.args["thread_ts"] == thread
        assert "thread_ts" not in at_the_top.args
        assert shown(in_thread.args["blocks"]) == draft
        assert slack.world.whispers[1] == ("C1", "U1", "Anna Berg was faster.")
        assert not MENTION.search(slack.world.whispers[0][2])
        assert len(slack.bot_messages("C1")) == 1

    async def test_what_cannot_be_done_is_said_in_errors_of_channels(
        self, slack: SlackDouble, deskroom: Deskroom, account: ChannelAccount, thread: str
    ) -> None:
        with pytest.raises(ChannelRefused, match="not a member"):
            await deskroom.whisper(account, "C1", None, "U404", "psst")
        with pytest.raises(ChannelRefused, match="gone, or the app was never in it"):
            await deskroom.show_handoff(account, "C404", CARD)
        with pytest.raises(ChannelRefused):
            await deskroom.renew_handoff(account, "C1", "1.000001", CARD)
        slack.drop_next("chat.update", accepted=True)
        with pytest.raises(ChannelUnavailable):
            await deskroom.renew_handoff(account, "C1", thread, CARD)
        slack.drop_next("chat.postEphemeral")
        with pytest.raises(SendUncertain):
            await deskroom.whisper(account, "C1", None, "U1", "psst")
        slack.fail_next("conversations.history", error="ratelimited", retry_after=60)
        with pytest.raises(ChannelRateLimited):
            await deskroom.find_handoff(account, "C1", CARD, datetime.now(UTC))
        with pytest.raises(ConnectionDead):
            await deskroom.show_handoff(replace(account, secrets={}), "C1", CARD)
