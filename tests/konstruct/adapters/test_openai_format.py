"""Tool calls that arrive in pieces, in all the ways that servers which speak OpenAI's format cut them."""

import json
from typing import Any

import pytest
from litellm.types.utils import Delta

from konstruct.adapters.openai_format import CallsInPieces
from konstruct.models.calls import LONGEST_ARGUMENTS, MOST_CALLS
from konstruct.ports import ToolCall

Piece = dict[str, Any]


def piece(
    index: int | None, call_id: str | None = None, name: str | None = None, arguments: str | None = None
) -> Piece:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def gather(*pieces: Piece, come_whole: bool = False) -> CallsInPieces:
    calls = CallsInPieces(come_whole=come_whole)
    for each in pieces:
        calls.take(Delta(tool_calls=[each]).tool_calls or ())
    return calls


def called(*pieces: Piece, come_whole: bool = False) -> list[tuple[str, str]]:
    calls = gather(*pieces, come_whole=come_whole).calls(is_over=True)
    assert all(call.id for call in calls)
    assert len({call.id for call in calls}) == len(calls)
    return [(call.name, call.arguments) for call in calls]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (
            [piece(0, "a", "search", ""), piece(0, None, None, '{"q":'), piece(0, None, None, "1}")],
            [("search", '{"q":1}')],
        ),
        ([piece(0, "a", "sea"), piece(0, None, "rch"), piece(0, None, None, "{}")], [("search", "{}")]),
        ([piece(0, "a", "search", '{"q"'), piece(0, "a", "search", ":1}")], [("search", '{"q":1}')]),
        (
            [piece(0, "a", "one"), piece(1, "b", "two"), piece(1, None, None, "2"), piece(0, None, None, "1")],
            [("one", "1"), ("two", "2")],
        ),
        ([piece(0, "a", "one", "1"), piece(0, "b", "two", "2")], [("one", "1"), ("two", "2")]),
        ([piece(0, None, "one", "1"), piece(1, None, "two", "2")], [("one", "1"), ("two", "2")]),
        ([piece(0, "a", "one", "1"), piece(1, "a", "two", "2")], [("one", "1"), ("two", "2")]),
        ([piece(3, "a", "one"), piece(7, "b", "two")], [("one", "{}"), ("two", "{}")]),
        ([piece(None, "a", "one", "1"), piece(None, "b", "two", "2")], [("one", "1"), ("two", "2")]),
        ([piece(0, "a", None, None), piece(1, "b", "two", "2")], [("two", "2")]),
        ([piece(0, "a", None, "1")], [("", "1")]),
    ],
)
def test_pieces_become_calls(pieces: list[Piece], expected: list[tuple[str, str]]) -> None:
    assert called(*pieces) == expected


def test_pieces_that_are_whole_calls_are_not_joined() -> None:
    pieces = [piece(0, None, "search", '{"q": 1}'), piece(0, None, "search", '{"q": 1}'), piece(0, None, "now", "{}")]
    assert called(*pieces, come_whole=True) == [("search", '{"q": 1}'), ("search", '{"q": 1}'), ("now", "{}")]


def test_the_models_own_id_is_kept() -> None:
    assert gather(piece(0, "call_7", "now")).calls(is_over=True) == (ToolCall("call_7", "now", "{}"),)


def test_arguments_that_the_limit_cut_off_before_they_began_are_not_made_up() -> None:
    assert gather(piece(0, "call_7", "now")).calls(is_over=False) == (ToolCall("call_7", "now", ""),)


def test_a_character_that_was_cut_in_two_is_put_together() -> None:
    halves = [piece(0, "a", "say", '{"what": "\ud83d'), piece(0, None, None, '\ude42 \ud83d"}')]
    ((_, arguments),) = called(*halves)
    assert json.loads(arguments) == {"what": "🙂 �"}


def test_too_many_calls_or_characters_are_noticed_while_they_come() -> None:
    most = [piece(index, f"call_{index}", "now") for index in range(MOST_CALLS)]
    assert not gather(*most).are_too_many
    assert gather(*most, piece(MOST_CALLS, "one_more", "now")).are_too_many
    longest = piece(0, "a", "say", "x" * LONGEST_ARGUMENTS)
    assert not gather(longest).are_too_many
    assert gather(longest, piece(1, "b", "say", "x")).are_too_many


def test_an_id_with_half_a_character_can_be_kept_all_the_same() -> None:
    [call] = gather(piece(0, "call_\ud800", "look_up", "{}")).calls(is_over=True)
    assert call.id.encode() == "call_\ufffd".encode()
