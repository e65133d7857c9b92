"""The manifest's section about the people who take conversations over, and what has to fit together in it."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from konstruct.desk import hours
from konstruct.desk.people import DURATIONS, Ending, Ringing
from konstruct.documents import Loc
from konstruct.errors import BadInput
from konstruct.manifest.fields import ChannelId, Duration, Key, Line, Section, TimeZone, UserId, instead, like

OVERLAPS: Final = "begins before what comes before it has ended; write the two as one"
LONGEST_TERM: Final = timedelta(weeks=4)


def _check_spans(value: str) -> str:
    try:
        hours.read_spans(value)
    except BadInput as error:
        raise PydanticCustomError("hours", "{told}", {"told": str(error)}) from None
    return value


def _check_day(value: str) -> str:
    try:
        is_day = date.fromisoformat(value).isoformat() == value
    except ValueError:
        is_day = False
    if not is_day:
        raise PydanticCustomError("day", "must be a day such as 2026-12-25")
    return value


def _check_term(value: timedelta) -> timedelta:
    if value > LONGEST_TERM:
        raise PydanticCustomError("term", "must be at most 4 weeks")
    return value


_Spans = Annotated[str, AfterValidator(_check_spans)]
_Day = Annotated[str, AfterValidator(_check_day)]
_Term = Annotated[Duration, AfterValidator(_check_term)]
_Email = Annotated[
    str, Field(max_length=254), like(r'[^@\s\x00-\x1f\x7f<>,;:"]+@[^@\s\x00-\x1f\x7f<>,;:"]+', "must be one address")
]


class Person(Section):
    name: Line
    slack: UserId | None = None
    email: _Email | None = None


class Hours(Section):
    time_zone: TimeZone | None = None
    """The tenant's where it is not said."""
    mon: _Spans | None = None
    tue: _Spans | None = None
    wed: _Spans | None = None
    thu: _Spans | None = None
    fri: _Spans | None = None
    sat: _Spans | None = None
    sun: _Spans | None = None
    closed: Annotated[list[_Day], Field(max_length=400)] = []

    @model_validator(mode="after")
    def _check_open(self) -> Self:
        if not self.days():
            raise PydanticCustomError(
                "never", "name no day; say when it is open, such as mon: 09:00-17:00, or leave hours out for always"
            )
        return self

    def days(self) -> dict[str, str]:
        return {day: spans for day in hours.DAYS if (spans := getattr(self, day)) is not None}

    def overlap(self) -> str | None:
        """The day with a shift that begins before the one before it has ended."""
        day = hours.overlap(hours.read("UTC", self.days()).week)
        return None if day is None else hours.DAYS[day]


class Group(Section):
    """What holds for what is not said is ``konstruct.desk.people.Group``'s."""

    people: Annotated[list[Key], Field(min_length=1, max_length=100)]
    ring: Ringing | None = None
    hours: Hours | None = None
    ring_for: _Term | None = None
    remind_every: _Term | None = None
    tell_contact_every: _Term | None = None
    email_after: _Term | None = None
    give_up_after: _Term | None = None
    then: Ending | None = None

    def content(self) -> dict[str, Any]:
        """As it is stored."""
        kept = self.model_dump(exclude_none=True, exclude_defaults=True, exclude=set(DURATIONS))
        terms = {name: term for name in DURATIONS if (term := getattr(self, name)) is not None}
        return kept | {f"{name}_seconds": int(term.total_seconds()) for name, term in terms.items()}


class Desk(Section):
    """Where agents are shown what waits, who they are, and in which groups they are asked."""

    connection: Key | None = None
    channel: ChannelId | None = None
    people: dict[Key, Person] = {}
    groups: dict[Key, Group] = {}
    default: Key | None = None

    def content(self) -> dict[str, Any]:
        """As it is stored."""
        kept = self.model_dump(exclude_none=True, exclude_defaults=True, exclude={"groups"})
        groups = {"groups": {key: group.content() for key, group in self.groups.items()}} if self.groups else {}
        return kept | groups


def problems(desk: Desk, escalations: Mapping[str, JsonValue]) -> Iterator[tuple[Loc, str]]:
    """What does not fit together, and where. ``escalations``: each employee's rules, as they are stored."""
    yield from _problems_of_people(desk)
    for key, group in desk.groups.items():
        for place, person in enumerate(group.people):
            where = ("desk", "groups", key, "people", place)
            if person not in desk.people:
                yield where, f"is nobody of the desk's people{instead(person, desk.people)}"
            elif person in group.people[:place]:
                yield where, "is named a second time"
        if group.hours is not None:
            day = group.hours.overlap()
            if day is not None:
                yield ("desk", "groups", key, "hours", day), OVERLAPS
    if desk.default is not None and desk.default not in desk.groups:
        yield ("desk", "default"), f"is no group of the desk{instead(desk.default, desk.groups)}"
    if desk.default is None and len(desk.groups) > 1:
        yield ("desk", "default"), "is missing: with several groups, name the one for handoffs that name nobody"
    for employee, rules in escalations.items():
        yield from _problems_of_rules(desk, employee, rules)


def _problems_of_people(desk: Desk) -> Iterator[tuple[Loc, str]]:
    seen: set[str] = set()
    for key, person in desk.people.items():
        if key in desk.groups:
            yield ("desk", "groups", key), "is what one of the people is called; a rule could not tell the two apart"
        if person.slack in seen:
            yield ("desk", "people", key, "slack"), "is somebody else's already; each has a user of their own"
        seen |= {person.slack} if person.slack else set()


def _problems_of_rules(desk: Desk, employee: str, rules: JsonValue) -> Iterator[tuple[Loc, str]]:
    # Whether a rule has the right shape is for the schema of rules to say.
    for place, rule in enumerate(rules if isinstance(rules, list) else ()):
        then = rule.get("then") if isinstance(rule, dict) else None
        for name, action in then.items() if isinstance(then, dict) else ():
            to = action.get("to") if isinstance(action, dict) else None
            if isinstance(to, str) and to not in desk.groups and to not in desk.people:
                told = f"is no group and nobody of the desk{instead(to, [*desk.groups, *desk.people])}"
                if not desk.groups and not desk.people:
                    told = "names somebody, and this file has no desk; add one, or leave this out"
                yield ("employees", employee, "escalation", place, "then", name, "to"), told
