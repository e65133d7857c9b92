"""What of an agent's text is for the contact, and what is a note. In doubt it is a note: nothing said can be unsaid."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

MARK: Final = "//"
"""What a line starts with that stays among people."""

# Letters that show nothing, which would else count as words before the mark.
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0")
# What shows nothing by itself, and may stand within the mark, too.
_UNSEEN: Final = ("Cc", "Cf", "Mn", "Me")
_SLASHES: Final = re.compile("[\u2044\u2215\u2571\u27cb\u29f8\u1735]")
_TWO_SLASHES: Final = re.compile("[\u2afb\u2afd]")
# What channels and people put before a line that is no word of it: who is addressed, emoji, and numbers of lists.
_NO_WORDS: Final = re.compile(r"@\S*|:[\w+'-]+:|(?<![^\W_])(?:\d{1,3}|[a-z])[.)]", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Split:
    says: str
    """For the contact; empty when all of it stays internal."""
    note: str


def split(text: str) -> Split:
    """By lines, in their order."""
    lines = text.splitlines()
    says = [line for line in lines if not is_note(line)]
    notes = [line for line in lines if is_note(line)]
    return Split("\n".join(says).strip(), "\n".join(notes).strip())


def is_note(line: str) -> bool:
    before, mark, _ = _as_seen(line).partition(MARK)
    # Quotes, bullets and bold are no words either.
    return bool(mark) and _WORD.search(_NO_WORDS.sub("", before)) is None


def _as_seen(line: str) -> str:
    seen = "".join(
        char
        for char in unicodedata.normalize("NFKC", line)
        if char not in _BLANK_LETTERS and (char.isspace() or unicodedata.category(char) not in _UNSEEN)
    )
    return _TWO_SLASHES.sub(MARK, _SLASHES.sub("/", seen))
