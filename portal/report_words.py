"""What stands in reports, in words: amounts, times, and how much more or less it is than before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from konstruct.reports.periods import Period
from konstruct.reports.usage import ASSUMED, TESTS, UNKNOWN, UNLISTED, By, Known
from portal import channel_words
from portal.words import money as money
from portal.words import seconds as seconds

TITLES: Final[Mapping[By, str]] = {
    "employee": "Employee",
    "model": "Model",
    "channel": "Channel",
    "purpose": "Purpose",
    "key": "Whose key",
    "price": "Price list",
}
RANGES: Final = (
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "Year"),
    ("this-month", "This month"),
    ("last-month", "Last month"),
)
CAUSES: Final[Mapping[str, str]] = {
    "rule": "A rule",
    "employee": "The employee asked for a person",
    "agent": "Somebody took over",
    "outside": "Another system",
}
PURPOSES: Final[Mapping[str, str]] = {
    "replies": "Replies",
    "judging": "Judging turns",
    "memory": "Memory",
    "handoffs": "Help for people who take over",
    "speech": "Voice messages",
    TESTS: "Tests of drafts",
}
PRICES: Final[Mapping[str, str]] = {
    ASSUMED: "Assumed: no list has the model",
    UNKNOWN: "No known price",
    UNLISTED: "No list noted",
}
KEYS: Final[Mapping[str, str]] = {"tenant": "Your own keys", "deployment": "This Konstruct's keys"}

WHEN_SPENT: Final[Sequence[Mapping[str, Any]]] = (
    {
        "value": "people",
        "title": "Hand over to people",
        "text": "As where an escalation rule fires: the conversation waits in the inbox for somebody to take it.",
        "icon": "users",
    },
    {
        "value": "local",
        "title": "Answer with models that cost nothing",
        "text": "Employees go on with models such as local ones. Where there is none, messages wait.",
        "icon": "bot",
    },
    {
        "value": "pause",
        "title": "Pause",
        "text": "Whoever writes is told that an answer takes longer. Messages wait until there is a budget again.",
        "icon": "clock",
    },
)
THEN: Final[Mapping[str, str]] = {
    "people": "Conversations are handed to people.",
    "local": "Employees answer with models that cost nothing.",
    "pause": "Messages wait until there is a budget again.",
}
"""What happens once a budget is spent."""


@dataclass(frozen=True)
class Delta:
    text: str
    tone: Literal["good", "bad", "none"]
    is_measured: bool = True
    """Whether the text goes on as *vs previous period*."""


NO_DELTA: Final = Delta("Nothing to compare with", "none", False)


def name(by: By, key: str, called: str, known: Known) -> str:
    """What a row is called among people."""
    if by == "channel":
        if key == TESTS:
            return PURPOSES[TESTS]
        place = next(place for place in known.places.values() if place.key == key)
        title, kind = channel_words.title(place), channel_words.KINDS.get(place.kind, place.kind)
        return title if title == kind else f"{title} ({kind})"
    if by == "purpose":
        return PURPOSES.get(key, key)
    if by == "price":
        return PRICES.get(key) or f"List {key}"
    return KEYS.get(key, key) if by == "key" else called


def dollars(amount: Decimal) -> str:
    """As somebody wrote it: whole where it is."""
    return f"${amount:,.0f}" if amount == amount.to_integral_value() else f"${amount:,.2f}"


def count(number: int) -> str:
    return f"{number:,}"


def many(number: int, one: str, more: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count(number)} {one if number == 1 else more}"


def short(number: int) -> str:
    """``46.7 M``: of large numbers as much as one remembers."""
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            return f"{number / (size if unit != 'k' else 10**3):,.1f} {unit}"
    return count(number)


def share(of: float | Decimal | None) -> str:
    return "–" if of is None else f"{of * 100:.1f}%"


def change(now: float | Decimal, before: float | Decimal, *, good: Literal["more", "less", "none"]) -> Delta:
    """In percent of what it was."""
    if not before:
        return Delta("None in the previous period", "none", False) if now else Delta("As before", "none", False)
    percent = float(now / before - 1) * 100 if isinstance(now, Decimal) else (float(now) / float(before) - 1) * 100  # type: ignore[operator]
    return _delta(percent, f"{abs(percent):,.1f}%" if abs(percent) < 1000 else f"{abs(percent) / 100 + 1:,.0f}×", good)


def points(now: float | None, before: float | None, *, good: Literal["more", "less"]) -> Delta:
    """Of shares: by how many points."""
    if now is None or before is None:
        return NO_DELTA
    by = (now - before) * 100
    return _delta(by, f"{abs(by):.1f} pt", good)


def by(amount: float, *, good: Literal["more", "less"]) -> Delta:
    """Of what has no unit."""
    return _delta(amount, f"{abs(amount):.1f}", good)


def _delta(by: float, text: str, good: Literal["more", "less", "none"]) -> Delta:
    if abs(by) < 0.05:
        return Delta("±0", "none")
    tone: Literal["good", "bad", "none"] = "none"
    if good != "none":
        tone = "good" if (by > 0) == (good == "more") else "bad"
    return Delta(("+" if by > 0 else "−") + text, tone)


def day(moment: date, *, year: bool = False) -> str:
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if year else "")


def days(first: date, last: date) -> str:
    """``24 Oct – 22 Nov 2026``."""
    if first == last:
        return day(last, year=True)
    return f"{day(first, year=first.year != last.year)} – {day(last, year=True)}"


def month(period: Period) -> str:
    return f"{period.first:%B %Y}"


def bar(period: Period, place: int) -> str:
    """What a bar is called: a day, or the first and last of a week."""
    first, last = period.cuts[place], period.last_of(place)
    return day(first) if first == last else f"{day(first)} – {day(last)}"
