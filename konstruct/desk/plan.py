"""What is to be done now for a handoff that waits, and when to look again. Pure: no clock, no database, no channel.

However late it is asked, it asks for nothing twice: what was missed is done once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from konstruct.desk.hours import after_open_time, before_open_time, closes_next, is_open, opens_next
from konstruct.desk.people import Ending, Group, Person

MOST_NOTICES: Final = 5
"""How often a contact is told that they still wait, after they were told that somebody was asked."""
REMIND_BEFORE: Final = timedelta(hours=1)
"""So much open time before the channel's deadline, the agents are reminded of it."""
TELL_BEFORE: Final = timedelta(minutes=10)
"""So long before it, whether open or not, the contact is told of it."""
LONGEST_WAIT: Final = timedelta(days=90)
"""After this it is given up, however rarely the group is open."""

Told = Literal["asked", "closed", "still_waiting", "deadline"]


@dataclass(frozen=True)
class Ring:
    """``people``: the keys of those who are asked to take it."""

    people: tuple[str, ...]


@dataclass(frozen=True)
class Remind:
    """All of the group are told that it still waits, but for those who said "not now", unless all did."""

    people: tuple[str, ...]
    deadline: datetime | None = None
    """When the contact can no longer be written to, where that is near."""


@dataclass(frozen=True)
class Email:
    """Those who ring now are written to. All of them have an address."""

    people: tuple[str, ...]


@dataclass(frozen=True)
class TellContact:
    text_kind: Told
    until: datetime | None = None
    """closed: when somebody is back, if ever; deadline: when it is."""


@dataclass(frozen=True)
class GiveUp:
    then: Ending


Action = Ring | Remind | Email | TellContact | GiveUp


@dataclass(frozen=True)
class Waiting:
    """A handoff that nobody has taken, and what was done for it so far. People go by their keys."""

    since: datetime
    rung: tuple[str, ...] = ()
    """Who was rung last."""
    rung_at: datetime | None = None
    not_now: frozenset[str] = frozenset()
    """Who said that they cannot take it now."""
    reminded_at: datetime | None = None
    reminded_of: datetime | None = None
    """The deadline that agents were reminded of."""
    emailed: frozenset[str] = frozenset()
    emailed_at: datetime | None = None
    told_at: datetime | None = None
    told_count: int = 0
    """How often the contact was told that they still wait."""
    told_of: datetime | None = None
    """The deadline that the contact was told of."""
    reply_deadline: datetime | None = None
    """Until when the channel lets the contact be written to."""
    gave_up_at: datetime | None = None


@dataclass(frozen=True)
class Due:
    actions: tuple[Action, ...]
    """At most one of each kind, in the order in which to do them."""
    next_at: datetime | None
    """When there will be something to do once these are done; None: never."""


_Timed = tuple[datetime, Action]
"""An action, and when it is due: not before the moment that was asked about."""


def plan(group: Group, waiting: Waiting, now: datetime) -> Due:
    """Of a handoff that waits for ``group``. ``now`` is not before ``waiting.since``."""
    if waiting.gave_up_at is not None:
        return Due((), None)
    given_up_at, given_up = _give_up(group, waiting)
    if given_up_at <= now:
        return Due((given_up,), None)
    actions: list[Action] = []
    for timer in _TIMERS:
        timed = timer(group, waiting, now)
        if timed is not None and timed[0] <= now:
            actions.append(timed[1])
            # Whom to write to depends on who rings, and so on.
            waiting = applied(waiting, (timed[1],), now)
    later = [timed[0] for timer in _TIMERS if (timed := timer(group, waiting, now)) is not None]
    return Due(tuple(actions), min([given_up_at, *later]))


def applied(waiting: Waiting, actions: tuple[Action, ...], now: datetime) -> Waiting:
    """How it stands when these were done, at ``now``."""
    for action in actions:
        match action:
            case Ring(people):
                # The first ring says all that a reminder would.
                waiting = replace(waiting, rung=people, rung_at=now, reminded_at=waiting.reminded_at or now)
            case Remind(_, deadline):
                waiting = replace(waiting, reminded_at=now, reminded_of=deadline or waiting.reminded_of)
            case Email(people):
                waiting = replace(waiting, emailed=waiting.emailed | set(people), emailed_at=now)
            case TellContact("deadline", deadline):
                waiting = replace(waiting, told_at=now, told_of=deadline)
            case TellContact():
                waiting = replace(waiting, told_at=now, told_count=waiting.told_count + (waiting.told_at is not None))
            case GiveUp():
                waiting = replace(waiting, gave_up_at=now)
    return waiting


