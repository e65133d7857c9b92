"""The labelled messages, judged as a turn has them judged, and what came of it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal

from konstruct import scope
from konstruct.ports import Embedder
from konstruct.scope import Bounds

_HERE: Final = Path(__file__).parent
LONGEST_LOCATED: Final = 300
"""Characters that are embedded in a turn: see ``activities/locating.py``."""

Split = Literal["tuning", "held_out"]


@dataclass(frozen=True)
class Labelled:
    business: str
    text: str
    language: str
    in_scope: bool
    kind: str
    split: Split


@dataclass(frozen=True)
class Judged:
    message: Labelled
    is_refused: bool
    """As the first message of a conversation."""
    is_refused_as_answer: bool
    """As one that follows a question of the employee's."""


@dataclass(frozen=True)
class Shares:
    in_scope: int
    wrongly_refused: int
    out_of_scope: int
    refused: int
    refused_as_answer: int

    @classmethod
    def of(cls, judged: Iterable[Judged]) -> "Shares":
        rows = list(judged)
        own, foreign = ([row for row in rows if row.message.in_scope is wanted] for wanted in (True, False))
        return cls(
            in_scope=len(own),
            wrongly_refused=sum(row.is_refused or row.is_refused_as_answer for row in own),
            out_of_scope=len(foreign),
            refused=sum(row.is_refused for row in foreign),
            refused_as_answer=sum(row.is_refused_as_answer for row in foreign),
        )

    @property
    def precision(self) -> float:
        """Of all that is refused, how much is foreign."""
        total = self.refused + self.wrongly_refused
        return self.refused / total if total else 1.0

    @property
    def share_refused(self) -> float:
        """Of all that is foreign, how much is refused before a model is asked."""
        return self.refused / self.out_of_scope if self.out_of_scope else 0.0


def labelled() -> list[Labelled]:
    return [Labelled(**json.loads(line)) for line in (_HERE / "messages.jsonl").read_text().splitlines()]


def businesses() -> dict[str, list[str]]:
    """The functions of each."""
    read: dict[str, list[str]] = json.loads((_HERE / "businesses.json").read_text())
    return read


async def judge(embedder: Embedder, messages: Sequence[Labelled]) -> list[Judged]:
    within: dict[str, Bounds] = {}
    judged = []
    for name in {message.business for message in messages}:
        functions = businesses()[name]
        within[name] = scope.bounds(dict(zip(functions, await embedder.embed(functions, purpose="query"), strict=True)))
    for message in messages:
        [vector] = await embedder.embed([message.text[:LONGEST_LOCATED]], purpose="query")
        bounds = within[message.business]
        first = scope.judge(message.text, vector, bounds, is_in_talk=False, is_answer=False)
        answer = scope.judge(message.text, vector, bounds, is_in_talk=True, is_answer=True)
        judged.append(Judged(message, first.certain, answer.certain))
    return judged


def by(judged: Sequence[Judged], title: Literal["language", "kind", "business"]) -> dict[str, Shares]:
    of = attrgetter(f"message.{title}")
    return {name: Shares.of(row for row in judged if of(row) == name) for name in sorted(set(map(of, judged)))}
