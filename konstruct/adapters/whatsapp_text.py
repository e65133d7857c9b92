"""Turns a model's Markdown into parts in WhatsApp's markup, in which nothing else is markup. Pure functions, no calls.

WhatsApp knows no escapes: a character that could format, and is not meant to, is replaced by one that looks like it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from konstruct.adapters.cutting import LINE, PARAGRAPH, cut, fenced, fill, is_visible, utf16_length, without_unwanted
from konstruct.channels import WHATSAPP

LONGEST_PARAGRAPH: Final = 8_000
"""In a longer one no Markdown is looked for, which could take time without measure."""
_DEEPEST: Final = 100


def _read_paragraphs(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and len(token.content) <= LONGEST_PARAGRAPH:
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)
        elif token.type == "inline":
            lines = [Token("text", "", 0, content=line) for line in token.content.split("\n")]
            token.children = [one for line in lines for one in (Token("softbreak", "br", 0), line)]


# References stay as they are written: what defines them would be lost where nothing refers to it.
_MARKDOWN: Final = (
    MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    .enable(["table", "strikethrough"])
    .disable(["reference", "html_block", "html_inline"])
)
_MARKDOWN.core.ruler.at("inline", _read_paragraphs)
_LONG_RUN = re.compile(r"([\[\](){}<>!*_~`|#&\\])\1{16,}")

_FENCE: Final = "```"
_MARKS: Final = {"strong": "*", "em": "_", "s": "~"}
_LOOK_ALIKE: Final = str.maketrans("*_~`", "∗ˍ∼ˋ")
# At the edge of a word a mark can begin or end what is formatted; within one, or alone between blanks, it cannot.
_EDGE = re.compile(r"(?<=\s)[*_~]+(?=\s)|(?<![^\W_])[*_~]+|[*_~]+(?![^\W_])|`+")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,15}://[^\s<>]+", re.IGNORECASE)
_TICKS = re.compile(r"`{3,}")

_SENTENCE = re.compile(r".+?(?:[.!?…][\"'”’)\]]*\s+|[。！？]|\Z)", re.DOTALL)
_WORD = re.compile(r"\S+\s*|\s+")

_ROOM: Final = 256
"""For what stands before a line: quotes, blanks and a number."""


def split(text: str) -> list[str]:
    """Parts for one message each, in order and as few as can be; text without anything to see is a ValueError."""
    limit = WHATSAPP.longest_text
    parts = [part.strip("\n") for part in fill(_pieces(text, limit), limit, utf16_length) if is_visible(part)]
    if not parts:
        raise ValueError("There is nothing to say.")
    return parts


def plain(text: str, most: int) -> str:
    """On one line and without markup, such as a button's title; the end of what is too long is left out."""
    line = " ".join(without_unwanted(text).split())
    if utf16_length(line) <= most:
        return line
    return next(fill(cut(line, most - 1, (_WORD,), utf16_length), most - 1, utf16_length)).rstrip() + "…"


def _pieces(text: str, limit: int) -> Iterator[str]:
    for block in _blocks(_LONG_RUN.sub(lambda run: run[1] * 16, without_unwanted(text))):
        if not block.is_code:
            yield from cut(block.text, limit, (PARAGRAPH, LINE, _SENTENCE, _WORD), utf16_length)
        else:
            yield from fenced(f"{_FENCE}\n", block.text, f"{_FENCE}\n", limit)


@dataclass(frozen=True)
class _Block:
    text: str
    """With the line ends that follow it."""
    is_code: bool = False


def _blocks(text: str) -> Sequence[_Block]:
    blocks = _Walk().through(_MARKDOWN.parse(text))
    if any(block.is_code or is_visible(block.text) for block in blocks):
        return blocks
    return [_Block(_literal(text))]


@dataclass(frozen=True)
class _Run:
    """Text of one kind within a line."""

    text: str
    marks: str = ""
    is_code: bool = False
    is_address: bool = False

    @property
    def rendered(self) -> str:
        """Without its marks, and without anything that is taken for one."""
        if self.is_code:
            return self.text.replace("`", "ˋ")
        return _address(self.text) if self.is_address else _literal(self.text)


