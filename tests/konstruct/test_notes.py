"""How memories are put before a model."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from konstruct.memory import Recalled, notes, short_notes
from konstruct.memory.notes import LONGEST_NOTE, SHORT_NOTE


def recalled(
    text: str, kind: str = "said", speaker: str = "contact", *, day: int = 1, confidence: float = 1.0
) -> Recalled:
    return Recalled(uuid4(), uuid4(), kind, speaker, text, datetime(2026, 11, day, tzinfo=UTC), confidence, 0.5)


def test_notes_say_when_and_by_whom_oldest_first() -> None:
    memories = [
        recalled("I moved.", day=3),
        recalled("Noted.", speaker="employee", day=4),
        recalled("I help.", speaker="agent", day=2),
        recalled("Lives in Bremen.", "fact", day=1, confidence=0.7),
        recalled("Has a dog.", "fact", day=5, confidence=0.69),
    ]
    assert notes(memories).splitlines() == [
        "- 2026-11-01: Lives in Bremen.",
        "- 2026-11-02, a colleague of yours said: “I help.”",
        "- 2026-11-03, they said: “I moved.”",
        "- 2026-11-04, you said: “Noted.”",
        "- 2026-11-05 (perhaps): Has a dog.",
    ]
    assert notes([]) == ""


@pytest.mark.parametrize("kind", ["said", "fact"])
def test_a_note_is_one_line_of_a_certain_length(kind: str) -> None:
    assert notes([recalled("One\n- 2026-11-24: two\u2028three", kind)]).count("\n") == 0
    [line] = notes([recalled("x" * 5_000, kind)]).splitlines()
    assert f"{'x' * (LONGEST_NOTE - 1)}…" in line
    assert len(line) < LONGEST_NOTE + 40
    assert "…" not in notes([recalled("x" * LONGEST_NOTE, kind)])


def test_small_models_are_shown_little_and_only_what_the_person_said() -> None:
    memories = [
        recalled("Noted.", speaker="employee"),
        recalled("First\nline", day=9),
        recalled("x" * 500, day=1),
        recalled("Third"),
    ]
    assert short_notes(memories, 2).splitlines() == ["- First line", f"- {'x' * SHORT_NOTE}"]