def gives_up_at(group: Group, waiting: Waiting) -> datetime:
    """When it is over with nobody having come."""
    return _give_up(group, waiting)[0]


def ringing(group: Group, waiting: Waiting) -> tuple[Person, ...]:
    """Who was rung last and has not said "not now" since."""
    return tuple(person for person in _willing(group, waiting) if person.key in waiting.rung)


def _willing(group: Group, waiting: Waiting) -> tuple[Person, ...]:
    """Once everybody said "not now", it is as if nobody had: it still waits."""
    return tuple(person for person in group.people if person.key not in waiting.not_now) or group.people


def _keys(people: tuple[Person, ...]) -> tuple[str, ...]:
    return tuple(person.key for person in people)


def _when_open(group: Group, due_at: datetime | None, now: datetime) -> datetime | None:
    """The first moment from now on when it is due and somebody is there."""
    return None if due_at is None else opens_next(group.hours, max(due_at, now))


def _ring(group: Group, waiting: Waiting, now: datetime) -> _Timed | None:
    if not group.people:
        return None
    due_at: datetime | None = now
    people = _keys(_willing(group, waiting))
    if group.ring == "in_order":
        people = _next_in_order(group, waiting)
    if waiting.rung_at is not None:
        if group.ring == "all_at_once":
            return None
        if ringing(group, waiting):
            due_at = after_open_time(group.hours, waiting.rung_at, group.ring_for)
    at = _when_open(group, due_at, now)
    return None if at is None else (at, Ring(people))


def _next_in_order(group: Group, waiting: Waiting) -> tuple[str, ...]:
    """After the last, the first again."""
    everybody, willing = _keys(group.people), _keys(_willing(group, waiting))
    place = next((place for place, key in enumerate(everybody, 1) if key in waiting.rung), 0)
    return (next(key for key in everybody[place:] + everybody[:place] if key in willing),)


def _remind(group: Group, waiting: Waiting, now: datetime) -> _Timed | None:
    if not group.people or waiting.rung_at is None:
        return None
    people = _keys(_willing(group, waiting))
    due_at = after_open_time(group.hours, waiting.reminded_at or waiting.rung_at, group.remind_every)
    at = _when_open(group, due_at, now)
    deadline = waiting.reply_deadline
    if deadline is not None and waiting.reminded_of != deadline:
        near = _when_open(group, before_open_time(group.hours, deadline, REMIND_BEFORE), now)
        if near is not None and near < deadline and (at is None or near <= at):
            return near, Remind(people, deadline)
    return None if at is None else (at, Remind(people))


def _email(group: Group, waiting: Waiting, now: datetime) -> _Timed | None:
    people = tuple(
        person.key for person in ringing(group, waiting) if person.email and person.key not in waiting.emailed
    )
    at = _when_open(group, after_open_time(group.hours, waiting.since, group.email_after), now)
    return (at, Email(people)) if people and at is not None else None


def _tell(group: Group, waiting: Waiting, now: datetime) -> _Timed | None:
    deadline = waiting.reply_deadline
    timed = _tell_of_waiting(group, waiting, now)
    if deadline is None:
        return timed
    near = max(deadline - TELL_BEFORE, now)
    if waiting.told_of != deadline and (timed is None or near <= timed[0]):
        timed = near, TellContact("deadline", deadline)
    # From then on they can no longer be told anything.
    return timed if timed is not None and timed[0] < deadline else None


def _tell_of_waiting(group: Group, waiting: Waiting, now: datetime) -> _Timed | None:
    hours = group.hours
    if waiting.told_at is None:
        back_at = opens_next(hours, now)
        return now, TellContact("asked") if back_at == now else TellContact("closed", back_at)
    if waiting.told_count >= MOST_NOTICES:
        return None
    at = _when_open(group, after_open_time(hours, waiting.told_at, group.tell_contact_every), now)
    closes_at = closes_next(hours, waiting.told_at)
    if closes_at is not None and closes_at <= now:
        # Closing time has passed since; where it is open again, only the next one matters.
        closes_at = closes_next(hours, now) if is_open(hours, now) else now
    if closes_at is not None and (at is None or closes_at < at):
        return closes_at, TellContact("closed", opens_next(hours, closes_at))
    return None if at is None else (at, TellContact("still_waiting"))


def _give_up(group: Group, waiting: Waiting) -> _Timed:
    latest = waiting.since + LONGEST_WAIT
    return min(after_open_time(group.hours, waiting.since, group.give_up_after) or latest, latest), GiveUp(group.then)


_TIMERS: Final[tuple[Callable[[Group, Waiting, datetime], _Timed | None], ...]] = (_ring, _remind, _email, _tell)
