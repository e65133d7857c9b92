"""What a model gets to read of what was written in Slack."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.slack_plain import NOTHING_SAID, SlackMessage, mentions, plain_text, sent_files, to_plain
from konstruct.messages import SentFile

BOT = "U0BOT"


def message(text: str | None = None, **fields: Any) -> SlackMessage:
    return SlackMessage(channel="C1", ts="1.000001", text=text, **fields)


@pytest.mark.parametrize(
    ("mrkdwn", "plain"),
    [
        ("hello", "hello"),
        ("ask <@U7>", "ask @U7"),
        ("ask <@U7|maria>", "ask @maria"),
        ("in <#C7|general>", "in #general"),
        ("in <#C7|>", "in #C7"),
        ("<!here> and <!channel|channel>", "@here and channel"),
        ("<!subteam^S1|@support>", "@support"),
        ("until <!date^1392734382^{date}|2014-02-18 PST>", "until 2014-02-18 PST"),
        ("see <https://example.com/a?b=1&amp;c=2>", "see https://example.com/a?b=1&c=2"),
        ("see <https://example.com|our page>", "see our page (https://example.com)"),
        ("see <http://example.com|example.com>", "see http://example.com"),
        ("write to <mailto:a@example.com|a@example.com>", "write to a@example.com"),
        ("call <tel:+4912345|+49 123 45>", "call +49 123 45 (+4912345)"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("a literal &amp;lt;", "a literal &lt;"),
        ("&lt;@U7&gt;", "<@U7>"),
    ],
)
def test_markup_is_spelt_out(mrkdwn: str, plain: str) -> None:
    assert to_plain(mrkdwn) == plain


@given(st.text())
def test_what_people_type_comes_through_as_they_typed_it(typed: str) -> None:
    escaped = typed.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert to_plain(escaped) == typed


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (f"<@{BOT}> where is my order?", "where is my order?"),
        (f"<@{BOT}|ada>: where is it?", "where is it?"),
        (f"thanks <@{BOT}>", "thanks"),
        (f"<@{BOT}> ask <@{BOT}2>", f"ask @{BOT}2"),
    ],
)
def test_our_own_mention_is_not_part_of_what_was_said(text: str, plain: str) -> None:
    assert plain_text(message(text), BOT) == plain


@pytest.mark.parametrize("text", [None, "", f"<@{BOT}>", f" <@{BOT}> "])
def test_a_mention_alone_says_so(text: str | None) -> None:
    assert plain_text(message(text), BOT) == NOTHING_SAID


def test_files_are_named_since_they_are_not_read() -> None:
    sent = message("look", files=[{"name": "invoice.pdf"}, {"id": "F1", "file_access": "check_file_info"}])

    assert plain_text(sent, BOT) == "look\n\n[sent a file: invoice.pdf]\n\n[sent a file]"


def test_files_are_told_of_as_far_as_that_can_be_used() -> None:
    odd = {"name": None, "mimetype": 7, "size": "large"}
    sent = message("look", files=[{"name": "a.pdf", "mimetype": "application/pdf", "size": 3}, odd])
    assert sent_files(sent) == (SentFile("a.pdf", "application/pdf", 3), SentFile("file", "7"))


def test_a_pasted_table_becomes_lines() -> None:
    rich = {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "2"}]}],
    }
    rows = [
        [{"type": "raw_text", "text": "Item"}, {"type": "raw_text", "text": "Count"}],
        [{"type": "raw_text", "text": "Pen"}, rich],
    ]
    pasted = message("How many?", attachments=[{"blocks": [{"type": "table", "rows": rows}]}])

    assert plain_text(pasted, BOT) == "How many?\n\nItem | Count\nPen | 2"


def test_a_mention_counts_in_text_and_in_blocks() -> None:
    blocks = [
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "user", "user_id": BOT}]}],
        }
    ]

    assert mentions(message(f"hi <@{BOT}|ada>"), BOT)
    assert mentions(message("hi", blocks=blocks), BOT)
    assert not mentions(message(f"hi <@{BOT}2>"), BOT)
    assert not mentions(message("hi <@>"), "")
