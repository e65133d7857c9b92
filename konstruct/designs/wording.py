"""Rules, hours, tools and the like in words, as people read them in a list or a comparison. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from konstruct.desk.hours import DAYS
from konstruct.languages import LANGUAGES

DAY_NAMES: Final = dict(
    zip(DAYS, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True)
)
APPROVALS: Final = {
    "always": "always asks a person first",
    "after_untrusted": "asks a person first once text of strangers was read",
    "never": "acts without asking",
}


def rule(kept: Mapping[str, Any]) -> str:
    """``escalate: when the contact asks for a person, hand off to billing (high)``. Whatever is no rule is shown too: a
    draft may hold it."""
    when, then = kept.get("when"), kept.get("then")
    name = kept.get("name") or "unnamed"
    return f"{name}: when {condition(when)}, {action(then)}"


def condition(kept: object) -> str:
    if not isinstance(kept, Mapping) or len(kept) != 1:
        return "…"
    [(kind, value)] = kept.items()
    if kind in ("all", "any"):
        inner = [condition(each) for each in value] if isinstance(value, list) else []
        joined = (" and " if kind == "all" else " or ").join(inner) or "…"
        return f"({joined})" if len(inner) > 1 else joined
    if kind not in _CONDITIONS:
        return "…"
    return _CONDITIONS[kind].format(_values(value))


def _values(value: object) -> str:
    if isinstance(value, list):
        return ", ".join("any tool" if each == "*" else f"“{each}”" for each in value)
    return str(value)


def action(kept: object) -> str:
    if not isinstance(kept, Mapping) or len(kept) != 1:
        return "…"
    [(kind, value)] = kept.items()
    to = value.get("to") if isinstance(value, Mapping) else None
    if kind == "hand_off":
        priority = value.get("priority", "normal") if isinstance(value, Mapping) else "normal"
        return f"hand off to {to or 'the default group'} ({priority})"
    return f"tell {to or 'the default group'}" if kind == "tell" else "ask a person before the answer is sent"


def tool(kept: Mapping[str, Any]) -> str:
    approval = kept.get("approval")
    return f"{kept.get('name')} ({APPROVALS.get(str(approval), 'as its risk says')})"


def hours(kept: Mapping[str, Any]) -> list[str]:
    lines = [f"{DAY_NAMES[day]} {kept[day]}" for day in DAYS if day in kept]
    lines += [f"Closed on {day}" for day in kept.get("closed", ())]
    return [*lines, f"In {kept['time_zone']}"] if "time_zone" in kept else lines


def caps(kept: Mapping[str, Any]) -> list[str]:
    lines = [f"At most {kept['steps']} steps in a turn"] if kept.get("steps") else []
    return [*lines, f"At most ${kept['cost']} in a turn"] if kept.get("cost") else lines


def language(code: str) -> str:
    return LANGUAGES.get(code, code) if code else "As the contact writes"


def listed(name: str, value: Any) -> Sequence[str]:
    """The parts of a field that is no text, one a line."""
    if name == "escalation":
        return [rule(each) for each in value]
    if name == "tools":
        return [tool(each) for each in value]
    if name == "hours":
        return hours(value)
    return caps(value) if name == "caps" else [str(each) for each in value]


_CONDITIONS: Final = {
    "asked_for_human": "the contact asks for a person",
    "keyword": "the contact writes {}",
    "pattern": "what the contact writes fits the pattern {}",
    "failed_attempts": "{} or more attempts failed",
    "turns": "the conversation has taken {} turns",
    "mood": "the contact’s mood is {}",
    "confidence_below": "the answer is less sure than {}",
    "tool_failed": "a tool fails: {}",
    "cost_above": "the conversation costs more than ${}",
    "outside_policy": "the answer goes beyond the instructions",
    "topic": "it is about {}",
}
