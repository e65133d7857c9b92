"""Words and patterns of an operator, looked for in what a contact wrote.

A pattern is matched by the ``regex`` library, which can be given a time limit. The standard library's ``re`` cannot,
and no look at a pattern tells for sure how long it may take.
"""

import math
import time
import unicodedata
from functools import lru_cache
from typing import Final

import regex

LONGEST_PATTERN: Final = 200
"""Characters."""
MOST_REPEATED: Final = 10_000
"""All numbers of times that a pattern names, multiplied: it is written out that often when it is compiled."""
LONGEST_MATCH: Final = 0.1
"""Seconds for one pattern in one text."""

_COUNTS: Final = regex.compile(r"\{\s*(\d*)\s*,?\s*(\d*)\s*\}")
_UNSEEN: Final = regex.compile("[\u00ad\u200b\u2060\ufeff]")
# What a word goes on with. Of scripts that are written without spaces, or whose endings grow onto words, nobody can
# tell where one ends.
_WORD: Final = (
    r"[[\p{L}\p{M}\p{N}_]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc]]"
)
_FLAGS: Final = regex.VERSION1 | regex.IGNORECASE
_WORD_CHARACTER: Final = regex.compile(_WORD, regex.VERSION1)


def fold(text: str) -> str:
    """Without case, width and what cannot be seen, and with one space between words."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_UNSEEN.sub("", folded).split())


def holds_word(folded: str, word: str) -> bool:
    """Whether a word (it may be several) stands in a folded text as a word of its own."""
    return _whole(word).search(folded) is not None


@lru_cache(maxsize=4_096)
def _whole(word: str) -> "regex.Pattern[str]":
    folded = fold(word)
    before = rf"(?<!{_WORD})" if _WORD_CHARACTER.match(folded[0]) else ""
    after = rf"(?!{_WORD})" if _WORD_CHARACTER.match(folded[-1]) else ""
    return regex.compile(before + regex.escape(folded, special_only=True, literal_spaces=True) + after, regex.VERSION1)


def complaint(pattern: str) -> str | None:
    """What is wrong with a pattern; None if it can be used."""
    numbers = [max(int(few or 0), int(many or 0)) for few, many in _COUNTS.findall(pattern)]
    if math.prod(filter(None, numbers)) > MOST_REPEATED:
        return f"repeats too often: the numbers in braces, multiplied, must be at most {MOST_REPEATED:,}"
    try:
        regex.compile(pattern, _FLAGS)
    except (regex.error, ValueError, RecursionError, OverflowError) as error:
        place = getattr(error, "pos", None)
        return "is no regular expression" + (f": look at character {place + 1}" if place is not None else "")
    return None


def matches(text: str, pattern: str, ends_at: float) -> bool:
    """Whether a pattern is found anywhere in a text; case does not count.

    Raises:
        TimeoutError: it took too long, or ``time.monotonic()`` is past ``ends_at``.
    """
    left = min(LONGEST_MATCH, ends_at - time.monotonic())
    if left <= 0:
        raise TimeoutError
    return regex.compile(pattern, _FLAGS).search(text, timeout=left) is not None
