"""What the conditions of rules look at. Whoever runs a turn gathers it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from konstruct.escalation.rules import Rule, leaves
from konstruct.tools.registry import model_name

Mood = Literal["good", "neutral", "negative", "angry"]


@dataclass(frozen=True)
class Facts:
    """Of one turn. What is counted is counted since the conversation began or was last handed back."""

    texts: tuple[str, ...] = ()
    """What the contact wrote in this turn."""
    asked_for_human: bool = False
    failed_attempts: int = 0
    turns: int = 0
    mood: Mood = "neutral"
    confidence: float | None = None
    """Between 0 and 1; None when nobody judged the answer."""
    failed_tools: frozenset[str] = frozenset()
    cost: Decimal = Decimal(0)
    """US dollars."""
    outside_policy: bool = False
    topics: frozenset[str] = frozenset()
    """Of those that the rules name."""


def as_named(rules: Iterable[Rule], tools: Iterable[str]) -> frozenset[str]:
    """Tools by the names that the rules have for them: a model calls those of a server otherwise."""
    named = (name for rule in rules for leaf in leaves(rule.when) for name in leaf.tool_failed or ())
    names = {model_name(*name.split("/", 1)): name for name in named if "/" in name}
    return frozenset(names.get(tool, tool) for tool in tools)
