"""Comparisons: whatever the texts, both can be read out of them, and they say what a person would."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from konstruct.designs import wording
from konstruct.designs.comparing import Piece, compare, entries, shortened, words
from konstruct.designs.content import blank

_TEXT = st.text(alphabet="ab \n.ü", max_size=60)


@given(_TEXT, _TEXT)
@settings(max_examples=300, deadline=None)
def test_both_texts_can_be_read_out_of_what_differs(before: str, after: str) -> None:
    pieces = words(before, after)
    assert "".join(each.text for each in pieces if each.kind != "added") == before
    assert "".join(each.text for each in pieces if each.kind != "removed") == after
    assert all(left.kind != right.kind for left, right in pairwise(pieces))
    assert all(each.kind == "same" for each in words(after, after))


@given(st.lists(_TEXT, max_size=8), st.lists(_TEXT, max_size=8))
@settings(max_examples=100, deadline=None)
def test_both_lists_can_be_read_out_of_what_differs(before: list[str], after: list[str]) -> None:
    pieces = entries(before, after)
    assert [each.text for each in pieces if each.kind != "added"] == before
    assert [each.text for each in pieces if each.kind != "removed"] == after


def test_prose_differs_by_words_and_phrases() -> None:
    assert words("Be brief and kind.", "Be long and very kind.") == [
        Piece("same", "Be "),
        Piece("removed", "brief"),
        Piece("added", "long"),
        Piece("same", " and "),
        Piece("added", "very "),
        Piece("same", "kind."),
    ]
    assert words("one two three", "six seven three") == [
        Piece("removed", "one two"),
        Piece("added", "six seven"),
        Piece("same", " three"),
    ]


def test_texts_of_any_length_are_compared_and_shown_around_what_changed() -> None:
    before = "".join(f"Rule {number}: be kind.\n" for number in range(3_000))
    pieces = words(before, before.replace("Rule 1500: be kind.", "Rule 1500: be brief."))
    assert [each.kind for each in pieces] == ["same", "removed", "added", "same"]
    assert len("".join(each.text for each in shortened(pieces))) < 700


def test_texts_that_would_take_too_long_are_removed_and_added_as_they_are() -> None:
    """Whoever may write a draft must not keep the portal busy with it."""
    before, after = "same\n" + "a\n" * 3_000 + "end", "same\n" + "b\na\n" * 1_500 + "end"
    pieces = words(before, after)
    assert [each.kind for each in pieces] == ["same", "removed", "added", "same"]
    assert pieces[0].text == "same\n"
    assert "".join(each.text for each in pieces if each.kind != "added") == before
    assert "".join(each.text for each in pieces if each.kind != "removed") == after


def test_fields_differ_in_words_that_people_use() -> None:
    before, after = blank(), blank()
    after["language"] = "de"
    after["hours"] = {"mon": "09:00-17:00", "time_zone": "Europe/Vienna"}
    after["tools"] = [{"name": "remember", "approval": "always"}]
    after["escalation"] = [
        {
            "name": "angry",
            "when": {"any": [{"mood": "angry"}, {"all": [{"turns": 3}, {"keyword": ["refund"]}]}]},
            "then": {"hand_off": {"to": "billing", "priority": "high"}},
        },
        {"name": "odd", "when": {}, "then": 1},
    ]
    told = {each.label: [piece.text for piece in each.pieces + each.lines] for each in compare(before, after)}
    assert told == {
        "Language": ["As the contact writes", "German"],
        "Tools": ["remember (always asks a person first)"],
        "Escalation rules": [
            "angry: when (the contact’s mood is angry or (the conversation has taken 3 turns and the contact writes"
            " “refund”)), hand off to billing (high)",
            "odd: when …, …",
        ],
        "Hours": ["Monday 09:00-17:00", "In Europe/Vienna"],
    }
    assert wording.language("") == "As the contact writes"
