"""Escalation rules as fields of a form: conditions within groups, to any depth that rules may have.

A condition's field is named by its way from the rule: ``rule.0.when`` holds its kind, ``rule.0.when.v`` its value, and
``rule.0.when.1`` is the second condition of a group. What a form shows as a group of one is that one alone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.datastructures import FormData

from konstruct.escalation.rules import DEEPEST, MOST_LEAVES, MOST_RULES

GROUPS: Final = ("all", "any")
KINDS: Final = {
    "asked_for_human": "Asks for a person",
    "keyword": "Writes one of these words",
    "topic": "Is about",
    "mood": "Mood is",
    "failed_attempts": "Attempts that failed, at least",
    "turns": "Turns taken, at least",
    "tool_failed": "A tool fails",
    "outside_policy": "Answer goes beyond the instructions",
    "confidence_below": "Answer is less sure than (0 to 1)",
    "cost_above": "Costs more than (US dollars)",
    "pattern": "Fits a pattern (regular expression)",
}
LISTS: Final = ("keyword", "topic", "tool_failed")
FLAGS: Final = ("asked_for_human", "outside_policy")
_COUNTS: Final = ("failed_attempts", "turns")
_NEW_CONDITION: Final = {"asked_for_human": True}
_WHOLE: Final = re.compile(r"[0-9]{1,6}")
_DECIMAL: Final = re.compile(r"[01](\.[0-9]{1,6})?")


def read(form: FormData) -> list[dict[str, Any]]:
    rules = []
    for place in range(MOST_RULES + 1):
        at = f"rule.{place}"
        if f"{at}.name" not in form:
            break
        rules.append({"name": _text(form, f"{at}.name"), "when": _root(form, f"{at}.when"), "then": _then(form, at)})
    return rules


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _root(form: FormData, at: str) -> dict[str, Any]:
    found = _condition(form, at, 0)
    [(kind, inner)] = found.items()
    return inner[0] if kind in GROUPS and len(inner) == 1 else found


def _condition(form: FormData, at: str, depth: int) -> dict[str, Any]:
    kind = _text(form, at)
    if kind in GROUPS and depth <= DEEPEST:
        inner = []
        for place in range(MOST_LEAVES + 1):
            if f"{at}.{place}" not in form:
                break
            inner.append(_condition(form, f"{at}.{place}", depth + 1))
        return {kind: inner}
    return {kind if kind in KINDS else "asked_for_human": _value(form, kind, f"{at}.v")}


def _value(form: FormData, kind: str, at: str) -> Any:
    said = _text(form, at)
    if kind in LISTS:
        named = [line.strip() for line in re.split(r"[\n,]", said) if line.strip()]
        return named or (["*"] if kind == "tool_failed" else [])
    if kind in _COUNTS:
        return int(said) if _WHOLE.fullmatch(said) else said
    if kind == "confidence_below":
        return float(said) if _DECIMAL.fullmatch(said) else said
    return said if kind in KINDS and kind not in FLAGS else True


def _then(form: FormData, at: str) -> dict[str, Any]:
    kind, to = _text(form, f"{at}.then"), _text(form, f"{at}.to")
    if kind == "ask_approval":
        return {"ask_approval": {}}
    whom = {"to": to} if to else {}
    if kind == "tell":
        return {"tell": whom}
    return {"hand_off": {**whom, "priority": _text(form, f"{at}.priority") or "normal"}}


def edited(rules: Sequence[Mapping[str, Any]], edit: str) -> list[dict[str, Any]]:
    """``edit``: ``add``, ``up.0``, ``down.0``, ``remove.0``; or on a condition by its way, as ``condition.0.1``,
    ``group.0.1`` (added there) and ``drop.0.1.0`` (removed)."""
    found = [dict(rule) for rule in rules]
    act, _, way = edit.partition(".")
    places = [int(step) for step in way.split(".") if _WHOLE.fullmatch(step)]
    if act == "add":
        return [*found, new_rule(found)]
    if not places or places[0] >= len(found):
        return found
    first, *rest = places
    if act in ("up", "down", "remove"):
        rule = found.pop(first)
        if act != "remove":
            found.insert(max(0, first - 1) if act == "up" else first + 1, rule)
        return found
    found[first]["when"] = _changed(as_group(found[first]["when"]), rest, act)
    return found


def new_rule(rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = {rule.get("name") for rule in rules}
    number = len(rules) + 1
    while f"rule-{number}" in names:
        number += 1
    return {"name": f"rule-{number}", "when": dict(_NEW_CONDITION), "then": {"hand_off": {"priority": "normal"}}}


def as_group(condition: Any) -> dict[str, Any]:
    """As the form shows the whole of a rule's conditions."""
    if isinstance(condition, Mapping) and len(condition) == 1 and next(iter(condition)) in GROUPS:
        return dict(condition)
    return {"all": [condition] if condition else []}


def _changed(condition: Mapping[str, Any], way: Sequence[int], act: str) -> dict[str, Any]:
    [(kind, value)] = condition.items()
    if kind not in GROUPS:
        return dict(condition)
    inner = list(value)
    if not way:
        added = {"condition": dict(_NEW_CONDITION), "group": {"any": [dict(_NEW_CONDITION)]}}
        return {kind: [*inner, added[act]] if act in added else inner}
    first, *rest = way
    if first < len(inner):
        if act == "drop" and not rest:
            del inner[first]
        else:
            inner[first] = _changed(inner[first], rest, act)
    return {kind: inner}


def place_of(inner: Sequence[str | int]) -> str:
    """What of a rule a check's complaint is about, in words."""
    match inner:
        case ("name", *_):
            return "name"
        case ("then", *_):
            return "action"
        case ("when", *steps):
            numbers = [str(step + 1) for step in steps if isinstance(step, int)]
            return f"condition {'.'.join(numbers)}" if numbers else "conditions"
    return "as a whole"


def shown_value(value: Any) -> str:
    """A condition's value as its field holds it."""
    if isinstance(value, list):
        return "\n".join(str(each) for each in value if each != "*")
    return "" if value is True else str(value)
