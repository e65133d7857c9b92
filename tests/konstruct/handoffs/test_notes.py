"""What stays among people: whatever stands before the mark, and whatever it is written with."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.handoffs import notes

INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u115f\u1160\u3164\uffa0\u034f\u17b4\ufe0f\u202e\u2066\x00\x07\U000e0061"
)
BEFORE = st.lists(
    st.sampled_from(
        [
            *INVISIBLE,
            *(" ", "\t", "\u00a0", "\u3000", "\u2800", "•", "◦", "▪", "*", "-", "–", ">", "» ", "“", '"', "'", "`"),
            *("_", "~", "(", "[", "|", "…", "🔒", ":lock: ", ":+1::skin-tone-2: ", "@grace ", "@grace: ", "＠linus "),
        ]
    ),
    max_size=12,
).map("".join)
SLASH = st.sampled_from([*"/／⁄∕╱⧸⟋"])
MARK = st.one_of(st.tuples(SLASH, st.text(INVISIBLE, max_size=3), SLASH).map("".join), st.just("\u2afd"))
NUMBER = st.sampled_from(["", "1. ", "12) ", "a. ", "③. ", "⒈ "])
BEHIND = st.text(st.characters(exclude_categories=["Cc", "Zl", "Zp", "Cs"]), max_size=20)
NOTE = st.tuples(NUMBER, BEFORE, MARK, BEHIND).map("".join)
# With a word before anything that could be a mark.
SAID = st.tuples(st.sampled_from("aéя字7ü"), st.sampled_from("bz"), BEHIND, st.just("x")).map("".join)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])


@given(NOTE)
@example("//")
@example("> // not for them")
@example("/\u200b/ not for them")
@example("@grace // not for them")
@example(":lock: // not for them")
@example("1. // not for them")
@example("• 1. _2) // not for them")
def test_a_line_that_starts_with_the_mark_is_a_note_whatever_stands_before_it(line: str) -> None:
    assert notes.split(line) == notes.Split("", line.strip())


@given(st.lists(st.tuples(st.booleans(), NOTE, SAID, LINE_ENDS), max_size=12))
def test_each_line_goes_one_way_and_none_is_lost(lines: list[tuple[bool, str, str, str]]) -> None:
    text = "".join((note if is_note else said) + end for is_note, note, said, end in lines)
    divided = notes.split(text)
    assert divided.says == "\n".join(said for is_note, _, said, _ in lines if not is_note).strip()
    assert divided.note == "\n".join(note for is_note, note, _, _ in lines if is_note).strip()


@given(st.text())
def test_of_any_text_no_line_is_lost_or_said_twice(text: str) -> None:
    divided = notes.split(text)
    said, noted = divided.says.splitlines(), divided.note.splitlines()
    assert sorted(line.strip() for line in [*said, *noted] if line.strip()) == sorted(
        line.strip() for line in text.splitlines() if line.strip()
    )
    assert not any(notes.is_note(line) for line in said)


@pytest.mark.parametrize(
    "line",
    [
        "See https://example.com/help",
        "https://example.com",
        "Either / or",
        "and // or",
        "7 // 2 is 3",
        "12. Tell them https://example.com",
        "bob@example.com // is their address",
        "10:30: the train // the bus",
        "/ one slash is none",
        "@grace",
        "",
        "字//",
    ],
)
def test_a_line_with_words_before_it_is_said(line: str) -> None:
    assert notes.split(line) == notes.Split(line, "")


@pytest.mark.parametrize(
    "text", ["@" * 40_000, ":" * 40_000, ":a" * 20_000, "@ " * 20_000, "/ " * 20_000, "//" * 20_000]
)
def test_text_of_any_size_is_divided_in_no_time(text: str) -> None:
    """What goes through it again and again from each place would never end."""
    divided = notes.split(text)
    assert divided.says + divided.note == text.strip()
