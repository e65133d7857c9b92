"""Cuts what was read into chunks: large enough to be understood alone, small enough for the embedding model.

The same document always makes the same chunks, so that those that did not change keep their vectors.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, pairwise, zip_longest
from typing import Final

from konstruct.source_ports import ReadDocument, Section

# Of what `size` says. The built-in embedding model reads 512 tokens, the headings among them.
TARGET: Final = 900
LONGEST: Final = 1_400

_SMALL: Final = 450
_CRUMB: Final = 150
_LONGEST_LEAD: Final = 200
_LONGEST_HEADER: Final = 400
_LONGEST_FENCE: Final = 60
_LONGEST_PATH: Final = 200

# Letters of Chinese, Japanese and Korean, digits, signs and emoji: with each of them a model has about as much to do
# as with two letters of an alphabet.
_HEAVY: Final = re.compile(
    "[\\d_]|[^\\w\\s]|[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_FENCE: Final = re.compile(r" {0,3}(?:```|~~~)")
_FENCE_END: Final = re.compile(r" {0,3}(?:```+|~~~+)\s*\Z")
_TABLE_RULE: Final = re.compile(r"\|(?:\s*:?-+:?\s*\|)+\s*\Z")
_ITEM: Final = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s")
_FIELD: Final = re.compile(r"[^:\n]{1,80}: ")
_LINES: Final = re.compile(r"[^\n]*\n+|[^\n]+")
_WORDS: Final = re.compile(r"\s*\S+\s*")
_SENTENCE_END: Final = re.compile('[.!?…؟۔]["\'”’»)\\]]*\\s+|[。！？；]["”’」』）]*\\s*')
# What belongs to the character before it: accents, vowel signs, joiners, variants and skin tones of emoji.
_CLINGING: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]"
)
_MOST_CLINGING: Final = 16


@dataclass(frozen=True)
class Chunk:
    position: int
    """In the document, counted from 0."""
    headings: tuple[str, ...]
    text: str
    page: int | None
    """Where it begins."""

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of what it says; not of where it stands."""
        return sha256("\x1e".join((*self.headings, self.text)).encode()).hexdigest()


def embeddable(chunk: Chunk, title: str) -> str:
    """What a vector is made of: where the chunk stands, then its text."""
    path = [title, *chunk.headings] if title not in chunk.headings[:1] else list(chunk.headings)
    while len(path) > 1 and len(" > ".join(path)) > _LONGEST_PATH:
        # What is further in says more about the text.
        path.pop(0)
    return f"{' > '.join(path)[:_LONGEST_PATH]}\n\n{chunk.text}"


def size(text: str) -> int:
    """At least its length in characters; in proportion to what it costs a model, whatever it is written in."""
    return len(text) + len(_HEAVY.findall(text))


def chunks(document: ReadDocument) -> list[Chunk]:
    runs = [
        _run(headings, list(sections)) for headings, sections in groupby(_filled(document), lambda one: one.headings)
    ]
    return [
        Chunk(position, draft.headings, draft.text, draft.page)
        for position, draft in enumerate(_joined(filter(None, runs)))
    ]


@dataclass(frozen=True)
class _Piece:
    """What is not cut any more, with the blanks behind it."""

    text: str
    page: int | None
    is_prose: bool = False
    lead: str = ""
    """Goes before it where a chunk begins with it."""
    tail: str = ""
    """Goes behind it where a chunk ends with it."""


@dataclass(frozen=True)
class _Draft:
    headings: tuple[str, ...]
    text: str
    page: int | None


def _filled(document: ReadDocument) -> Iterator[Section]:
    """A heading with nothing under it is itself what is said there, unless it heads the next section as well."""
    for section, after in zip_longest(document.sections, document.sections[1:]):
        if section.text.strip():
            yield section
        elif section.headings and (after is None or after.headings[: len(section.headings)] != section.headings):
            yield Section(section.headings[:-1], section.headings[-1], section.page)


def _run(headings: tuple[str, ...], sections: Sequence[Section]) -> list[_Draft]:
    """Sections under the same headings, such as the pages of a chapter, are one text."""
    packs: list[_Pack] = []
    for piece in (piece for section in sections for piece in _pieces(section)):
        if not packs or not packs[-1].add(piece):
            packs.append(_Pack(_lead(packs[-1].pieces, piece) if packs else "", piece))
    if len(packs) > 1 and packs[-1].is_crumb and packs[-2].length + packs[-1].length <= LONGEST:
        packs[-2].pieces += packs.pop().pieces
    drafts = [_Draft(headings, pack.text, pack.pieces[0].page) for pack in packs]
    return [draft for draft in drafts if draft.text]


class _Pack:
    """The pieces of one chunk, and what is repeated before them."""

    def __init__(self, lead: str, piece: _Piece) -> None:
        self.lead = lead
        self.pieces = [piece]
        self.length = size(lead) + size(piece.text) + size(piece.tail)

    def add(self, piece: _Piece) -> bool:
        """Whether there was room for it."""
        longer = self.length + size(piece.text) + size(piece.tail) - size(self.pieces[-1].tail)
        if longer > TARGET:
            return False
        self.pieces.append(piece)
        self.length = longer
        return True

    @property
    def is_crumb(self) -> bool:
        return self.length - size(self.lead) < _CRUMB

    @property
    def text(self) -> str:
        said = "".join(piece.text for piece in self.pieces).rstrip()
        tail = self.pieces[-1].tail
        return (self.lead + said + ("\n" + tail if tail else "")).strip("\n").rstrip()


