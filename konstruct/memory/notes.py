"""How memories are put before a model: as dated notes, the oldest first."""

from collections.abc import Sequence
from typing import Final

from konstruct.memory.recalling import Recalled

LONGEST_NOTE: Final = 600
"""Characters that are shown of one memory."""
SHORT_NOTE: Final = 120
"""The same, of small models."""

_BY = {"contact": "they said", "employee": "you said", "agent": "a colleague of yours said"}


def notes(recalled: Sequence[Recalled]) -> str:
    return "\n".join(_note(memory) for memory in sorted(recalled, key=lambda memory: memory.happened_at))


def short_notes(recalled: Sequence[Recalled], at_most: int) -> str:
    """For small models: only what the person said, and little of it."""
    said = [memory for memory in recalled if memory.speaker == "contact"][:at_most]
    return "\n".join(f"- {' '.join(memory.text.split())[:SHORT_NOTE]}" for memory in said)


def _note(memory: Recalled) -> str:
    date = memory.happened_at.strftime("%Y-%m-%d")
    text = " ".join(memory.text.split())
    if len(text) > LONGEST_NOTE:
        text = text[: LONGEST_NOTE - 1] + "…"
    if memory.kind == "fact":
        doubt = "" if memory.confidence >= 0.7 else " (perhaps)"
        return f"- {date}{doubt}: {text}"
    return f"- {date}, {_BY[memory.speaker]}: “{text}”"
