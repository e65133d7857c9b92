"""What differs between two contents of an employee, field by field: words in prose, lines in lists. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any, Final, Literal

from konstruct.designs import wording
from konstruct.designs.content import Content, changed

Kind = Literal["same", "removed", "added"]

LABELS: Final = {
    "name": "Name",
    "picture": "Picture",
    "role": "Role",
    "language": "Language",
    "persona": "Persona",
    "system_prompt": "Instructions",
    "greeting": "Greeting",
    "suggested_prompts": "Suggested prompts",
    "models": "Models",
    "tools": "Tools",
    "knowledge": "Knowledge",
    "caps": "Caps",
    "escalation": "Escalation rules",
    "hours": "Hours",
    "away_reply": "Away reply",
}
_MOST_PAIRS: Final = 1_000_000
"""Of words, or else of lines, where texts differ: to look for what is the same takes as long as there are pairs. Where
lines are too many, too, all of them are removed and added."""
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_SHOWN_SAME: Final = 240
"""Characters of what is the same on each side of a change; more of it is left out where it is shown."""


@dataclass(frozen=True)
class Piece:
    kind: Kind
    text: str


@dataclass(frozen=True)
class Difference:
    field: str
    label: str
    pieces: tuple[Piece, ...] = ()
    """Of a text."""
    lines: tuple[Piece, ...] = ()
    """Of a list, one an entry."""


def compare(before: Content, after: Content) -> list[Difference]:
    """Of each field that differs."""
    return [_difference(name, before[name], after[name]) for name in changed(before, after)]


def _difference(name: str, before: Any, after: Any) -> Difference:
    if name == "picture":
        had = (Piece("removed", "The picture before"),) if before else ()
        return Difference(name, LABELS[name], lines=(*had, Piece("added", "Another picture" if after else "None")))
    if name == "language":
        before, after = wording.language(before), wording.language(after)
    if isinstance(before, str):
        return Difference(name, LABELS[name], pieces=tuple(words(before, after)))
    lines = tuple(entries(wording.listed(name, before), wording.listed(name, after)))
    return Difference(name, LABELS[name], lines=lines)


def words(before: str, after: str) -> list[Piece]:
    """What is the same and removed makes ``before``, what is the same and added ``after``."""
    apart = _WORDS if _is_comparable(*_middles(_WORDS.findall(before), _WORDS.findall(after))) else _LINES
    return _merged(entries(apart.findall(before), apart.findall(after)))


def entries(before: Sequence[str], after: Sequence[str]) -> list[Piece]:
    """As ``words``, of lists."""
    if _is_comparable(before, after):
        return _compared(before, after)
    head = _same_ahead(before, after)
    removed, added = _middles(before, after)
    if _is_comparable(removed, added):
        middle = _compared(removed, added)
    else:
        middle = [*(Piece("removed", text) for text in removed), *(Piece("added", text) for text in added)]
    ends = before[:head], before[head + len(removed) :]
    return [*(Piece("same", text) for text in ends[0]), *middle, *(Piece("same", text) for text in ends[1])]


def _middles(before: Sequence[str], after: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Without what both begin with, and end with."""
    head = _same_ahead(before, after)
    tail = _same_ahead(before[head:][::-1], after[head:][::-1])
    return before[head : len(before) - tail], after[head : len(after) - tail]


def _same_ahead(left: Sequence[str], right: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _is_comparable(before: Sequence[str], after: Sequence[str]) -> bool:
    return len(before) * len(after) <= _MOST_PAIRS


def _compared(before: Sequence[str], after: Sequence[str]) -> list[Piece]:
    pieces: list[Piece] = []
    for tag, left, left_end, right, right_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces += [Piece("same", text) for text in before[left:left_end]]
        else:
            pieces += [Piece("removed", text) for text in before[left:left_end]]
            pieces += [Piece("added", text) for text in after[right:right_end]]
    return pieces


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours of one kind as one. A space alone between two changes goes into both, so that they read as phrases."""
    merged: list[Piece] = []
    for place, piece in enumerate(pieces):
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        is_gap = piece.kind == "same" and piece.text.isspace() and "\n" not in piece.text
        if is_gap and merged and merged[-1].kind != "same" and after is not None and after.kind != "same":
            _put(merged, Piece("removed", piece.text))
            _put(merged, Piece("added", piece.text))
        else:
            _put(merged, piece)
    return merged


def _put(merged: list[Piece], piece: Piece) -> None:
    """Into the latest piece of its kind since something was the same; what is removed stands before what is added."""
    if piece.kind == "same":
        if merged and merged[-1].kind == "same":
            merged[-1] = Piece("same", merged[-1].text + piece.text)
        else:
            merged.append(piece)
        return
    for back in (1, 2):
        if len(merged) < back or merged[-back].kind == "same":
            break
        if merged[-back].kind == piece.kind:
            merged[-back] = Piece(piece.kind, merged[-back].text + piece.text)
            return
    if piece.kind == "removed" and merged and merged[-1].kind == "added":
        merged.insert(-1, piece)
    else:
        merged.append(piece)


def shortened(pieces: Sequence[Piece]) -> list[Piece]:
    """With what is the same left out where it is far from any change."""
    shown = []
    for place, piece in enumerate(pieces):
        text = piece.text
        head = 0 if place == 0 else _SHOWN_SAME
        tail = 0 if place == len(pieces) - 1 else _SHOWN_SAME
        if piece.kind == "same" and len(text) > head + tail + 40:
            text = f"{text[:head]} … {text[len(text) - tail :] if tail else ''}"
        shown.append(Piece(piece.kind, text))
    return shown