def _lead(before: Sequence[_Piece], piece: _Piece) -> str:
    """What a chunk that begins with this piece repeats: its table's header, or the sentence before it in prose."""
    if piece.lead or not (piece.is_prose and before[-1].is_prose):
        return piece.lead
    said = "".join(earlier.text for earlier in before)[-2 * _LONGEST_LEAD :]
    paragraph = said.rstrip().rpartition("\n\n")[2]
    starts = [end.end() for end in _SENTENCE_END.finditer(paragraph) if end.end() < len(paragraph)]
    lead = paragraph[starts[-1] if starts else 0 :] + said[len(said.rstrip()) :]
    return lead if size(lead) <= _LONGEST_LEAD and size(lead) + size(piece.text) <= LONGEST else ""


def _pieces(section: Section) -> Iterator[_Piece]:
    for block in _blocks(section.text):
        if _is_code(block):
            yield from _of_code(block, section.page)
        elif all(line.startswith("|") for line in block) and len(block) > 1:
            yield from _of_table(block, section.page)
        else:
            text = "\n".join(block)
            is_prose = _SENTENCE_END.search(text) is not None and not any(
                _ITEM.match(line) or _FIELD.match(line) for line in block
            )
            for part in _cut(text + "\n\n"):
                yield _Piece(part, section.page, is_prose)


def _blocks(text: str) -> Iterator[list[str]]:
    """Paragraphs, lists, tables and pieces of code, as lines."""
    lines = text.split("\n")
    fence_ends = [at for at, line in enumerate(lines) if _FENCE_END.match(line)]
    block: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        end = bisect_right(fence_ends, at) if _FENCE.match(line) else len(fence_ends)
        if end < len(fence_ends):
            yield from [block] if block else []
            yield lines[at : fence_ends[end] + 1]
            block, at = [], fence_ends[end] + 1
            continue
        if block and (not line.strip() or line.startswith("|") != block[-1].startswith("|")):
            yield block
            block = []
        if line.strip():
            block.append(line)
        at += 1
    yield from [block] if block else []


def _is_code(block: list[str]) -> bool:
    first, last = block[0], block[-1]
    return (
        len(block) > 2
        and max(len(first), len(last)) <= _LONGEST_FENCE
        and bool(_FENCE.match(first) and _FENCE_END.match(last))
    )


def _of_code(block: list[str], page: int | None) -> Iterator[_Piece]:
    first, last = block[0] + "\n", block[-1].strip()
    whole = "\n".join(block) + "\n\n"
    if size(whole) <= LONGEST:
        yield _Piece(whole, page)
        return
    parts = [part for line in _LINES.findall("\n".join(block[1:-1])) for part in _cut(line, 1)]
    for at, part in enumerate(parts):
        is_last = at == len(parts) - 1
        text = (first if at == 0 else "") + part + (f"\n{last}\n\n" if is_last else "")
        yield _Piece(text, page, lead=first if at else "", tail="" if is_last else last)


def _of_table(block: list[str], page: int | None) -> Iterator[_Piece]:
    head = 2 if _TABLE_RULE.match(block[1]) else 1
    header = "\n".join(block[:head]) + "\n"
    if size(header) > _LONGEST_HEADER or len(block) == head:
        head, header = 0, ""
    parts = [part for row in block[head:] for part in _cut(row + "\n", 1)]
    for at, part in enumerate(parts):
        text = (header if at == 0 else "") + part + ("\n" if at == len(parts) - 1 else "")
        yield _Piece(text, page, lead=header if at else "")


def _cut(text: str, how: int = 0) -> Iterator[str]:
    """Into parts of at most the target: at lines if that does, or else at sentences, words, characters."""
    if size(text) <= (LONGEST if how == 0 else TARGET):
        yield text
    elif how == len(_CUTS):
        yield from _characters(text)
    else:
        for part in _CUTS[how](text):
            yield from _cut(part, how + 1)


def _sentences(text: str) -> list[str]:
    ends = [end.end() for end in _SENTENCE_END.finditer(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)]) if start < end]


_CUTS: Final = (_LINES.findall, _sentences, _WORDS.findall)


def _characters(text: str) -> Iterator[str]:
    """Not between a character and what clings to it, unless that has no end."""
    start = 0
    while start < len(text):
        end = start + TARGET // 2
        for _ in range(_MOST_CLINGING):
            if end < len(text) and (_CLINGING.match(text[end]) or text[end - 1] == "\u200d"):
                end -= 1
        yield text[start:end]
        start = end


def _joined(runs: Iterable[list[_Draft]]) -> Iterator[_Draft]:
    """Small neighbours under one parent become one chunk, each with its own heading in the text."""
    group: list[_Draft] = []
    for run in runs:
        if not _fits(group, run):
            yield from _as_one(group)
            group = []
        if len(run) == 1 and size(run[0].text) <= _SMALL:
            group += run
        else:
            yield from _as_one(group)
            group = []
            yield from run
    yield from _as_one(group)


def _fits(group: Sequence[_Draft], run: Sequence[_Draft]) -> bool:
    """What a parent says itself, before its first child, is a neighbour too."""
    if not group or len(run) != 1 or not run[0].headings:
        return False
    first, parent = group[0].headings, run[0].headings[:-1]
    shared = {first, first[:-1]} if len(group) == 1 else {group[1].headings[:-1]}
    return (
        parent in shared
        and sum(size("".join((*draft.headings[-1:], draft.text))) + 20 for draft in (*group, *run)) <= TARGET
    )


def _as_one(group: Sequence[_Draft]) -> Iterator[_Draft]:
    if len(group) < 2:
        yield from group
        return
    parent = group[1].headings[:-1]
    mark = "#" * min(len(parent) + 1, 6)
    texts = (
        draft.text if draft.headings == parent else f"{mark} {draft.headings[-1]}\n\n{draft.text}" for draft in group
    )
    yield _Draft(parent, "\n\n".join(texts), group[0].page)
