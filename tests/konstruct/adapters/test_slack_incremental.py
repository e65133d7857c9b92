"""Unfinished text: what is shown of it comes to the whole harmless text, is safe at every moment, and is shown soon."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from konstruct.adapters.cutting import is_visible
from konstruct.adapters.slack_incremental import LONGEST_HELD, Incremental
from konstruct.adapters.slack_text import harmless
from konstruct.channels import SLACK
from tests.konstruct.adapters.test_slack_text import ANYTHING, DANGEROUS, DOCUMENT, TOKEN

FRAGMENTS = [
    *DANGEROUS, "```", "```python\n", "~~~", "`", "``", "\n", "\r", "\r\n", "\t", " ", " " * 13, "![", "!", "]", "(",
    ")", "](http://e.example/)", "<", ">", "|", "&", "&#", "&lt", "&gt", ";", "@", "#", "# ", "- ", "\\", "a", "here",
    "<mailto:", "<https://e.example/a|", "<!--", "<!doctype", "&#00000000000064;", "`" * 17, "!" * 17, "~" * 17,
    "x" * 90, "x" * 199, "x" * 260, "x" * 501, "\x00", "\u2028", "\ud800",
]  # fmt: skip
PIECES = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=40)


def shown(pieces: list[str]) -> list[str]:
    text = Incremental()
    return [*map(text.feed, pieces), text.finish()]


@given(PIECES)
@settings(max_examples=500, deadline=None)
def test_what_is_shown_comes_to_the_whole_harmless_text(pieces: list[str]) -> None:
    whole = harmless("".join(pieces))
    assume(len(whole) - len(whole.lstrip()) <= 100)
    assert "".join(shown(pieces)) == (whole if is_visible(whole) else "")


@given(
    (ANYTHING | DOCUMENT.map(lambda text: text[:3_000])).filter(lambda text: text.count("#") < 20), st.integers(1, 9)
)
@settings(deadline=None)
def test_it_does_not_matter_where_a_text_is_cut(text: str, size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert "".join(shown(pieces)) == "".join(shown([text]))


@given(PIECES)
@settings(max_examples=300, deadline=None)
def test_no_moment_shows_anything_dangerous(pieces: list[str]) -> None:
    so_far = ""
    for piece in shown(pieces):
        so_far += piece
        assert not TOKEN.search(so_far)
        assert harmless(so_far).startswith(so_far)


@given(PIECES)
@settings(max_examples=300, deadline=None)
def test_little_is_held_back(pieces: list[str]) -> None:
    text = Incremental()
    so_far = "".join(map(text.feed, pieces))
    assert len(harmless("".join(pieces)).strip()) - len(so_far) <= LONGEST_HELD


@pytest.mark.parametrize("token", DANGEROUS)
@pytest.mark.parametrize("around", ["{}", "Hi {}, hello", "`{}`", "```\n{}\n```", "> {}", "[{}](https://e.example)"])
def test_a_dangerous_token_is_broken_however_it_arrives(token: str, around: str) -> None:
    assert not TOKEN.search("".join(shown(list(around.format(token)))))


@pytest.mark.parametrize(
    "image",
    ["![x](https://e.example)", "!![](https://e.example)", "!<https://e.example|x>", "` ![x](https://e.example)"],
)
def test_no_moment_shows_an_image(image: str) -> None:
    so_far = ""
    for piece in shown(list(f"See {image} and on\n")):
        so_far += piece
        assert "![" not in so_far


def test_an_image_in_code_is_code_once_the_code_ends() -> None:
    text = Incremental()
    assert text.feed("Write `![x](https://e.example)") == "Write "
    assert text.feed("` so that ") == "`![x](https://e.example)` so "


def test_code_with_an_image_is_not_shown_without_its_end() -> None:
    text = Incremental()
    assert text.feed("Write `![x](https://e.example) or so`, and") == "Write `![x](https://e.example) or so`, "
    assert text.feed(" `![x](https://e.example) or so`,") == "and "
    assert text.feed(" and so ") == "`![x](https://e.example) or so`, and "


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["Hel", "lo wor", "ld. ", "And"], ["", "Hello ", "", "world. "]),
        (["a < b ", "and <div", "> c"], ["a < ", "b ", "and <div> "]),
        (["R&", "D is ", "x"], ["", "R&D ", "is "]),
        (["Mail ann@", "here.example ", "x"], ["Mail ", "", "ann@here.example "]),
        (["one\n", "\n", "two"], ["", "", "one\n\n"]),
        (["one\n# ", "Two ", "three"], ["one\n", "", "# Two "]),
        (["`code ", "that goes ", "on"], ["", "`code that ", "goes "]),
        (["```py", "thon\nx = ", "1\n"], ["", "```python\nx ", "= "]),
    ],
)
def test_ordinary_text_waits_for_no_more_than_its_word(pieces: list[str], expected: list[str]) -> None:
    text = Incremental()
    assert list(map(text.feed, pieces)) == expected


def told(pieces: list[str]) -> list[str]:
    """The messages that a caller makes of it, as the class says."""
    text = Incremental()
    messages = [""]
    steps: list[Callable[[], str]] = [*(partial(text.feed, piece) for piece in pieces), text.finish]
    for show in steps:
        messages[-1] += show()
        while text.is_full:
            messages[-1] += text.next_message()
            messages.append(text.finish() if show == text.finish else text.feed(""))
    return messages


@given(DOCUMENT, st.integers(10, 3_000))
@settings(max_examples=50, deadline=None)
def test_a_long_answer_goes_on_in_another_message_and_loses_no_word(document: str, size: int) -> None:
    messages = told([document[start : start + size] for start in range(0, len(document), size)])
    without_fences = re.compile(r"(?m)^(```|~~~~).*$")
    said, meant = (without_fences.sub("", text).split() for text in ("\n".join(messages), document))
    assert "".join(said) == "".join(meant)
    for message in messages:
        assert is_visible(message)
        assert len(message) <= SLACK.longest_text
        assert harmless(message) == message


def test_code_is_closed_in_one_message_and_opened_in_the_next() -> None:
    lines = "".join(f"line = {number}\n" for number in range(2_000))
    first, *others = told(["Look:\n\n```python\n", lines, "```\n\nThat is all."])
    assert first.startswith("Look:\n\n```python\nline = 0\n")
    assert all(message.startswith("```python\nline") for message in others)
    assert all(message.endswith("\n```\n") for message in (first, *others[:-1]))
    assert others[-1].endswith("```\n\nThat is all.")


@pytest.mark.parametrize("shift", range(6))
def test_a_message_whose_code_is_cut_within_a_line_has_room_for_its_end(shift: int) -> None:
    lines = "x = 1\n" * 2_000
    code = f"~~~~\n{'x' * shift}\n{lines}~~~~"
    messages = told([code[start : start + 7] for start in range(0, len(code), 7)])
    assert len(messages) > 1
    assert max(map(len, messages)) <= SLACK.longest_text


def test_a_message_can_be_ended_early_in_the_middle_of_code() -> None:
    text = Incremental()
    assert text.feed("```\none\ntwo") == "```\none\n"
    assert text.next_message() == "```\n"
    assert text.feed(" x\n```\nAnd so ") + text.finish() == "```\ntwo x\n```\nAnd so "


@pytest.mark.parametrize("line", ["``` ![x](https://e.example)", "```` x", "``` x `y` z"])
def test_a_line_that_looks_like_a_fence_does_not_end_a_message(line: str) -> None:
    for before in ("", "~~~\n", "```\n"):
        for end in range(len(before), len(before + line)):
            text = Incremental()
            first = text.feed((before + line)[:end])
            first += text.next_message()
            second = text.feed((before + line)[end:] + "\n") + text.finish()
            assert harmless(first) == first
            assert harmless(second) == second


def test_a_message_that_ends_where_its_code_ends_is_not_followed_by_empty_code() -> None:
    code = "```\n" + "x" * (SLACK.longest_text - 12) + "\n"
    messages = told([code, "y" * 4, "\n```\nAfter that."])
    assert messages[-1].count("```") == 2


def test_a_line_that_no_message_holds_is_cut_between_words_and_a_word_anywhere() -> None:
    words = told(["word " * 5_000])
    assert all(message.strip().split(" ") == ["word"] * message.count("word") for message in words)
    assert "".join(told(["x" * 30_000])) == "x" * 30_000


def test_code_is_not_cut_where_an_image_in_it_would_come_to_life() -> None:
    for room in range(0, 60, 3):
        before = "w " * ((SLACK.longest_text - room) // 2)
        messages = told([f"{before}`![a picture](https://e.example/c?q=1) and so on` after that. " + "more " * 50])
        assert all(harmless(message) == message for message in messages)


def test_the_room_that_is_left_is_what_slack_counts() -> None:
    text = Incremental()
    assert text.room == SLACK.longest_text
    text.feed("a & b x")
    assert text.room == SLACK.longest_text - len("a &amp; b ")


def test_many_blanks_before_a_closing_fence_become_a_line() -> None:
    pieces = ["```\nx\n", " " * 60, " " * 60, "```\n![a](https://e.example)\n"]
    assert "".join(shown(pieces)) == f"```\nx\n{' ' * 120}\n```\n[a](https://e.example)\n"


@pytest.mark.parametrize("blank", ["\n", " ", "\u200b", "\ufeff"])
def test_a_message_does_not_begin_with_blanks_without_end(blank: str) -> None:
    assert told([blank * (3 * SLACK.longest_text), "x"])[0].strip(blank) == "x"
    [message] = told([blank * 200 + "\n```\n![x](https://e.example)\n```\n"])
    assert message == "```\n![x](https://e.example)\n```\n"


def test_what_is_no_fence_in_its_line_is_none_at_the_beginning_of_a_message() -> None:
    text = Incremental()
    assert text.feed("Use ```") == "Use "
    assert text.next_message() == ""
    assert text.feed("\nx and y") + text.finish() == "\u200b```\nx and y"


PIECES_OF_CODE = [
    *FRAGMENTS,
    "`![x](http://e.example)`",
    "`![x](http://e.example) ",
    "``` ",
    "```\n![x](http://e.example)\n",
]


@given(st.lists(st.sampled_from(PIECES_OF_CODE) | st.none(), max_size=40))
@settings(max_examples=500, deadline=None)
def test_wherever_a_message_ends_each_is_harmless_by_itself(pieces: list[str | None]) -> None:
    text = Incremental()
    messages = [""]
    for piece in pieces:
        messages[-1] += text.feed(piece or "")
        if piece is None or text.is_full:
            messages[-1] += text.next_message()
            messages.append("")
    messages[-1] += text.finish()
    for message in messages:
        assert not TOKEN.search(message)
        assert harmless(message) == message


@pytest.mark.parametrize(
    "piece", ["[", "`", "!", "[a](", "<a:", "# #", "&#0", "``` ", "@", "**a", "\n> ", "`![", "` ", "\n"]
)
def test_hostile_repetition_takes_no_time_to_speak_of(piece: str) -> None:
    assert "x" in "".join(told([piece * 50] * 100 + ["x"]))
