"""Business hours, by examples, and against a walk through every minute around the days when clocks are put."""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from konstruct.desk import hours
from konstruct.desk.hours import Hours, Span
from konstruct.errors import BadInput

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
WEEK = 7 * 1_440
OFFICE = hours.read(
    "Europe/Vienna",
    dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-12:00, 13:00-17:00"),
    closed=["2026-12-25"],
)
NIGHTS = hours.read("Europe/Vienna", {"fri": "22:00-06:00", "sat": "22:00-06:00"})


def vienna(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Vienna"), fold=fold)


@pytest.mark.parametrize(
    ("at", "is_open", "opens", "closes"),
    [
        ("2026-11-30T09:00", True, "2026-11-30T09:00", "2026-11-30T12:00"),
        ("2026-11-30T11:59", True, "2026-11-30T11:59", "2026-11-30T12:00"),
        ("2026-11-30T12:00", False, "2026-11-30T13:00", "2026-11-30T17:00"),
        ("2026-11-28T19:00", False, "2026-11-30T09:00", "2026-11-30T12:00"),
        ("2026-12-24T17:00", False, "2026-12-28T09:00", "2026-12-28T12:00"),
    ],
)
def test_an_office_opens_and_closes(at: str, is_open: bool, opens: str, closes: str) -> None:
    assert hours.is_open(OFFICE, vienna(at)) is is_open
    assert hours.opens_next(OFFICE, vienna(at)) == vienna(opens)
    assert hours.closes_next(OFFICE, vienna(at)) == vienna(closes)


@pytest.mark.parametrize(
    ("start", "minutes", "then"),
    [
        ("2026-11-30T09:00", 0, "2026-11-30T09:00"),
        ("2026-11-30T09:00", 180, "2026-11-30T12:00"),
        ("2026-11-30T09:00", 181, "2026-11-30T13:01"),
        ("2026-11-28T19:00", 1, "2026-11-30T09:01"),
        ("2026-12-24T16:30", 60, "2026-12-28T09:30"),
        ("2026-11-30T09:00", 5 * 420 + 30, "2026-12-07T09:30"),
    ],
)
def test_only_open_time_counts(start: str, minutes: int, then: str) -> None:
    assert hours.after_open_time(OFFICE, vienna(start), minutes * MINUTE) == vienna(then)


@pytest.mark.parametrize(
    ("end", "minutes", "begin"),
    [
        ("2026-11-30T17:00", 60, "2026-11-30T16:00"),
        ("2026-11-30T20:00", 60, "2026-11-30T16:00"),
        ("2026-11-30T13:20", 60, "2026-11-30T11:20"),
        ("2026-12-28T09:30", 60, "2026-12-24T16:30"),
        ("2026-11-30T17:00", 0, "2026-11-30T17:00"),
    ],
)
def test_only_open_time_counts_backwards(end: str, minutes: int, begin: str) -> None:
    assert hours.before_open_time(OFFICE, vienna(end), minutes * MINUTE) == vienna(begin)


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    assert hours.is_open(NIGHTS, vienna("2026-11-29T05:59"))
    assert not hours.is_open(NIGHTS, vienna("2026-11-29T06:00"))
    closed = hours.read("Europe/Vienna", {"sat": "22:00-06:00"}, closed=["2026-11-29"])
    assert hours.is_open(closed, vienna("2026-11-29T05:59"))
    closed = hours.read("Europe/Vienna", {"sat": "22:00-06:00"}, closed=["2026-11-28"])
    assert not hours.is_open(closed, vienna("2026-11-29T05:59"))


def test_a_night_is_an_hour_longer_or_shorter_when_clocks_are_put() -> None:
    for day, long in (("2026-10-24", 9), ("2026-10-31", 8), ("2026-03-28", 7)):
        begin = vienna(f"{day}T22:00")
        end = hours.closes_next(NIGHTS, begin)
        assert end is not None
        assert end - begin.astimezone(UTC) == timedelta(hours=long)


def test_a_shift_that_begins_at_a_time_that_clocks_leave_out_begins_when_they_are_put() -> None:
    early = hours.read("Europe/Vienna", {"sun": "02:30-05:00"})
    assert hours.opens_next(early, vienna("2026-03-28T12:00")) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    gone = hours.read("Europe/Vienna", {"sun": "02:15-02:45"})
    assert hours.opens_next(gone, vienna("2026-03-28T12:00")) == vienna("2026-04-05T02:15")


def test_a_time_that_clocks_show_twice_is_the_first_of_the_two() -> None:
    early = hours.read("Europe/Vienna", {"sun": "02:30-05:00"})
    assert hours.opens_next(early, vienna("2026-10-24T12:00")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    until = hours.read("Europe/Vienna", {"sun": "01:00-02:30"})
    assert not hours.is_open(until, vienna("2026-10-25T02:10", fold=1))


def test_without_hours_it_is_always_open_and_without_shifts_never() -> None:
    now = vienna("2026-11-28T19:00")
    assert hours.is_open(None, now)
    assert (hours.opens_next(None, now), hours.closes_next(None, now)) == (now, None)
    assert hours.after_open_time(None, now, DAY) == now + DAY
    assert hours.before_open_time(None, now, DAY) == now - DAY
    never = Hours("UTC", ((),) * 7)
    assert not hours.is_open(never, now)
    assert (hours.opens_next(never, now), hours.closes_next(never, now)) == (None, None)
    assert (hours.after_open_time(never, now, DAY), hours.before_open_time(never, now, DAY)) == (None, None)
    around_the_clock = hours.read("Europe/Vienna", dict.fromkeys(hours.DAYS, "00:00-24:00"))
    assert hours.closes_next(around_the_clock, now) is None


def test_what_takes_longer_than_anybody_waits_never_comes() -> None:
    rarely = hours.read("UTC", {"mon": "09:00-09:01"})
    assert hours.after_open_time(rarely, vienna("2026-11-28T19:00"), 30 * MINUTE) is not None
    assert hours.after_open_time(rarely, vienna("2026-11-28T19:00"), DAY) is None
    assert hours.before_open_time(rarely, vienna("2026-11-28T19:00"), DAY) is None


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("09:00-17:00", ((540, 1_020),)),
        (" 13:00 - 17:00,09:00-12:00 ", ((540, 720), (780, 1_020))),
        ("22:00-06:00", ((1_320, 1_800),)),
        ("22:00-00:00", ((1_320, 1_440),)),
        ("00:00-24:00", ((0, 1_440),)),
    ],
)
def test_spans_are_read(text: str, spans: tuple[Span, ...]) -> None:
    assert hours.read_spans(text) == spans


