"""Markdown: its headings as structure, lists, tables and code as they were, the rest as plain text."""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from konstruct.adapters.reading.outline import Outline, clean, one_line, table

_DEEPEST: Final = 60
_FRONT: Final = re.compile(r"\A---[ \t]*\n(?:(?P<matter>.*?)\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TITLE: Final = re.compile(r"""^title:[ \t]*["']?(.+?)["']?[ \t]*$""", re.M)
_TAGS: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?:script|style)\b.*?(?:</(?:script|style)\s*>|\Z)|</?[a-z!?][^<>]*>", re.I | re.S
)
_BREAK: Final = re.compile(r"<(?:br|/?p|/?div|/?li|/?tr)\b[^<>]*>", re.I)


def read(text: str, outline: Outline) -> None:
    text = clean(text)
    front = _FRONT.match(text)
    if front is not None:
        title = _TITLE.search(front["matter"] or "")
        outline.title = one_line(title[1]) if title else ""
        text = text[front.end() :]
    tokens = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable(["table", "strikethrough"]).parse(text)
    _Walk(outline).through(tokens)


class _Walk:
    """Goes through the flat list of tokens; what stands in one list or quotation becomes one block."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._lines: list[str] = []
        self._lists: list[int | None] = []
        """For each list that is open, its next number, or None for bullets."""
        self._mark = ""
        self._heading = 0
        self._rows: list[list[str]] = []

    def through(self, tokens: list[Token]) -> None:
        for token in tokens:
            self._opened_or_closed(token)
            self._filled(token)
            if token.level == 0 and token.nesting <= 0:
                self._outline.block("\n".join(self._lines))
                self._lines = []

    def _opened_or_closed(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self._heading = int(token.tag[1])
            case "heading_close":
                self._heading = 0
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._mark = self._next_mark()
            case "tr_open":
                self._rows.append([])
            case "table_close":
                self._lines.append(table(self._rows))
                self._rows = []

    def _next_mark(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _filled(self, token: Token) -> None:
        match token.type:
            case "inline" if self._rows:
                self._rows[-1].append(_plain(token.children or []))
            case "inline" if self._heading and token.level == 1:
                self._outline.heading(self._heading, _plain(token.children or []))
            case "inline":
                self._add(_plain(token.children or []))
            case "fence" | "code_block":
                self._add(f"```{token.info.strip()}\n{token.content.rstrip()}\n```")
            case "html_block":
                self._add(_without_tags(token.content))

    def _add(self, text: str) -> None:
        if not text.strip():
            return
        if not self._lists:
            # A quotation keeps its paragraphs apart.
            self._lines += ["", text]
            return
        indent = "  " * (len(self._lists) - 1)
        mark, self._mark = self._mark, ""
        first, *rest = text.split("\n")
        self._lines.append(indent + (mark or "  ") + first)
        self._lines += [f"{indent}  {line}" for line in rest]


def _plain(children: list[Token]) -> str:
    """What a reader sees, and the addresses that links of whole URLs lead to."""
    parts: list[str] = []
    links: list[tuple[int, str]] = []
    for child in children:
        match child.type:
            case "text" | "code_inline":
                parts.append(child.content)
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(child.content)
            case "html_inline" if _BREAK.fullmatch(child.content):
                parts.append("\n")
            case "link_open":
                links.append((len(parts), str(child.attrGet("href") or "")))
            case "link_close":
                start, address = links.pop()
                if address.startswith(("http://", "https://")) and address not in "".join(parts[start:]):
                    parts.append(f" ({address})")
    return "".join(parts)


def _without_tags(html: str) -> str:
    return re.sub(r"\n\s*\n", "\n", _TAGS.sub("", _BREAK.sub("\n", html))).strip()
