"""The designer's form: what a browser sends as a draft's content, and what is wrong with that by its fields."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from starlette.datastructures import FormData

from konstruct.designs import comparing, wording
from konstruct.designs.checking import Problem
from konstruct.designs.content import Content
from konstruct.desk.hours import DAYS
from portal.pages.employees import rules_form

TEXTS: Final = ("name", "role", "language", "persona", "system_prompt", "greeting", "away_reply")
MOST_PROMPTS: Final = 4
_WHOLE: Final = re.compile(r"[0-9]{1,6}")


def read(form: FormData, before: Content) -> Content:
    """``before``: the draft as it was, whose order is kept where a form has none."""
    tools = [_tool(form, name) for name in in_order(strings(form, "tools"), [each["name"] for each in before["tools"]])]
    return {
        **{name: text(form, name) for name in TEXTS},
        "picture": text(form, "picture") or None,
        "suggested_prompts": [each for each in strings(form, "suggested_prompts") if each],
        "models": [each for each in strings(form, "models") if each],
        "tools": tools,
        "knowledge": in_order(strings(form, "knowledge"), before["knowledge"]),
        "caps": _caps(form),
        "escalation": rules_form.read(form),
        "hours": _hours(form),
    }


def text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def strings(form: FormData, name: str) -> list[str]:
    return [value.strip() for value in form.getlist(name) if isinstance(value, str)]


def lines(form: FormData, name: str) -> list[str]:
    return [line.strip() for line in text(form, name).split("\n") if line.strip()]


def number(said: str) -> int | str:
    """What is no number is kept, for the check to tell of it."""
    return int(said) if _WHOLE.fullmatch(said) else said


def in_order(chosen: Sequence[str], before: Iterable[str]) -> list[str]:
    """What was there before in its order, then what is new."""
    kept = [name for name in before if name in chosen]
    return [*kept, *(name for name in dict.fromkeys(chosen) if name not in kept)]


def _tool(form: FormData, name: str) -> dict[str, str]:
    approval = text(form, f"approval:{name}")
    return {"name": name, "approval": approval} if approval else {"name": name}


def _caps(form: FormData) -> dict[str, Any]:
    steps, cost = text(form, "caps.steps"), text(form, "caps.cost")
    return ({"steps": number(steps)} if steps else {}) | ({"cost": cost} if cost else {})


def _hours(form: FormData) -> dict[str, Any]:
    if text(form, "hours.mode") != "set":
        return {}
    days: dict[str, Any] = {day: spans for day in DAYS if (spans := text(form, f"hours.{day}"))}
    zone, closed = text(form, "hours.time_zone"), lines(form, "hours.closed")
    # Kept even where no day is named, so that the check can say that one is missing.
    days |= ({"time_zone": zone} if zone else {}) | ({"closed": closed} if closed else {})
    return days or {"time_zone": "UTC"}


def edited(content: Content, edit: str) -> Content:
    """What a button of the form does before anything is saved: rows are added, moved and removed.

    ``edit``: such as ``models.up.1``; what is none changes nothing.
    """
    what, _, rest = edit.partition(".")
    if what == "models":
        return {**content, "models": moved(content["models"], rest, "")}
    if what == "picture":
        return {**content, "picture": None}
    if what == "rules":
        return {**content, "escalation": rules_form.edited(content["escalation"], rest)}
    return content


def moved(rows: Sequence[Any], edit: str, new: Any) -> list[Any]:
    """``edit``: ``add``, or ``up``, ``down`` or ``remove`` and the place."""
    act, _, said = edit.partition(".")
    rows = list(rows)
    place = int(said) if _WHOLE.fullmatch(said) else -1
    if act == "add":
        return [*rows, new]
    if not 0 <= place < len(rows):
        return rows
    row = rows.pop(place)
    if act != "remove":
        rows.insert(max(0, place - 1) if act == "up" else place + 1, row)
    return rows


def errors(problems: Iterable[Problem]) -> dict[str, str]:
    """A sentence for each field of the form, by its name there, in the order of the form."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        found.setdefault(_field(problem), []).append(_sentence(problem))
    return {name: " ".join(dict.fromkeys(sentences)) for name, sentences in found.items()}


def _field(problem: Problem) -> str:
    match problem.loc:
        case ("escalation", int(place), *_):
            return f"rule.{place}"
        case ("hours" | "caps" as name, str(part), *_):
            return f"{name}.{part}"
        case (str(name), *_):
            return name
    return ""


def _sentence(problem: Problem) -> str:
    label = comparing.LABELS.get(problem.field, problem.field)
    if problem.is_missing:
        return f"{label}: fill this in before you publish."
    match problem.loc:
        case ("escalation", int(place), *inner):
            return f"Rule {place + 1}, {rules_form.place_of(inner)}: {problem.sentence}."
        case ("models" | "suggested_prompts" | "tools" | "knowledge", int(place), *_):
            return f"{label}, number {place + 1}: {problem.sentence}."
        case ("hours", str(day), *_) if day in DAYS:
            return f"{wording.DAY_NAMES[day]}: {problem.sentence}."
    return f"{label}: {problem.sentence}."
