"""What people outside saw: what they said, when it was taken, and what was said to them."""

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

MARK: Final = re.compile(r"\b[mr][0-9a-f]{12}\b")
"""What tells one word from all others, wherever it turns up again: ``m`` of a contact's, ``r`` of an agent's."""


def new_mark(kind: Literal["m", "r"] = "m") -> str:
    return f"{kind}{secrets.token_hex(6)}"


@dataclass
class Word:
    """One message of a contact's. Times are monotonic seconds, which all processes of a machine share."""

    mark: str
    tenant: str
    thread: str
    """Which conversation it is of."""
    number: int
    """Its place among the words of its thread, from 0 on; the next one is said when this one was taken. Words that were
    said at once have one number."""
    said_at: float
    taken_at: float | None = None
    """When it was acknowledged; None: never, so nothing was promised."""
    tries: int = 0
    longest_answer: float = 0.0
    """Seconds that the gateway took for one of the tries, answered or not."""
    statuses: list[int | None] = field(default_factory=list)
    """Of each try; None: there was no answer."""


@dataclass
class Seen:
    """One message as it stands in the channel in the end."""

    at: float
    tenant: str
    """Whose channel it stands in."""
    thread: str
    text: str
    marks: tuple[str, ...]
    """Of the words that it answers, or names."""
    carried: str
    """The id that it carries of ours: two messages with one are copies of each other. Empty: none."""
    is_notice: bool = False
    """It tells something and answers nothing."""
    added_at: tuple[float, ...] = ()
    """When more of it was said, where it came in pieces or was said anew."""


@dataclass
class Takeover:
    thread: str
    acknowledged_at: float
    over_at: float | None = None
    """When somebody began to hand the conversation back."""

    def is_under_way(self, at: float) -> bool:
        return at > self.acknowledged_at and (self.over_at is None or at < self.over_at)


@dataclass
class Happened:
    """One fault."""

    at: float
    what: str


@dataclass
class History:
    seed: int
    words: list[Word] = field(default_factory=list)
    replies: list[Word] = field(default_factory=list)
    """What agents said to contacts."""
    seen: list[Seen] = field(default_factory=list)
    takeovers: list[Takeover] = field(default_factory=list)
    faults: list[Happened] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """As JSON lines, to be looked at when something was found."""
        groups: Iterable[tuple[str, list[Word] | list[Seen] | list[Takeover] | list[Happened]]] = (
            ("word", self.words),
            ("reply", self.replies),
            ("seen", self.seen),
            ("takeover", self.takeovers),
            ("fault", self.faults),
        )
        with path.open("w") as file:
            file.write(json.dumps({"seed": self.seed}) + "\n")
            for kind, entries in groups:
                file.writelines(json.dumps({"kind": kind, **asdict(entry)}) + "\n" for entry in entries)
