"""How often and how far up a search finds the passage that answers, and what its scores say when none does."""

import statistics
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.knowledge.labelled import Asked

CUTS = (1, 5, 10)

Found = tuple[str, str]
"""A document's name, and the text of a passage of it."""
Search = Callable[[str], Awaitable[Sequence[Found]]]
"""Of a question, the passages that were found, best first."""


@dataclass
class Scores:
    places: list[int | None] = field(default_factory=list)
    """For each question, where the right passage stood, from 1; None if it was not found."""

    def recall(self, cut: int) -> float:
        return statistics.fmean(place is not None and place <= cut for place in self.places)

    @property
    def reciprocal(self) -> float:
        """The mean of one over the place (MRR); what was not found counts as nothing."""
        return statistics.fmean(1 / place if place else 0.0 for place in self.places)

    def row(self) -> dict[str, float]:
        recalls = {f"R@{cut}": round(self.recall(cut), 3) for cut in CUTS}
        return {"asked": len(self.places), **recalls, "MRR": round(self.reciprocal, 3)}


@dataclass
class Measured:
    overall: Scores = field(default_factory=Scores)
    by_language: dict[str, Scores] = field(default_factory=dict)
    """By the language of the question; those that another language answers count under ``by_kind`` alone."""
    by_kind: dict[str, Scores] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    """Ids of the questions whose passage was not among the first of the deepest cut."""

    def add(self, asked: Asked, found: Sequence[Found]) -> None:
        at = place(found, asked)
        self.overall.places.append(at)
        self.by_kind.setdefault(asked.kind, Scores()).places.append(at)
        if asked.kind != "cross_language":
            self.by_language.setdefault(asked.language, Scores()).places.append(at)
        if at is None or at > CUTS[-1]:
            self.missed.append(asked.id)

    def rows(self) -> dict[str, dict[str, float]]:
        parts: list[Mapping[str, Scores]] = [{"all": self.overall}, self.by_language, self.by_kind]
        return {name: scores.row() for part in parts for name, scores in sorted(part.items())}


async def measure(search: Search, questions: Iterable[Asked]) -> Measured:
    measured = Measured()
    for asked in questions:
        measured.add(asked, await search(asked.question))
    return measured


def place(found: Sequence[Found], asked: Asked) -> int | None:
    """Where the first passage stands that holds the answer, from 1."""
    answer = bare(asked.answer)
    for number, (document, text) in enumerate(found, 1):
        if document == asked.document and answer in bare(text):
            return number
    return None


def bare(text: str) -> str:
    """Without what reading and cutting may change: white space, and which of several forms a character has."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def threshold(answerable: Sequence[float], unanswerable: Sequence[float], *, kept: float) -> tuple[float, float]:
    """The highest score that the best passages of at least ``kept`` (0 to 1) of the answerable questions reach, and the
    share of the unanswerable whose best passage stays below it. Higher scores are better ones.
    """
    descending = sorted(answerable, reverse=True)
    lowest = next(score for count, score in enumerate(descending, 1) if count / len(descending) >= kept)
    return lowest, statistics.fmean(score < lowest for score in unanswerable)