class _Walk:
    """Goes through the flat list of tokens; what it has gathered becomes a block where one ends."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._lines: list[str] = []
        self._quotes = 0
        self._lists: list[int | None] = []
        """For each list that is open, its next number, or None for bullets."""
        self._marker = ""
        self._heading = False
        self._names: list[str] = []
        self._cells: list[str] | None = None

    def through(self, tokens: Sequence[Token]) -> list[_Block]:
        for token in tokens:
            self._take(token)
            if token.level == 0 and token.nesting <= 0:
                self._end_block("\n\n")
        return self._blocks

    def _take(self, token: Token) -> None:
        match token.type:
            case "inline":
                self._inline(token)
            case "fence" | "code_block":
                self._end_block("\n")
                self._blocks.append(_Block(_TICKS.sub(lambda run: run[0].translate(_LOOK_ALIKE), token.content), True))
                self._blocks += [_Block("\n")] if token.level == 0 else []
            case "hr":
                self._line("———")
            case "heading_open" | "heading_close":
                self._heading = token.nesting > 0
            case "blockquote_open" | "blockquote_close":
                self._quotes += token.nesting
            case _:
                self._list(token)
                self._table(token)

    def _list(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 0) if token.attrGet("start") is not None else 1)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                number = self._lists[-1]
                self._marker = "- " if number is None else f"{number}. "
                self._lists[-1] = None if number is None else number + 1

    def _table(self, token: Token) -> None:
        match token.type:
            case "tr_open":
                self._cells = []
            case "thead_close":
                self._names = self._cells or []
            case "tbody_open":
                self._cells = None
            case "tr_close" if self._cells is not None and self._names:
                self._row(self._cells)
            case "table_close":
                # A table without rows is its heading.
                if self._cells is self._names:
                    self._line("; ".join(filter(None, self._names)))
                self._names, self._cells = [], None

    def _row(self, cells: Sequence[str]) -> None:
        pairs = [(name, cell) for name, cell in zip(self._names, cells, strict=False) if cell]
        self._marker = "- "
        self._line("; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs))

    def _inline(self, token: Token) -> None:
        lines = list(_lines(token.children or [], "*" if self._heading else ""))
        if self._cells is not None:
            self._cells.append(" ".join(lines))
            return
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        depth = max(0, len(self._lists) - 1)
        within = "" if self._marker or not self._lists else "  "
        self._lines.append("> " * self._quotes + "  " * depth + self._marker + within + line)
        self._marker = ""

    def _end_block(self, end: str) -> None:
        if self._lines:
            self._blocks.append(_Block("\n".join(self._lines) + end))
            self._lines = []


def _lines(tokens: Sequence[Token], marks: str) -> Iterator[str]:
    """What an inline token holds, line by line; one that no message can hold is left unmarked, as it will be cut."""
    for is_end, runs in groupby(_runs(tokens, marks), key=lambda run: run.text == "\n"):
        if is_end:
            continue
        line = list(runs)
        marked = _marked(line)
        if utf16_length(marked) > WHATSAPP.longest_text - _ROOM:
            marked = _marked([replace(run, marks="", is_code=False) for run in line])
        yield marked


def _runs(tokens: Sequence[Token], marks: str) -> Iterator[_Run]:
    """Line ends are runs of their own."""
    links: list[tuple[str, list[str]]] = []
    opened = [marks]
    for token in tokens:
        name = token.type.partition("_")[0]
        if name in _MARKS and token.nesting > 0:
            opened.append(_MARKS[name])
        elif name in _MARKS:
            opened.pop()
        elif token.type == "link_open":
            links.append((str(token.attrGet("href") or ""), []))
        elif token.type == "link_close":
            yield from _target(*links.pop())
        elif token.type == "image":
            yield _Run(_alternative(token))
            yield from _target(str(token.attrGet("src") or ""), [])
        elif token.type in {"softbreak", "hardbreak"}:
            yield _Run("\n")
        elif token.content:
            # What an entity stands for may be a line end, or worse.
            content = without_unwanted(token.content).replace("\n", " ")
            for _, said in links:
                said.append(content)
            # One within another of its kind is one.
            yield _Run(content, "".join(dict.fromkeys(opened)), is_code=token.type == "code_inline")


def _alternative(image: Token) -> str:
    said = without_unwanted("".join(child.content for child in image.children or [])).replace("\n", " ")
    return said if is_visible(said) else "[image]"


def _target(address: str, said: Sequence[str]) -> Iterator[_Run]:
    """Where a link leads, unless that is what it says; places on this machine and within the text lead nowhere."""
    scheme = urlsplit(address).scheme
    if scheme not in {"http", "https", "mailto", "tel"}:
        return
    shown = address.partition(":")[2] if scheme in {"mailto", "tel"} else address
    if "".join(said).strip().rstrip("/") in {shown.rstrip("/"), address, shown.partition("://")[2].rstrip("/")}:
        return
    yield _Run(" (")
    yield _Run(shown, is_address=True)
    yield _Run(")")


def _marked(runs: Sequence[_Run]) -> str:
    """One line. A run is marked where WhatsApp sees a mark: with blanks or punctuation, or nothing, around it."""
    merged = [
        _Run("".join(run.text for run in alike), marks, is_code, is_address)
        for (marks, is_code, is_address), alike in groupby(
            runs, key=lambda run: (run.marks, run.is_code, run.is_address)
        )
    ]
    line = ""
    for number, run in enumerate(merged):
        inner = run.text.strip()
        marks = _FENCE if run.is_code else run.marks
        if not inner or not marks or not _stands_alone(merged, number, inner):
            line += _Run(run.text, is_address=run.is_address).rendered
            continue
        before, _, after = run.text.partition(inner)
        said = _Run(inner, is_code=run.is_code).rendered
        line += f"{before}{marks}{said}{marks[::-1]}{after}"
    return line


def _stands_alone(runs: Sequence[_Run], number: int, inner: str) -> bool:
    text = runs[number].text
    before = text[: text.index(inner)] or (runs[number - 1].text if number else "")
    after = text[text.index(inner) + len(inner) :] or (runs[number + 1].text if number + 1 < len(runs) else "")
    return all(not edge or not (edge.isalnum() or edge in "*_~`") for edge in (before[-1:], after[:1]))


def _literal(text: str) -> str:
    """The text as it reads, in which nothing formats; addresses still lead where they led."""
    pieces, end = [], 0
    for address in _ADDRESS.finditer(text):
        pieces += [_without_edges(text[end : address.start()]), _address(address[0])]
        end = address.end()
    return "".join([*pieces, _without_edges(text[end:])])


def _without_edges(text: str) -> str:
    return _EDGE.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    text, before, after = found.string, found.start() - 1, found.end()
    is_alone = before >= 0 and text[before].isspace() and after < len(text) and text[after].isspace()
    return found[0] if is_alone and "`" not in found[0] else found[0].translate(_LOOK_ALIKE)


def _address(address: str) -> str:
    return _EDGE.sub(lambda found: "".join(f"%{ord(char):02X}" for char in found[0]), address)
