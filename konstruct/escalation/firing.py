"""Which rule fires, and why. Sentences tell what the operator wrote into the rule and never what a contact wrote."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from konstruct.escalation import matching
from konstruct.escalation.facts import Facts
from konstruct.escalation.rules import ANY_TOOL, Action, Condition, Rule, leaves

LONGEST_LOOK: Final = 0.5
"""Seconds for all patterns of an employee: all conversations of a process wait meanwhile."""

_OF_ANSWER: Final = frozenset({"confidence_below", "outside_policy"})
_JUDGED: Final = _OF_ANSWER | {"asked_for_human", "failed_attempts", "mood", "topic"}


@dataclass(frozen=True)
class Fired:
    rule: str
    action: Action
    why: tuple[str, ...]
    """Sentences, of each condition that made it fire."""


@dataclass(frozen=True)
class Looked:
    """At one thing."""

    condition: str
    """Its name in the rule, such as ``mood``."""
    holds: bool
    sentence: str


@dataclass(frozen=True)
class Explained:
    rule: str
    action: Action
    fires: bool
    """Whether its conditions hold. Only the first of those that do is acted on."""
    looked: tuple[Looked, ...]


def firing(rules: Iterable[Rule], facts: Facts) -> Fired | None:
    """The first rule whose conditions hold."""
    seen = _Seen.of(facts)
    for rule in rules:
        found = _look(rule.when, seen)
        if found.holds:
            return Fired(rule.name, rule.then, tuple(dict.fromkeys(found.why)))
    return None


def explain(rules: Iterable[Rule], facts: Facts) -> list[Explained]:
    """Of every rule, for a dry run."""
    seen = _Seen.of(facts)
    found = [(rule, _look(rule.when, seen)) for rule in rules]
    return [Explained(rule.name, rule.then, result.holds, result.looked) for rule, result in found]


def needs_judge(rules: Iterable[Rule]) -> bool:
    """Whether any looks at what only somebody who reads the conversation can tell."""
    return not _JUDGED.isdisjoint(_kinds(rules))


def judges_words(rules: Iterable[Rule]) -> bool:
    """Whether any needs a judge of what the contact wrote, which can be read while the answer is thought of."""
    return not (_JUDGED - _OF_ANSWER).isdisjoint(_kinds(rules))


def judges_answer(rules: Iterable[Rule]) -> bool:
    """Whether any looks at the answer, which must be there before it is judged."""
    return not _OF_ANSWER.isdisjoint(_kinds(rules))


def _kinds(rules: Iterable[Rule]) -> set[str]:
    return {leaf.kind for rule in rules for leaf in leaves(rule.when)}


@dataclass(frozen=True)
class _Seen:
    facts: Facts
    folded: tuple[str, ...]
    ends_at: float

    @classmethod
    def of(cls, facts: Facts) -> "_Seen":
        return cls(facts, tuple(map(matching.fold, facts.texts)), time.monotonic() + LONGEST_LOOK)


@dataclass(frozen=True)
class _Result:
    holds: bool
    why: tuple[str, ...]
    looked: tuple[Looked, ...]


def _look(condition: Condition, seen: _Seen) -> _Result:
    if not condition.inner:
        holds, sentence = _LOOKS[condition.kind](getattr(condition, condition.kind), seen)
        return _Result(holds, (sentence,), (Looked(condition.kind, holds, sentence),))
    results = [_look(each, seen) for each in condition.inner]
    holding = [result for result in results if result.holds]
    return _Result(
        holds=len(holding) == len(results) if condition.all else bool(holding),
        why=tuple(sentence for result in holding for sentence in result.why),
        looked=tuple(looked for result in results for looked in result.looked),
    )


def _asked_for_human(_: bool, seen: _Seen) -> tuple[bool, str]:
    if seen.facts.asked_for_human:
        return True, "The contact asked for a person."
    return False, "The contact did not ask for a person."


def _keyword(words: Sequence[str], seen: _Seen) -> tuple[bool, str]:
    found = [word for word in words if any(matching.holds_word(text, word) for text in seen.folded)]
    if found:
        return True, f"The contact wrote {_listed(found)}."
    return False, f"The contact did not write {_listed(words)}."


def _pattern(pattern: str, seen: _Seen) -> tuple[bool, str]:
    try:
        found = any(matching.matches(text, pattern, seen.ends_at) for text in seen.facts.texts)
    except TimeoutError:
        return False, f"It takes too long to look for the pattern {_listed([pattern])}; make it simpler."
    return found, f"What the contact wrote {'fits' if found else 'does not fit'} the pattern {_listed([pattern])}."


def _failed_attempts(least: int, seen: _Seen) -> tuple[bool, str]:
    count = seen.facts.failed_attempts
    return count >= least, f"{_counted(count, 'attempt')} failed (at least {least})."


def _turns(least: int, seen: _Seen) -> tuple[bool, str]:
    count = seen.facts.turns
    return count >= least, f"The conversation took {_counted(count, 'turn')} (at least {least})."


def _mood(wanted: str, seen: _Seen) -> tuple[bool, str]:
    mood = seen.facts.mood
    if mood == "angry" or mood == wanted:
        return True, f"The contact's mood is {mood}."
    return False, f"The contact's mood is {mood}, not {wanted}."


def _confidence_below(most: float, seen: _Seen) -> tuple[bool, str]:
    confidence = seen.facts.confidence
    if confidence is None:
        return False, "How sure the answer is, is not known."
    return confidence < most, f"The answer is sure by {confidence:.2g} (below {most:.2g})."


def _tool_failed(names: Sequence[str], seen: _Seen) -> tuple[bool, str]:
    failed = seen.facts.failed_tools
    if ANY_TOOL in names:
        return (True, f"{_counted(len(failed), 'tool')} failed.") if failed else (False, "No tool failed.")
    found = [name for name in names if name in failed]
    return (True, f"The tool {_listed(found)} failed.") if found else (False, f"No tool {_listed(names)} failed.")


def _cost_above(most: str, seen: _Seen) -> tuple[bool, str]:
    cost = seen.facts.cost
    return cost > Decimal(most), f"The conversation cost ${cost:f} (above ${most})."


def _outside_policy(_: bool, seen: _Seen) -> tuple[bool, str]:
    if seen.facts.outside_policy:
        return True, "The answer goes beyond what the employee was told."
    return False, "The answer was not found to go beyond what the employee was told."


def _topic(names: Sequence[str], seen: _Seen) -> tuple[bool, str]:
    found = [name for name in names if name in seen.facts.topics]
    return (True, f"It is about {_listed(found)}.") if found else (False, f"It is not about {_listed(names)}.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_LOOKS: Final[dict[str, Callable[[Any, _Seen], tuple[bool, str]]]] = {
    "asked_for_human": _asked_for_human,
    "keyword": _keyword,
    "pattern": _pattern,
    "failed_attempts": _failed_attempts,
    "turns": _turns,
    "mood": _mood,
    "confidence_below": _confidence_below,
    "tool_failed": _tool_failed,
    "cost_above": _cost_above,
    "outside_policy": _outside_policy,
    "topic": _topic,
}
