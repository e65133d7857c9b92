"""What pages a site says it has: sitemaps (sitemaps.org), in XML, packed or plain. Nothing here fetches anything."""

import re
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Final
from urllib.parse import urljoin, urlsplit
from xml.parsers import expat

from konstruct.errors import BadInput, Unreadable

MOST_BYTES: Final = 50 * 1024 * 1024
"""Of one sitemap, unpacked."""
MOST_PAGES: Final = 50_000
"""Of one sitemap, and of one site."""
MOST_LINES: Final = 2 * MOST_PAGES
MOST_ELEMENTS: Final = 1_000_000
"""Of one sitemap: twenty for each page that it may hold."""
MOST_SITEMAPS: Final = 500
DEEPEST: Final = 3
"""A sitemap that is named in one that is named in one."""
LONGEST_URL: Final = 2048

_IS_XML: Final = re.compile(rb"(\xef\xbb\xbf)?\s*<|\xff\xfe|\xfe\xff")  # UTF-16 begins with one of the latter two.


@dataclass(frozen=True)
class Sitemap:
    """By URL, both the pages and the further sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def read(content: bytes) -> Sitemap:
    """What one sitemap says, wherever it points to.

    Raises:
        Unreadable: it is no sitemap, or one that is too large or would harm its reader.
    """
    content = _unpacked(content)
    return _Reader().read(content) if _IS_XML.match(content) else _plain(content)


class Walk:
    """The pages of one site, sitemap by sitemap: whoever walks fetches what `next` names and hands it to `take`.

    A site speaks for its own pages alone. Its sitemaps may lie elsewhere if its robots.txt names them.
    """

    def __init__(self, site: str, sitemaps: Sequence[str], named_by_robots: Iterable[str] = ()) -> None:
        """``site`` is any URL of it. Raises BadInput when a sitemap lies elsewhere and robots.txt does not name it."""
        self._site = _host(site)
        named = [_joined(site, url) for url in named_by_robots]
        self._hosts = {self._site, *(_host(url) for url in named)}
        self._waiting: deque[tuple[str, int]] = deque()
        self._seen: set[str] = set()
        self._pages: dict[str, None] = {}
        for url in sitemaps:
            if not _host(url) or _host(url) not in self._hosts:
                raise BadInput(f"The sitemap is not on {self._site}, and that site's robots.txt does not name it.")
        for url in (*sitemaps, *named):
            self._await(url, 1)

    @property
    def pages(self) -> list[str]:
        return list(self._pages)

    def next(self) -> str | None:
        """The sitemap to fetch now, again and again the same until it is taken or left; None at the end."""
        return self._waiting[0][0] if self._waiting and len(self._pages) < MOST_PAGES else None

    def leave(self) -> None:
        """Goes on without the one that `next` names."""
        self._waiting.popleft()

    def take(self, content: bytes) -> None:
        """Takes in what the sitemap that `next` names turned out to hold. Raises Unreadable, and it is left."""
        url, depth = self._waiting.popleft()
        found = read(content)
        for page in found.pages:
            if _host(page) == self._site and len(self._pages) < MOST_PAGES:
                self._pages[page] = None
        for further in found.sitemaps:
            if depth < DEEPEST:
                self._await(_joined(url, further), depth + 1)

    def _await(self, url: str, depth: int) -> None:
        if _host(url) in self._hosts - {""} and url not in self._seen and len(self._seen) < MOST_SITEMAPS:
            self._seen.add(url)
            self._waiting.append((url, depth))


class _Reader:
    """Takes what it wants out of the XML as it goes by, and builds no tree that could grow."""

    def __init__(self) -> None:
        self._namespace = ""
        self._path: list[str] = []
        self._elements = 0
        self._text = ""
        self._url = ""
        self._pages: list[str] = []
        self._sitemaps: list[str] = []

    def read(self, content: bytes) -> Sitemap:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._say
        parser.EndElementHandler = self._end
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise Unreadable(f"The sitemap is no well-formed XML; it goes wrong in line {error.lineno}.") from None
        except (LookupError, ValueError):
            raise Unreadable("The sitemap is written in an encoding that XML does not know; UTF-8 is best.") from None
        return Sitemap(tuple(self._pages), tuple(self._sitemaps))

    def _refuse(self, *_: object) -> None:
        # No sitemap needs one, and with it come entities, which unfold to gigabytes or name files of this machine.
        raise Unreadable("The sitemap begins with a DOCTYPE, which is not read here.")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        # Of elements with the root's own namespace alone: extensions have a `loc` too, for pictures and films.
        namespace, _, local = name.rpartition(" ")
        if not self._path:
            self._namespace = namespace
            if local not in ("urlset", "sitemapindex"):
                raise Unreadable(f"This is no sitemap but XML or HTML that begins with <{local[:40]}>.")
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise Unreadable("The sitemap holds far more than its pages; it should be split.")
        self._path.append(local if namespace == self._namespace else name)
        self._text = ""

    def _say(self, text: str) -> None:
        if len(self._text) <= LONGEST_URL:
            self._text += text

    def _end(self, _: str) -> None:
        match self._path:
            case [_, "url" | "sitemap", "loc"]:
                self._url = self._text.strip()
            case ["urlset", "url"]:
                if _host(self._url) and len(self._pages) < MOST_PAGES:
                    self._pages.append(_without_fragment(self._url))
                self._url = ""
            case ["sitemapindex", "sitemap"]:
                if self._url and len(self._sitemaps) < MOST_PAGES:
                    self._sitemaps.append(self._url)
                self._url = ""
        self._path.pop()
        self._text = ""


def _plain(content: bytes) -> Sitemap:
    # Line by line: of millions of them no list is made.
    lines = (line.decode("utf-8-sig", "replace").strip() for line in islice(BytesIO(content), MOST_LINES))
    pages = [_without_fragment(line) for line in lines if _host(line)]
    if not pages:
        raise Unreadable("This is no sitemap: neither XML nor a list of addresses, one a line.")
    return Sitemap(tuple(pages[:MOST_PAGES]))


def _unpacked(content: bytes) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        unpacking = zlib.decompressobj(wbits=31)
        try:
            content = unpacking.decompress(content, MOST_BYTES + 1)
        except zlib.error:
            raise Unreadable("The sitemap looks packed with gzip, and cannot be unpacked.") from None
    if len(content) > MOST_BYTES:
        raise Unreadable("The sitemap holds more than the 50 MB that one may hold; it should be split.")
    return content


def _host(url: str) -> str:
    """Whose a page is: host, and port if it is not the usual one. Empty for what is no address of a page."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > LONGEST_URL:
        return ""
    return parts.hostname if port in (None, 80, 443) else f"{parts.hostname}:{port}"


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]
