"""What applying a manifest changed, as it is told to whoever applied it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Change:
    """One thing that was made (+), altered (~) or removed (-), or that only the database knows of (=)."""

    sign: Literal["+", "~", "-", "="]
    kind: Literal["tenant", "employee", "connection", "binding", "tool", "knowledge"]
    key: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.kind} {self.key}{': ' if self.what else ''}{self.what}"
