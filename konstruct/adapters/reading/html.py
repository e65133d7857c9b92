"""HTML pages: what is written on them, with headings, lists and tables, and without what is on every page of a site."""

import re
from copy import deepcopy
from typing import Any, Final

from lxml import etree

from konstruct.adapters.reading.outline import Outline, clean, one_line, table
from konstruct.errors import Unreadable

NEEDS_BROWSER: Final = (
    "This page is empty until its scripts have run, so it needs a browser. Open it in one, save it as PDF and upload "
    "that."
)

_UNREAD: Final = re.compile(
    "script|style|template|noscript|svg|math|iframe|object|canvas|audio|video|head|button|input|select|"
    "textarea|datalist|dialog"
)
_FRAME_TAGS: Final = frozenset({"nav", "footer"})
_FRAME_ROLES: Final = frozenset(
    {"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "complementary", "menubar"}
)
_FRAME_NAMES: Final = re.compile(
    "footer|cookie|cookies|cookiebanner|cookiebar|consent|gdpr|newsletter|popup|modal|toast|skiplink"
)
# These name what a page is about as often as what frames it: a menu may be a restaurant's. Its links tell.
_LINK_NAMES: Final = re.compile(
    "nav|navbar|navigation|navi|menu|sidebar|breadcrumb|breadcrumbs|pagination|pager|share|sharing|"
    "social|related|recommendations|toc|header|topbar"
)
_BLOCKS: Final = re.compile(
    "address|article|aside|blockquote|body|caption|center|dd|details|div|dl|dt|fieldset|figcaption|"
    "figure|footer|form|header|hgroup|hr|html|label|legend|li|main|nav|ol|p|section|summary|table|"
    "tbody|td|tfoot|th|thead|tr|ul"
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_NAME_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_PERMALINK: Final = re.compile(r"(?:¶|🔗|\s#)\s*\Z")
_ASKS_FOR_SCRIPTS: Final = re.compile("javascript", re.I)
# Characters that are no blanks.
_EMPTY: Final = 20
_ALMOST_EMPTY: Final = 300
# Shares of what is written on the page.
_MOST_IN_FRAME: Final = 0.5
_LEAST_IN_CONTENT: Final = 0.15


def read(text: str, outline: Outline) -> None:
    root = etree.fromstring(
        clean(text).encode(), etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    )
    if root is None:
        raise Unreadable("This page holds no text.")
    has_scripts = root.find(".//script") is not None
    outline.title = one_line(root.findtext(".//title") or "")
    _drop(root, [element for element in root.iter() if _UNREAD.fullmatch(element.tag) or _is_hidden(element)])
    written = "".join(root.itertext())
    length = _length(root)
    if has_scripts and (length < _EMPTY or (length < _ALMOST_EMPTY and _ASKS_FOR_SCRIPTS.search(written))):
        raise Unreadable(NEEDS_BROWSER)
    if not length:
        raise Unreadable("This page holds no text.")
    _Walk(outline).through(_content(root, length))


def _content(root: Any, length: int) -> Any:
    """The page without its frame, and of that the main part; if hardly anything is left so, the frame was the page."""
    bare = deepcopy(root)
    _drop(bare, [element for element in bare.iter() if _is_frame(element, length)])
    left = _length(bare)
    if left < length * _LEAST_IN_CONTENT:
        return root
    main = max(bare.xpath("//main | //*[@role='main'] | //article[count(//article)=1]"), key=_length, default=bare)
    return main if _length(main) >= left * _MOST_IN_FRAME else bare


def _is_frame(element: Any, length: int) -> bool:
    role = element.get("role", "").strip().lower()
    if element.tag in _FRAME_TAGS or role in _FRAME_ROLES:
        return True
    if element.tag in {"html", "body", "main", "article"} or role == "main":
        return False
    if element.tag == "aside" and next(element.iterancestors("main", "article"), None) is None:
        return True
    names = {part.lower() for part in _NAME_PARTS.findall(f"{element.get('class', '')} {element.get('id', '')}")}
    if any(map(_FRAME_NAMES.fullmatch, names)):
        return _length(element) < length * _MOST_IN_FRAME
    if not any(map(_LINK_NAMES.fullmatch, names)):
        return False
    linked = sum(_length(link) for link in element.iter("a"))
    return linked > _length(element) * _MOST_IN_FRAME


def _is_hidden(element: Any) -> bool:
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or _HIDDEN.search(element.get("style", "")) is not None
    )


def _drop(root: Any, elements: list[Any]) -> None:
    """Leaves what stands behind them where it is."""
    for element in elements:
        if element is not root:
            element.tag = "dropped"
    etree.strip_elements(root, "dropped", with_tail=False)


def _length(element: Any) -> int:
    return sum(len("".join(text.split())) for text in element.itertext())


class _Walk:
    """Through the tree without recursion: pages nest as deeply as they like."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._words: list[str] = []
        self._lists: list[int | None] = []
        """For each list that is open, its next number, or None for bullets."""
        self._mark = ""
        self._items: list[str] = []

    def through(self, content: Any) -> None:
        walk = etree.iterwalk(content, events=("start", "end"))
        for event, element in walk:
            if event == "end":
                self._left(element)
                if element is not content:
                    self._words.append(_spaced(element.tail))
            elif element.tag == "pre" or (element.tag == "table" and _is_of_data(element)):
                self._end_block()
                self._end_list()
                self._outline.block(_code(element) if element.tag == "pre" else _table(element))
                walk.skip_subtree()
            else:
                self._entered(element)
                self._words.append(_spaced(element.text))
        self._end_block()
        self._end_list()

    def _entered(self, element: Any) -> None:
        tag = element.tag
        if tag == "br":
            self._words.append("\n")
        if not _BLOCKS.fullmatch(tag) and tag not in _HEADINGS:
            return
        self._end_block()
        match tag:
            case "ul" | "dl":
                self._lists.append(None)
            case "ol":
                start = element.get("start", "1")
                self._lists.append(int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 1)
            case "li" | "dt" if self._lists:
                number = self._lists[-1]
                self._mark = "- " if number is None else f"{number}. "
                self._lists[-1] = None if number is None else number + 1

    def _left(self, element: Any) -> None:
        tag = element.tag
        if tag in _HEADINGS:
            self._end_list()
            text, self._words = "".join(self._words), []
            self._outline.heading(_HEADINGS[tag], _PERMALINK.sub("", text))
        elif _BLOCKS.fullmatch(tag):
            self._end_block()
            if tag in {"ul", "ol", "dl"}:
                self._lists.pop()
                if not self._lists:
                    self._end_list()

    def _end_block(self) -> None:
        text, self._words = "".join(self._words), []
        lines = [" ".join(line.split()) for line in text.split("\n")]
        lines = [line for line in lines if line]
        if not lines:
            return
        if not self._lists:
            self._outline.block("\n".join(lines))
            return
        indent = "  " * (len(self._lists) - 1)
        mark, self._mark = self._mark or "  ", ""
        self._items += [indent + (mark if position == 0 else "  ") + line for position, line in enumerate(lines)]

    def _end_list(self) -> None:
        self._outline.block("\n".join(self._items))
        self._items = []


def _is_of_data(element: Any) -> bool:
    """And not one that only puts parts of a page side by side."""
    return all(inner is element for inner in element.iter("table", "ul", "ol", "pre", "article", *_HEADINGS))


def _table(element: Any) -> str:
    caption = element.find("caption")
    rows = [[_flat(cell) for cell in row if cell.tag in {"td", "th"}] for row in element.iter("tr")]
    return (_flat(caption) + "\n\n" if caption is not None else "") + table(rows)


def _flat(element: Any) -> str:
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        if _BLOCKS.fullmatch(inner.tag) or inner.tag == "br":
            parts.append(" ")
        parts.append((inner.text if event == "start" else inner.tail if inner is not element else None) or "")
    return "".join(parts)


def _code(element: Any) -> str:
    for line_end in element.iter("br"):
        line_end.text = "\n"
    return "```\n" + "".join(element.itertext()).strip("\n") + "\n```"


def _spaced(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")
