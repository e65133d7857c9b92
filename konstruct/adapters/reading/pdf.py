"""PDF: its pages as paragraphs, under the headings of its bookmarks if it has any."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD

from konstruct.adapters.reading.outline import MOST_SECTIONS, Outline, clean, one_line
from konstruct.errors import Unreadable

_FEWEST_LETTERS: Final = 4
# Of each page's first and last lines, and of all pages: what stands on more than half of them frames the text.
_FRAME_LINES: Final = 2
_FEWEST_PAGES_WITH_FRAME: Final = 4
_DIGITS: Final = re.compile(r"\d+")
_FULL_LINE: Final = 0.75
_SHORTEST_FULL: Final = 30
_ENDS_SENTENCE: Final = re.compile(r"[.!?:…。！？؟۔][\"'”’»)\]]*\Z")
_BEGINS_ITEM: Final = re.compile(r"(?:[-–•▪●◦‣*]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_HYPHEN_AT_END: Final = re.compile(r"(?<=[^\W\d_])[-\u2010\u0002\ufffe]\Z")
_WIDE_AT_END: Final = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]\\Z")


@dataclass(frozen=True)
class _Bookmark:
    level: int
    title: str
    page: int


def read(content: bytes, outline: Outline) -> None:
    with _opened(content) as document:
        if len(document) > MOST_SECTIONS:
            raise Unreadable(f"It has more than {MOST_SECTIONS:,} pages; split it into smaller documents.")
        outline.title = one_line(document.get_metadata_value("Title"))
        bookmarks = list(_bookmarks(document))
        pages = [_lines(document, index) for index in range(len(document))]
    letters = sum(character.isalnum() for page in pages for line in page for character in line)
    if letters < _FEWEST_LETTERS * max(len(pages), 1):
        raise Unreadable(
            "This PDF holds pictures of its pages and no text, as scans do. Put it through text recognition (OCR) "
            "first."
        )
    frame = _frame(pages)
    for index, lines in enumerate(pages):
        outline.page(index + 1)
        lines = [line for line in lines if _framing(line) not in frame]
        _page(lines, [bookmark for bookmark in bookmarks if bookmark.page == index], outline)


def _opened(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if error.err_code == FPDF_ERR_PASSWORD:
            raise Unreadable("This PDF is protected by a password; upload it without one.") from None
        raise Unreadable("This PDF is damaged or was cut off; upload it again.") from None


def _bookmarks(document: pypdfium2.PdfDocument) -> Iterator[_Bookmark]:
    for count, entry in enumerate(document.get_toc()):
        if count == MOST_SECTIONS:
            return
        target = entry.get_dest()
        page = target.get_index() if target is not None else None
        if page is not None:
            yield _Bookmark(entry.level, one_line(entry.get_title()), page)


def _lines(document: pypdfium2.PdfDocument, index: int) -> list[str]:
    """A page that cannot be read has none: better a document without it than no document."""
    try:
        page = document[index]
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        return []
    lines = [line.strip() for line in re.split("[\r\n]+", text.get_text_range())]
    text.close()
    page.close()
    return [line for line in lines if line]


def _framing(line: str) -> str:
    return _DIGITS.sub("0", line)


def _frame(pages: list[list[str]]) -> set[str]:
    """Running headers and footers, numbers of pages among them."""
    if len(pages) < _FEWEST_PAGES_WITH_FRAME:
        return set()
    seen = Counter(line for page in pages for line in set(map(_framing, page[:_FRAME_LINES] + page[-_FRAME_LINES:])))
    return {line for line, count in seen.items() if count > len(pages) / 2}


def _page(lines: list[str], bookmarks: list[_Bookmark], outline: Outline) -> None:
    """A bookmark's heading goes where its title stands on the page; one whose title does not, at the page's top."""
    places: list[tuple[int, _Bookmark]] = []
    after = 0
    for bookmark in bookmarks:
        found = next((at for at in range(after, len(lines)) if _is_heading(lines[at], bookmark.title)), None)
        places.append((after if found is None else found, bookmark))
        if found is not None:
            lines[found] = ""
            after = found
    start = 0
    for place, bookmark in places:
        for paragraph in _paragraphs(lines[start:place]):
            outline.block(paragraph)
        outline.heading(bookmark.level, bookmark.title)
        start = place
    for paragraph in _paragraphs(lines[start:]):
        outline.block(paragraph)


def _is_heading(line: str, title: str) -> bool:
    """It may have a number that its bookmark has not, or the other way around."""
    line, title = (" ".join(one_line(text).casefold().split()).lstrip("0123456789. ") for text in (line, title))
    return line == title != ""


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """What fills its line goes on in the next one; a shorter line that ends a sentence ends a paragraph."""
    lines = [line for line in lines if line]
    full = _width(lines) * _FULL_LINE
    text = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        hyphen = _HYPHEN_AT_END.search(line)
        if hyphen and following[:1].islower():
            text += line[: hyphen.start()]
            continue
        text += clean(line)
        if len(line) < full and _ENDS_SENTENCE.search(line):
            yield text
            text = ""
        elif len(line) < full or _BEGINS_ITEM.match(following):
            text += "\n"
        elif not _WIDE_AT_END.search(line):
            text += " "
    yield text


def _width(lines: list[str]) -> float:
    """Of a line that is full, in characters."""
    lengths = [len(line) for line in lines]
    return max(quantiles(lengths, n=10)[-1] if len(lengths) > 1 else sum(lengths), _SHORTEST_FULL)
