"""Word documents: headings by style, lists, tables, footnotes; what was deleted with changes tracked is not there."""

import io
import re
from collections.abc import Iterator
from typing import Any, Final

import docx
from docx.document import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.styles.style import ParagraphStyle
from lxml import etree

from konstruct.adapters.reading.outline import Outline, one_line, table
from konstruct.errors import Unreadable

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# An alternative to what stands beside it, or what was struck out or moved elsewhere.
_LEFT_OUT: Final = frozenset(
    {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback", _W + "del", _W + "moveFrom"}
)
_AS_TEXT: Final = {_W + "tab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_HEADING: Final = re.compile(r"heading (\d)", re.I)
_LIST: Final = re.compile(r"list (?:bullet|number|continue)", re.I)
_STYLES_DEEP: Final = 12


def read(content: bytes, outline: Outline) -> None:
    try:
        document = docx.Document(io.BytesIO(content))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise Unreadable("This DOCX is damaged, or is no document of Word; open it there and save it again.") from error
    outline.title = one_line(document.core_properties.title or "")
    _Walk(document, outline).through(document.element.body)
    for note in _footnotes(document):
        outline.block(note)


class _Walk:
    def __init__(self, document: Document, outline: Outline) -> None:
        self._outline = outline
        self._styles = {
            style.style_id: style for style in document.styles if isinstance(style, ParagraphStyle) and style.style_id
        }
        self._known: dict[str, tuple[int | None, bool]] = {}
        self._list: list[str] = []

    def through(self, body: Any) -> None:
        for element in _inner(body):
            if element.tag == _W + "tbl":
                self._end_list()
                self._outline.block(
                    table([[_cell(cell) for cell in _children(row, "tc")] for row in _children(element, "tr")])
                )
            else:
                self._paragraph(element)
        self._end_list()

    def _paragraph(self, element: Any) -> None:
        text = _text(element)
        if not text.strip():
            return
        level, is_item = self._role(element)
        if is_item and level is None:
            depth = element.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")
            self._list.append("  " * min(_number(depth), 8) + "- " + text.strip())
            return
        self._end_list()
        if level is not None:
            self._outline.heading(level, text)
        else:
            self._outline.block(text)

    def _end_list(self) -> None:
        if self._list:
            self._outline.block("\n".join(self._list))
        self._list = []

    def _role(self, element: Any) -> tuple[int | None, bool]:
        """The level of a heading, and whether it is an item of a list: by the paragraph's own marks, or its style's."""
        own = element.find(f"{_W}pPr")
        style = own.find(f"{_W}pStyle") if own is not None else None
        level, is_item = self._of_style(style.get(f"{_W}val", "") if style is not None else "")
        if own is None:
            return level, is_item
        outline_level = own.find(f"{_W}outlineLvl")
        if outline_level is not None and _number(outline_level) < 9:
            level = _number(outline_level) + 1
        numbering = own.find(f"{_W}numPr/{_W}numId")
        return level, is_item if numbering is None else _number(numbering) != 0

    def _of_style(self, style_id: str) -> tuple[int | None, bool]:
        """Styles are based upon one another, and Word's own keep their English names in all languages."""
        if style_id not in self._known:
            level, is_item = None, False
            style = self._styles.get(style_id)
            for _ in range(_STYLES_DEEP):
                if style is None:
                    break
                name = style.name or ""
                heading = _HEADING.match(name)
                if level is None and (heading or name == "Title"):
                    level = int(heading[1]) if heading else 0
                is_item = (
                    is_item or _LIST.match(name) is not None or style.element.find(f"{_W}pPr/{_W}numPr") is not None
                )
                base = style.base_style
                style = base if isinstance(base, ParagraphStyle) else None
            self._known[style_id] = level, is_item
        return self._known[style_id]


def _inner(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, those of content controls and tracked insertions as well."""
    waiting = list(reversed(parent))
    while waiting:
        element = waiting.pop()
        if element.tag in {_W + "p", _W + "tbl"}:
            yield element
        elif element.tag in {
            _W + "sdt",
            _W + "sdtContent",
            _W + "ins",
            _W + "moveTo",
            _W + "customXml",
            _W + "smartTag",
        }:
            waiting += reversed(element)


def _children(parent: Any, tag: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, which content controls may wrap too."""
    for element in parent:
        if element.tag == _W + tag:
            yield element
        elif element.tag in {_W + "sdt", _W + "sdtContent"}:
            yield from _children(element, tag)


def _cell(cell: Any) -> str:
    return " ".join(filter(None, (_text(paragraph).strip() for paragraph in cell.iter(_W + "p"))))


def _text(paragraph: Any) -> str:
    parts: list[str] = []
    left_out = None
    for event, element in etree.iterwalk(paragraph, events=("start", "end")):
        if event == "end":
            left_out = None if element is left_out else left_out
        elif left_out is None:
            if element.tag in _LEFT_OUT:
                left_out = element
            elif element.tag == _W + "t":
                parts.append(element.text or "")
            else:
                parts.append(_AS_TEXT.get(element.tag, ""))
    return "".join(parts)


def _number(element: Any) -> int:
    value = element.get(f"{_W}val", "0") if element is not None else "0"
    return int(value) if value.isascii() and value.isdigit() else 0


def _footnotes(document: Document) -> Iterator[str]:
    for part in document.part.package.iter_parts():
        if part.content_type.endswith(("wordprocessingml.footnotes+xml", "wordprocessingml.endnotes+xml")):
            root = etree.fromstring(part.blob, etree.XMLParser(resolve_entities=False))
            for note in root:
                yield " ".join(filter(None, (_text(paragraph).strip() for paragraph in note.iter(_W + "p"))))
