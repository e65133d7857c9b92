"""What of an agent's text is for the contact, and what is a note. In doubt it is a note: nothing said can be unsaid."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

MARK: Final = "//"
"""What a line starts with that stays among people."""

# Letters that show nothing, which would else count as words before the mark.
_BLANK_LETTERS: Final = re.compile("[\u115f\u1160\u3164\uffa0]")
_SLASHES: Final = re.compile("[\u2044\u2215\u2571\u29f8\u1735]")
# Behind whatever a channel puts before a line (quotes, bullets, bold), and behind people who are addressed.
_NOTE: Final = re.compile(r"(?:[^\w@]|_|@\S*)*//")


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
    seen = _SLASHES.sub("/", _BLANK_LETTERS.sub("", unicodedata.normalize("NFKC", line)))
    return _NOTE.match(seen) is not None
