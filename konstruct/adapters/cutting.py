"""Cuts texts into parts that a channel takes: between paragraphs if it can be, and never within a character."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

PARAGRAPH: Final = re.compile(r".+?(?:\n(?:[ \t]*\n)+|\Z)", re.DOTALL)
LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")

_JOINER: Final = "\u200d"
_LONGEST_CLUSTER: Final = 100

_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
# Beside control characters: orders to turn the direction of text, which disguise links, and halves of
# characters, which no JSON may hold.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def without_unwanted(text: str) -> str:
    """One kind of line ends, and no characters that nobody sees."""
    return _UNWANTED.sub("", _LINE_END.sub("\n", text))


def is_visible(text: str) -> bool:
    return any(char.isprintable() and not char.isspace() for char in text)


def utf16_length(text: str) -> int:
    """As vendors may count at most."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, limit: int, units: Sequence[re.Pattern[str]], measure: Callable[[str], int]) -> Iterator[str]:
    """Pieces no longer than the limit, cut at the first kind of unit that is short enough."""
    if measure(text) <= limit:
        yield text
    elif units:
        for unit in units[0].finditer(text):
            yield from cut(unit[0], limit, units[1:], measure)
    else:
        yield from _clusters(text)


def fill(pieces: Iterable[str], limit: int, measure: Callable[[str], int]) -> Iterator[str]:
    """Joins neighbours as long as they fit together."""
    joined: list[str] = []
    size = 0
    for piece in pieces:
        more = measure(piece)
        if joined and size + more > limit:
            yield "".join(joined)
            joined, size = [], 0
        joined.append(piece)
        size += more
    yield "".join(joined)


def fenced(
    opening: str, body: str, closing: str, limit: int, measure: Callable[[str], int] = utf16_length
) -> Iterator[str]:
    """Code that is too long for one part, closed in each and opened again in the next."""
    room = limit - measure(opening + closing) - 1
    for part in fill(cut(body, room, (LINE,), measure), room, measure):
        yield opening + part + ("" if part.endswith("\n") else "\n") + closing


def _clusters(text: str) -> Iterator[str]:
    """What people see as one character: an accent, a flag or a family is not cut in two."""
    cluster = ""
    for char in text:
        if cluster and not (_extends(cluster, char) and len(cluster) < _LONGEST_CLUSTER):
            yield cluster
            cluster = ""
        cluster += char
    yield cluster


def _extends(cluster: str, char: str) -> bool:
    if "\U0001f1e6" <= char <= "\U0001f1ff":  # Two such letters are one flag.
        return len(cluster) == 1 and "\U0001f1e6" <= cluster <= "\U0001f1ff"
    return (
        cluster[-1] == _JOINER
        or char == _JOINER
        or unicodedata.category(char).startswith("M")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
        or "\u1160" <= char <= "\u11ff"
    )