@pytest.mark.parametrize(
    "text",
    ["", "9-17", "9:00-17:00", "09:00", "09:00-25:00", "24:00-09:00", "09:60-10:00", "09:00-17:00,", "٠٩:00-17:00"],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="must be times such as 09:00-12:00"):
        hours.read_spans(text)


def test_a_span_that_ends_when_it_begins_is_refused() -> None:
    with pytest.raises(BadInput, match="all day is 00:00-24:00"):
        hours.read_spans("09:00-09:00")


@pytest.mark.parametrize(
    ("days", "day"),
    [
        ({"mon": "09:00-12:00, 12:00-17:00"}, None),
        ({"mon": "09:00-12:00, 11:00-17:00"}, 0),
        ({"tue": "22:00-06:00", "wed": "06:00-09:00"}, None),
        ({"tue": "22:00-06:00", "wed": "05:59-09:00"}, 2),
        ({"sun": "22:00-06:00", "mon": "05:00-09:00"}, 0),
        ({"sun": "22:00-06:00"}, None),
        ({}, None),
    ],
)
def test_shifts_that_overlap_are_found(days: dict[str, str], day: int | None) -> None:
    assert hours.overlap(hours.read("UTC", days).week) == day


# When clocks are put: by an hour, by half of one, at midnight, and once by a whole day.
PUT = [
    ("Europe/Vienna", date(2026, 3, 29)),
    ("Europe/Vienna", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Havana", date(2026, 3, 8)),
    ("America/Havana", date(2026, 11, 1)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(2026, 5, 1)),
]
SHOWN_DAYS = 5


class Minutes:
    """Every minute of some days, and whether it is open in it: found by looking at the clock each time."""

    def __init__(self, of: Hours, first: date) -> None:
        zone = ZoneInfo(of.time_zone)
        self.begin = datetime.combine(first, time(), UTC)
        shown = [(self.begin + n * MINUTE).astimezone(zone).replace(tzinfo=None) for n in range(SHOWN_DAYS * 1_440)]
        self.is_open = [False] * len(shown)
        for days in range(-2, SHOWN_DAYS + 1):
            day = first + days * DAY
            for begin, end in () if day in of.closed else of.week[day.weekday()]:
                midnight = datetime.combine(day, time())
                opened = self._first(shown, midnight + begin * MINUTE)
                for n in range(opened, self._first(shown, midnight + end * MINUTE)):
                    self.is_open[n] = True

    @staticmethod
    def _first(shown: list[datetime], wall: datetime) -> int:
        return next((n for n, each in enumerate(shown) if each >= wall), len(shown))

    def at(self, n: int) -> datetime:
        return self.begin + n * MINUTE


@st.composite
def weeks(draw: st.DrawFn) -> tuple[tuple[Span, ...], ...]:
    offset = draw(st.integers(0, WEEK - 1))
    edges = draw(st.lists(st.integers(0, WEEK), min_size=2, max_size=24, unique=True).map(sorted))
    week: list[list[Span]] = [[] for _ in range(7)]
    for begin, end in zip(edges[::2], edges[1::2], strict=False):
        day, minute = divmod((begin + offset) % WEEK, 1_440)
        week[day].append((minute, minute + min(end - begin, 1_440)))
    return tuple(tuple(sorted(spans)) for spans in week)


@st.composite
def around(draw: st.DrawFn) -> tuple[Hours, date]:
    zone, put = draw(st.sampled_from(PUT))
    first = put - 2 * DAY
    closed = draw(st.frozensets(st.integers(0, SHOWN_DAYS).map(lambda days: first + days * DAY), max_size=2))
    return Hours(zone, draw(weeks()), closed), first


@settings(max_examples=100, deadline=None)
@given(around(), st.integers(0, SHOWN_DAYS * 1_440 - 1), st.integers(0, 59), st.integers(1, 3_000))
def test_arithmetic_is_what_a_look_at_every_minute_says(
    place: tuple[Hours, date], n: int, seconds: int, long: int
) -> None:
    of, first = place
    assert hours.overlap(of.week) is None
    minutes = Minutes(of, first)
    at, end = minutes.at(n), minutes.at(len(minutes.is_open))
    opened = [m for m, is_open in enumerate(minutes.is_open) if is_open]

    assert hours.is_open(of, at + timedelta(seconds=seconds)) is minutes.is_open[n]

    opens = next((m for m in opened if m >= n), None)
    found = hours.opens_next(of, at)
    assert found == minutes.at(opens) if opens is not None else found is None or found >= end

    found = hours.closes_next(of, at)
    closes = next(
        (m for m in range(n if opens is None else opens, len(minutes.is_open)) if not minutes.is_open[m]), None
    )
    is_known = opens is not None and closes is not None
    assert found == minutes.at(closes or 0) if is_known else found is None or found >= end

    place_in_opened = bisect_left(opened, n)
    after = opened[place_in_opened + long - 1] + 1 if place_in_opened + long <= len(opened) else None
    found = hours.after_open_time(of, at, long * MINUTE)
    assert found == minutes.at(after) if after is not None else found is None or found > end

    before = opened[place_in_opened - long] if place_in_opened >= long else None
    found = hours.before_open_time(of, at, long * MINUTE)
    assert found == minutes.at(before) if before is not None else found is None or found < minutes.begin


@settings(max_examples=100, deadline=None)
@given(
    around(), st.integers(0, SHOWN_DAYS * 1_440), st.timedeltas(timedelta(0), 3 * DAY), st.timedeltas(timedelta(0), DAY)
)
def test_open_time_adds_up(place: tuple[Hours, date], n: int, one: timedelta, other: timedelta) -> None:
    of, first = place
    start = datetime.combine(first, time(), UTC) + n * MINUTE
    between, then = hours.after_open_time(of, start, one), hours.after_open_time(of, start, one + other)
    # What is a year away from one moment may come within a year of a later one.
    assume(then is not None)
    assert between is not None
    assert hours.after_open_time(of, between, other) == then
