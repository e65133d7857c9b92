"""What contacts are told: short, true, and with times that hold wherever they are."""

import re
from datetime import UTC, datetime
from typing import get_args

import pytest

from konstruct.desk import texts
from konstruct.desk.plan import Told
from konstruct.desk.texts import Kind

MONDAY = datetime(2026, 11, 30, 8, tzinfo=UTC)


def test_there_is_a_text_for_all_that_a_plan_tells_and_for_every_end() -> None:
    assert {*get_args(Told), "apologise"} == set(get_args(Kind))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_is_one_short_sentence_that_promises_nobody_at_once(kind: Kind) -> None:
    told = texts.told(kind, until=MONDAY, time_zone="Europe/Vienna")
    assert len(told) < 250
    assert re.fullmatch(r"[A-Z][^.!?\n{}*_<>]*\.", told)
    assert not re.search(r"connect|transfer|right away|shortly|soon|in a moment|one moment", told, re.IGNORECASE)


def test_times_are_told_as_the_groups_clocks_show_them() -> None:
    assert texts.told("closed", until=MONDAY, time_zone="Europe/Vienna") == (
        "Nobody is here to take over at the moment; people are back on Monday, 30 November at 09:00 (Vienna time), and "
        "will find your messages then."
    )
    assert "Monday, 30 November at 03:00 (New York time)" in texts.told(
        "deadline", until=MONDAY, time_zone="America/New_York"
    )
    assert texts.moment(MONDAY, "UTC") == "Monday, 30 November at 08:00 (UTC time)"


def test_where_nobody_knows_when_people_are_back_no_time_is_told() -> None:
    told = texts.told("closed")
    assert "cannot say when people are back" in told
    assert not re.search(r"\d", told)


def test_where_nobody_came_a_call_back_is_offered() -> None:
    assert "how and when we can reach you" in texts.told("apologise")
