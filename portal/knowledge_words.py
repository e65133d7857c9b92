"""Sources and documents in words: how each stands, and what is to be done where something is amiss."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from konstruct.tables import KnowledgeDocument, KnowledgeSource
from portal.words import Tone
from portal.words import size as size

KINDS: Final = {"files": "Files", "page": "Web page", "sitemap": "Web site"}
ICONS: Final = {"files": "file-text", "page": "globe", "sitemap": "globe"}
INTERVALS: Final = (
    ("", "Only when somebody asks"),
    ("1 hour", "Every hour"),
    ("6 hours", "Every 6 hours"),
    ("1 day", "Every day"),
    ("1 week", "Every week"),
)
DOCUMENTS: Final[dict[str, tuple[str, Tone]]] = {
    "waiting": ("Waiting", "info"),
    "indexed": ("Searched", "ok"),
    "duplicate": ("Duplicate", "neutral"),
    "failed": ("Not read", "danger"),
}
"""What became of a document, and how that looks."""


@dataclass(frozen=True)
class State:
    label: str
    tone: Tone
    says: str = ""


def state(row: KnowledgeSource, counts: dict[str, int]) -> State:
    """``counts``: of its documents, by what became of them."""
    failed = counts.get("failed", 0)
    match row.status:
        case "waiting":
            return State("Waiting to be read", "info")
        case "syncing":
            return State("Being read", "info")
        case "failed":
            kept = "Employees know what it held before." if counts.get("indexed") else "Employees find nothing of it."
            return State("Could not be read", "danger", f"{row.status_reason or 'It broke off.'} {kept}")
    if failed:
        count = "One document" if failed == 1 else f"{failed:,} documents"
        return State(f"{failed:,} not read", "warning", f"{count} could not be read; why stands beside each.")
    if row.kind == "files" and not counts:
        return State("Empty", "neutral")
    return State("Up to date", "ok", row.status_reason or "")


def is_busy(row: KnowledgeSource) -> bool:
    return row.status in ("waiting", "syncing")


def progress(row: KnowledgeSource) -> str:
    """How far a synchronisation is, as a sentence."""
    if row.status == "waiting":
        return "It is begun in a moment."
    if not row.found:
        return "Looking for what is there."
    return f"{row.done:,} of {row.found:,} documents"


def interval(seconds: int | None) -> str:
    """As a source's form and the API write it; empty where it is read only when somebody asks."""
    if not seconds:
        return ""
    for unit, length in (("week", 604_800), ("day", 86_400), ("hour", 3_600)):
        if seconds % length == 0:
            many = seconds // length
            return f"{many} {unit}{'' if many == 1 else 's'}"
    return f"{timedelta(seconds=seconds) // timedelta(minutes=1)} minutes"


def intervals(chosen: str) -> list[tuple[str, str]]:
    """To choose from; one that a file or a program set is among them."""
    known = list(INTERVALS)
    return known if chosen in dict(known) else [*known, (chosen, f"Every {chosen}")]


def document_says(document: KnowledgeDocument, original: str | None) -> str:
    if document.status == "duplicate":
        return f"It says the same as {original}, which is searched in its place." if original else ""
    return document.error or ""
