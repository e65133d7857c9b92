"""A document while it is being read: what stands under which headings, cleaned, and no more of it than is allowed."""

import re
import unicodedata
from typing import Final, TypedDict

from konstruct.errors import Unreadable

LONGEST_TEXT: Final = 5_000_000
MOST_SECTIONS: Final = 5_000
# What is longer is a paragraph that somebody made large.
LONGEST_HEADING: Final = 200

_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES: Final = re.compile("[\xa0\u2000-\u200a\u202f\u205f]")
# Controls, halves of characters, marks that nobody sees. The last range can spell out a text to a model while a
# person reads an empty line.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_LINE_REST: Final = re.compile(r"[ \t]+(?=\n|\Z)")
_GAPS: Final = re.compile(r"\n{3,}")


class SectionFound(TypedDict):
    headings: list[str]
    text: str
    page: int | None


def clean(text: str) -> str:
    """Composed Unicode (NFC) with line feeds, without what is no text."""
    text = _SPACES.sub(" ", _LINE_ENDS.sub("\n", text))
    return unicodedata.normalize("NFC", _UNSEEN.sub("", text))


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


class Outline:
    """Told of headings and blocks in the document's order, it makes the sections."""

    def __init__(self) -> None:
        self.title = ""
        """What the document calls itself, where its format has a place for that."""
        self._path: list[tuple[int, str]] = []
        self._blocks: list[str] = []
        self._has_text = True
        self._page: int | None = None
        self._sections: list[SectionFound] = []
        self._length = 0

    def heading(self, level: int, text: str) -> None:
        """The smaller the level, the further out."""
        text = one_line(text)
        if not text:
            return
        if len(text) > LONGEST_HEADING:
            self.block(text)
            return
        deeper = bool(self._path) and level > self._path[-1][0]
        self._close(keep_empty=not deeper)
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, text))
        self._has_text = False
        self._count(text)

    def block(self, text: str) -> None:
        """A paragraph, a list, a table in Markdown, a piece of code."""
        text = _GAPS.sub("\n\n", _LINE_REST.sub("", clean(text))).strip("\n")
        if text.strip():
            self._blocks.append(text)
            self._has_text = True
            self._count(text)

    def page(self, number: int) -> None:
        """A page begins; counted from 1."""
        self._close(keep_empty=False)
        self._page = number

    def finished(self) -> list[SectionFound]:
        self._close(keep_empty=True)
        return self._sections

    @property
    def first_heading(self) -> str:
        return next((section["headings"][0] for section in self._sections if section["headings"]), "")

    def _close(self, *, keep_empty: bool) -> None:
        """A heading with nothing under it, not even further headings, is kept for its own words."""
        if self._blocks or (keep_empty and not self._has_text):
            if len(self._sections) == MOST_SECTIONS:
                raise Unreadable(f"It has more than {MOST_SECTIONS:,} sections; split it into smaller documents.")
            headings = [text for _, text in self._path]
            self._sections.append({"headings": headings, "text": "\n\n".join(self._blocks), "page": self._page})
            self._has_text = True
        self._blocks = []

    def _count(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise Unreadable(
                f"It holds more than {LONGEST_TEXT:,} characters of text; split it into smaller documents."
            )


def table(rows: list[list[str]]) -> str:
    """As Markdown, its first row as the header; what has one column is no table but lines."""
    rows = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    if width < 2:
        return "\n".join(row[0] for row in rows)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])
