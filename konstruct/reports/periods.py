"""Periods of whole days in a business's time zone, cut into days or weeks; and what each is compared with."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import Mistakes
from konstruct.tables import Tenant

Preset = Literal["7", "30", "90", "365", "this-month", "last-month"]
PRESETS: Final[tuple[Preset, ...]] = get_args(Preset)
USUAL: Final[Preset] = "30"
MOST_DAYS: Final = 400
MOST_BARS: Final = 92
"""Longer periods are cut into weeks."""
_DAYS: Final[Mapping[str, int]] = {"7": 7, "30": 30, "90": 90, "365": 365}


@dataclass(frozen=True)
class Span:
    """From its first day to its last, and the moments where it begins and ends, the latter not in it."""

    first: date
    last: date
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Period:
    first: date
    last: date
    zone: ZoneInfo
    now: datetime

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        return begins(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return begins(self.last + timedelta(days=1), self.zone)

    @property
    def step(self) -> Literal["day", "week"]:
        return "day" if self.days <= MOST_BARS else "week"

    @cached_property
    def cuts(self) -> tuple[date, ...]:
        """The first day of each bar; weeks begin on Mondays, the first one where the period does."""
        days = (self.first + timedelta(days=number) for number in range(self.days))
        return tuple(day for day in days if self.step == "day" or day == self.first or day.weekday() == 0)

    @property
    def edges(self) -> list[datetime]:
        """Where each bar begins. Days are not always of 24 hours, so Postgres is given their borders."""
        return [begins(day, self.zone) for day in self.cuts]

    def last_of(self, place: int) -> date:
        """The last day of this bar."""
        return self.cuts[place + 1] - timedelta(days=1) if place + 1 < len(self.cuts) else self.last

    @cached_property
    def before(self) -> Span:
        """As many days just before; of a month, or of what there is of this one, the same days of the month before.

        What is not over is compared with as much of the earlier period, to the hour.
        """
        of_one_month = self.first.day == 1 and (self.first.year, self.first.month) == (self.last.year, self.last.month)
        if of_one_month and (self.last == self._today or self.last == _end_of_month(self.last)):
            whole = _end_of_month(self.first - timedelta(days=1))
            first = whole.replace(day=1)
            is_whole = self.last == _end_of_month(self.last) and self.last != self._today
            last = whole if is_whole else min(whole, first + timedelta(days=self.days - 1))
        else:
            first, last = self.first - timedelta(days=self.days), self.first - timedelta(days=1)
        end = begins(last + timedelta(days=1), self.zone)
        if self.last == self._today:
            clock = self.now.astimezone(self.zone).time()
            end = min(end, datetime.combine(last, clock, self.zone).astimezone(UTC))
        return Span(first, last, begins(first, self.zone), end)

    @property
    def _today(self) -> date:
        return self.now.astimezone(self.zone).date()


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The moment in UTC; where clocks skip midnight, the one at which they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def preset(name: Preset, zone: ZoneInfo, now: datetime) -> Period:
    today = now.astimezone(zone).date()
    if name == "this-month":
        return Period(today.replace(day=1), today, zone, now)
    if name == "last-month":
        last = today.replace(day=1) - timedelta(days=1)
        return Period(last.replace(day=1), last, zone, now)
    return Period(today - timedelta(days=_DAYS[name] - 1), today, zone, now)


def chosen(name: str, first: str, last: str, zone: ZoneInfo, now: datetime) -> Period:
    """By its name, or by its days where either is given; else the usual one.

    Raises Mistakes, by ``range``, ``from`` and ``to``.
    """
    if not first.strip() and not last.strip():
        found = next((each for each in PRESETS if each == name), None)
        if found is None and name:
            raise Mistakes({"range": f"Choose one of {', '.join(PRESETS)}, or days by from and to."})
        return preset(found or USUAL, zone, now)
    today = now.astimezone(zone).date()
    begin = _day(first, "from") if first.strip() else None
    until = _day(last, "to") if last.strip() else today
    begin = begin or until
    if begin > until:
        raise Mistakes({"to": "The last day is before the first."})
    if until > today:
        raise Mistakes({"to": "That day is still to come."})
    if (until - begin).days >= MOST_DAYS:
        raise Mistakes({"from": f"Choose at most {MOST_DAYS} days."})
    return Period(begin, until, zone, now)


def month(zone: ZoneInfo, now: datetime) -> Period:
    """The calendar month that is on, to its last day."""
    today = now.astimezone(zone).date()
    return Period(today.replace(day=1), _end_of_month(today), zone, now)


async def zone(session: AsyncSession) -> ZoneInfo:
    """Of the session's tenant: its days are everybody's, so that two who compare numbers see the same."""
    return ZoneInfo(await session.scalar(select(col(Tenant.time_zone))) or "UTC")


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _day(said: str, field: str) -> date:
    try:
        day = date.fromisoformat(said.strip())
    except ValueError:
        raise Mistakes({field: "Write a day such as 2026-11-29."}) from None
    if not 2000 <= day.year <= 9000:
        raise Mistakes({field: "Choose a day of these years."})
    return day
