"""A judge reads a conversation and says what the conditions of rules look at: what it is asked, and what it answered.

What a model answers here is untrusted: people write to steer it. It can only say yes or no to what it is asked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from string import Template
from typing import Any, Final, get_args

from konstruct.escalation import moods
from konstruct.escalation.facts import Facts, Mood
from konstruct.escalation.wishes import asks_for_human
from konstruct.ports import ChatMessage

MOST_LINES: Final = 12
"""Of a conversation, the latest."""
LONGEST_LINE: Final = 1_500
"""Characters."""
LONGEST_DRAFT: Final = 4_000
LONGEST_INSTRUCTIONS: Final = 8_000
LONGEST_ANSWER: Final = 20_000
MOST_TRIES: Final = 100
"""Places in an answer where an object is looked for."""

_PROMPT = Template(resources.files("konstruct.prompts").joinpath("judge.md").read_text())
_BY: Final = {"contact": "person", "employee": "employee", "agent": "colleague", "system": "note"}
_FIELDS: Final = frozenset({"asked_for_human", "failed", "mood", "outside_policy", "topics", "confidence"})
_DECODER: Final = json.JSONDecoder(parse_constant=lambda _: None)


@dataclass(frozen=True)
class Judgement:
    asked_for_human: bool = False
    failed: bool = False
    """The contact says, or shows, that an earlier answer did not help."""
    mood: Mood = "neutral"
    outside_policy: bool = False
    topics: frozenset[str] = frozenset()
    """As the operator spells them."""
    confidence: float | None = None
    """Between 0 and 1; None when there was no answer to be sure of."""


def judge_prompt(
    employee: str,
    tenant: str,
    instructions: str,
    lines: Sequence[tuple[str, str]],
    topics: Sequence[str],
    draft: str | None = None,
) -> list[ChatMessage]:
    """``lines``: of the conversation, each with its author as messages name it, the oldest first. ``draft``: the answer
    that is not sent yet, if it is to be judged, too."""
    parts = [
        f"Instructions of the employee: {_flat(instructions)[:LONGEST_INSTRUCTIONS]}",
        "",
        f"Topics: {json.dumps(list(topics), ensure_ascii=False)}",
        "",
        "Latest lines:",
        *(f"{_BY[author]}: {_flat(text)[:LONGEST_LINE]}" for author, text in lines[-MOST_LINES:]),
        "",
        "No draft." if draft is None else f"Draft: {_flat(draft)[:LONGEST_DRAFT]}",
    ]
    system = _PROMPT.substitute(employee=employee, tenant=tenant).strip()
    return [ChatMessage("system", system), ChatMessage("user", "\n".join(parts))]


def read_judgement(answer: str, topics: Sequence[str]) -> Judgement | None:
    """None if it holds no judgement. What is missing or of a wrong kind is not found; only ``topics`` are kept."""
    found = _object(answer[:LONGEST_ANSWER])
    if found is None:
        return None
    return Judgement(
        asked_for_human=_truth(found.get("asked_for_human")),
        failed=_truth(found.get("failed")),
        mood=_mood(found.get("mood")),
        outside_policy=_truth(found.get("outside_policy")),
        topics=_topics(found.get("topics"), topics),
        confidence=_share(found.get("confidence")),
    )


def judged_by_rule(text: str) -> Judgement:
    """Where no model can judge: of what a contact wrote, by words alone. It finds no topics and judges no answer."""
    return Judgement(asks_for_human(text), moods.says_it_failed(text), moods.mood(text))


def known_with(facts: Facts, judgement: Judgement) -> Facts:
    """``facts``: of the same turn, without what a judge says of it. A wish that words show stands, whatever it says."""
    return replace(
        facts,
        asked_for_human=facts.asked_for_human or judgement.asked_for_human,
        failed_attempts=facts.failed_attempts + judgement.failed,
        mood=judgement.mood,
        confidence=judgement.confidence,
        outside_policy=judgement.outside_policy,
        topics=judgement.topics,
    )


def _object(answer: str) -> Mapping[str, Any] | None:
    """The last that has a field of a judgement: some models think aloud first, or put it into a fence."""
    found = None
    start = answer.find("{")
    for _ in range(MOST_TRIES):
        if start < 0:
            break
        try:
            value, end = _DECODER.raw_decode(answer, start)
        except (ValueError, RecursionError):
            value, end = None, start + 1
        if isinstance(value, dict) and not _FIELDS.isdisjoint(value):
            found = value
        start = answer.find("{", end)
    return found


def _truth(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() in ("true", "yes"))


def _mood(value: object) -> Mood:
    said = value.strip().casefold() if isinstance(value, str) else ""
    return next((mood for mood in get_args(Mood) if mood == said), "neutral")


def _topics(value: object, offered: Sequence[str]) -> frozenset[str]:
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list):
        return frozenset()
    folded = {name.strip().casefold() for name in named if isinstance(name, str)}
    return frozenset(topic for topic in offered if topic.strip().casefold() in folded)


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _flat(text: str) -> str:
    return " ".join(text.split())
