"""Which days a period is of, where they begin, and what each period is compared with."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from konstruct.errors import Mistakes
from konstruct.reports import periods
from konstruct.reports.periods import Period

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
"""Half past midnight in Paris, of the 21st."""


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("7", date(2026, 11, 15), date(2026, 11, 21)),
        ("30", date(2026, 10, 23), date(2026, 11, 21)),
        ("", date(2026, 10, 23), date(2026, 11, 21)),
        ("365", date(2025, 11, 22), date(2026, 11, 21)),
        ("this-month", date(2026, 11, 1), date(2026, 11, 21)),
        ("last-month", date(2026, 10, 1), date(2026, 10, 31)),
    ],
)
def test_a_period_ends_today_where_the_business_is(name: str, first: date, last: date) -> None:
    found = periods.chosen(name, "", "", PARIS, NOW)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [("2026-11-02", "2026-11-03", 2), ("2026-11-02", "", 20), ("", "2026-11-02", 1), (" 2026-11-02 ", "2026-11-02", 1)],
)
def test_days_may_be_chosen_one_by_one(first: str, last: str, days: int) -> None:
    assert periods.chosen("7", first, last, PARIS, NOW).days == days


@pytest.mark.parametrize(
    ("name", "first", "last", "field"),
    [
        ("century", "", "", "range"),
        ("", "yesterday", "", "from"),
        ("", "2026-11-02", "02.11.2026", "to"),
        ("", "2026-11-02", "2026-11-01", "to"),
        ("", "2026-11-02", "2026-11-22", "to"),
        ("", "2025-10-01", "2026-11-21", "from"),
        ("", "0001-01-01", "", "from"),
    ],
)
def test_what_is_no_period_is_told_beside_what_was_written(name: str, first: str, last: str, field: str) -> None:
    with pytest.raises(Mistakes) as told:
        periods.chosen(name, first, last, PARIS, NOW)
    assert set(told.value.fields) == {field}


def test_a_day_begins_at_its_midnight_or_where_clocks_skip_that() -> None:
    assert periods.begins(date(2026, 7, 1), PARIS) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    # On that night the clocks of Cairo went from midnight to one.
    assert periods.begins(date(2024, 4, 26), ZoneInfo("Africa/Cairo")) == datetime(2024, 4, 25, 22, tzinfo=UTC)


def test_borders_of_days_follow_each_other_without_gaps_through_a_year() -> None:
    period = Period(date(2026, 1, 1), date(2026, 3, 31), PARIS, NOW)
    assert [begin.astimezone(PARIS).date() for begin in period.edges] == list(period.cuts)
    assert period.edges[0] == period.start
    assert period.last_of(len(period.cuts) - 1) == period.last


def test_what_is_longer_than_a_quarter_is_cut_into_weeks_that_begin_on_mondays() -> None:
    period = Period(date(2026, 1, 1), date(2026, 4, 4), PARIS, NOW)
    assert period.step == "week"
    assert period.cuts[:3] == (date(2026, 1, 1), date(2026, 1, 5), date(2026, 1, 12))
    assert (period.last_of(0), period.last_of(13)) == (date(2026, 1, 4), date(2026, 4, 4))


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        (date(2026, 11, 1), date(2026, 11, 10), (date(2026, 10, 22), date(2026, 10, 31))),
        (date(2026, 10, 1), date(2026, 10, 31), (date(2026, 9, 1), date(2026, 9, 30))),
        (date(2026, 11, 1), date(2026, 11, 21), (date(2026, 10, 1), date(2026, 10, 21))),
        (date(2026, 11, 15), date(2026, 11, 21), (date(2026, 11, 8), date(2026, 11, 14))),
    ],
    ids=["days", "a whole month", "this month", "until today"],
)
def test_a_period_is_compared_with_the_one_before(first: date, last: date, before: tuple[date, date]) -> None:
    found = Period(first, last, PARIS, NOW).before
    assert (found.first, found.last) == before


def test_the_longest_month_is_compared_with_as_much_as_the_shortest_has() -> None:
    found = Period(date(2026, 3, 1), date(2026, 3, 31), PARIS, datetime(2026, 3, 31, 12, tzinfo=UTC)).before
    assert (found.first, found.last) == (date(2026, 2, 1), date(2026, 2, 28))


def test_what_is_not_over_is_compared_up_to_the_same_time_of_day() -> None:
    running = Period(date(2026, 11, 15), date(2026, 11, 21), PARIS, NOW)
    assert running.before.end == datetime(2026, 11, 13, 23, 30, tzinfo=UTC)
    over = Period(date(2026, 11, 8), date(2026, 11, 14), PARIS, NOW)
    assert over.before.end == over.start
    assert over.before.end - over.before.start == timedelta(days=7)
