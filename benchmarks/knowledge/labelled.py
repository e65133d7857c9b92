"""Reads the labelled set: documents, questions with the passage that answers each, and some that nothing answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

HERE: Final = Path(__file__).parent
DOCUMENTS: Final = HERE / "documents"

Split = Literal["tune", "test"]
"""Weights and thresholds are chosen on ``tune`` and reported on ``test``. No business has questions in both."""


@dataclass(frozen=True)
class Unanswerable:
    """Sounds like the others, and no document says anything about it."""

    id: str
    split: Split
    language: str
    question: str


@dataclass(frozen=True)
class Asked(Unanswerable):
    kind: Literal["paraphrase", "colloquial", "keyword", "code", "number", "multi_heading", "cross_language"]
    document: str
    """The name of a file in DOCUMENTS."""
    answer: str
    """Stands once in that document, within one line and one cell: the passage that holds it is the right one."""


def business(name: str) -> str:
    """Whose document or question it is, by the document's name or the question's id."""
    return name.partition("-")[0]


def questions(split: Split | None = None) -> list[Asked]:
    return [Asked(**each) for each in _lines("questions.jsonl") if split in (None, each["split"])]


def unanswerable(split: Split | None = None) -> list[Unanswerable]:
    return [Unanswerable(**each) for each in _lines("unanswerable.jsonl") if split in (None, each["split"])]


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
