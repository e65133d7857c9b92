"""Business hours as arithmetic on aware datetimes. A shift begins when the clock on the wall shows its beginning, also
on days when that clock is put forward or back. No hours at all (``None``) mean that it is always open.
"""

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from konstruct.errors import BadInput

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON: Final = timedelta(days=366)
"""What does not come about within this time counts as never."""

_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_SPAN: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:(24):(00)|([01][0-9]|2[0-3]):([0-5][0-9]))")

Span = tuple[int, int]
"""From and until, in minutes of the wall clock since the day began; one that goes on past midnight ends after 1,440."""
_Open = tuple[datetime, datetime]


@dataclass(frozen=True)
class Hours:
    """No two shifts may overlap; see ``overlap``."""

    time_zone: str
    week: tuple[tuple[Span, ...], ...]
    """Of each day from Monday on. A shift over midnight belongs to the day on which it begins."""
    closed: frozenset[date] = frozenset()
    """Days on which no shift begins."""


def read_spans(text: str) -> tuple[Span, ...]:
    """Reads ``09:00-12:00, 13:00-17:00``; ``22:00-06:00`` goes on past midnight. Raises BadInput."""
    spans = []
    for part in text.split(","):
        found = _SPAN.fullmatch(part.strip())
        if found is None:
            raise BadInput("must be times such as 09:00-12:00, 13:00-17:00; all day is 00:00-24:00")
        begin_hour, begin_minute, end_hour, end_minute = (int(group) for group in found.groups() if group is not None)
        begin, end = 60 * begin_hour + begin_minute, 60 * end_hour + end_minute
        if begin == end:
            raise BadInput("ends when it begins; all day is 00:00-24:00")
        spans.append((begin, end if end > begin else end + 1_440))
    return tuple(sorted(spans))


def read(time_zone: str, days: Mapping[str, str], closed: Sequence[str] = ()) -> Hours:
    """``days``: spans as text by the names of ``DAYS``; ``closed``: dates such as 2026-12-25. Raises BadInput."""
    week = tuple(read_spans(days[day]) if day in days else () for day in DAYS)
    return Hours(time_zone, week, frozenset(date.fromisoformat(day) for day in closed))


def overlap(week: Sequence[Sequence[Span]]) -> int | None:
    """The day, from Monday as 0, with a shift that begins before the one before it has ended."""
    spans = sorted((1_440 * day + begin, 1_440 * day + end) for day, spans in enumerate(week) for begin, end in spans)
    if not spans:
        return None
    # The last shift of Sunday may go on into Monday.
    ended = spans[-1][1] - 7 * 1_440
    for begin, end in spans:
        if begin < ended:
            return begin // 1_440
        ended = end
    return None


def is_open(hours: Hours | None, at: datetime) -> bool:
    return opens_next(hours, at) == at


def opens_next(hours: Hours | None, at: datetime) -> datetime | None:
    """The first moment from ``at`` on when it is open, which is ``at`` itself while it is; None for never."""
    if hours is None:
        return at
    begin, _ = next(_open_from(hours, at), (None, None))
    return begin if begin is None else max(begin, at)


def closes_next(hours: Hours | None, at: datetime) -> datetime | None:
    """When the time ends that is open at ``at`` or else opens next; None for never."""
    closes: datetime | None = None
    for begin, end in _open_from(hours, at) if hours else ():
        if closes is not None and begin > closes:
            return closes
        closes = end
    return None


def after_open_time(hours: Hours | None, start: datetime, open_duration: timedelta) -> datetime | None:
    """The moment when, since ``start``, it has been open for so long; None for never."""
    if hours is None or not open_duration:
        return start + open_duration
    for begin, end in _open_from(hours, start):
        begin = max(begin, start)
        if open_duration <= end - begin:
            return begin + open_duration
        open_duration -= end - begin
    return None


def before_open_time(hours: Hours | None, end: datetime, open_duration: timedelta) -> datetime | None:
    """The moment from which it is open for so long until ``end``; None for never."""
    if hours is None or not open_duration:
        return end - open_duration
    for opened, closed in _open_before(hours, end):
        closed = min(closed, end)
        if open_duration <= closed - opened:
            return closed - open_duration
        open_duration -= closed - opened
    return None


def _open_from(hours: Hours, at: datetime) -> Iterator[_Open]:
    """What is open after ``at``, in order."""
    zone = ZoneInfo(hours.time_zone)
    # The shift of the day before may still go on.
    first = at.astimezone(zone).date() - _DAY
    for days in range(HORIZON.days if any(hours.week) else 0):
        yield from (shift for shift in _shifts(hours, zone, first + days * _DAY) if shift[1] > at)


def _open_before(hours: Hours, at: datetime) -> Iterator[_Open]:
    """What was open before ``at``, the latest first."""
    zone = ZoneInfo(hours.time_zone)
    last = at.astimezone(zone).date()
    for days in range(HORIZON.days if any(hours.week) else 0):
        yield from (shift for shift in reversed(_shifts(hours, zone, last - days * _DAY)) if shift[0] < at)


def _shifts(hours: Hours, zone: ZoneInfo, day: date) -> list[_Open]:
    if day in hours.closed:
        return []
    midnight = datetime.combine(day, time())
    moments = [
        (_moment(zone, midnight + begin * _MINUTE), _moment(zone, midnight + end * _MINUTE))
        for begin, end in hours.week[day.weekday()]
    ]
    return [(begin, end) for begin, end in moments if begin < end]


def _moment(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first moment when a clock on the wall shows this or a later time."""

    def shown(at: datetime) -> datetime:
        return at.astimezone(zone).replace(tzinfo=None)

    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if shown(at) == wall:
        return at
    # The clock is put forward over this time. zoneinfo takes it for one before or after that, so it is between them.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    minutes = range((at - before) // _MINUTE)
    return (
        before
        + bisect.bisect_left(minutes, True, key=lambda minute: shown(before + minute * _MINUTE) >= wall) * _MINUTE
    )
