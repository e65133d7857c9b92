"""Charts as data: bars that stand on each other, the largest named and what is left of them together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from konstruct.reports.periods import Period
from portal import report_words

T = TypeVar("T")

MOST_COLOURS: Final = 8


@dataclass(frozen=True)
class Series:
    name: str
    exact: Sequence[Decimal | int]
    key: str = ""
    is_rest: bool = False


def stacked(
    rows: Sequence[T], values: Callable[[T], Sequence[Decimal]], name: Callable[[T], str], key: Callable[[T], str]
) -> list[Series]:
    """Each row of its own as long as there are colours that can be told apart."""
    few = rows if len(rows) <= MOST_COLOURS else rows[: MOST_COLOURS - 1]
    series = [Series(name(row), values(row), key(row)) for row in few]
    if rest := rows[len(few) :]:
        sums = [sum(each, Decimal(0)) for each in zip(*map(values, rest), strict=True)]
        series.append(Series(f"{len(rest)} others", sums, is_rest=True))
    return series


def chart(
    period: Period, series: Sequence[Series], *, unit: str, line: tuple[str, Decimal] | None = None, href: str = ""
) -> dict[str, Any]:
    """As ``js/reports.js`` draws it: numbers are exact texts, and become points of a picture there. ``line``: a name
    and where it lies; ``href``: where bars lead, with ``from`` and ``to`` and, of a series, what is in it."""
    places = range(len(period.cuts))
    return {
        "unit": unit,
        "labels": [report_words.bar(period, place) for place in places],
        "days": [[period.cuts[place].isoformat(), period.last_of(place).isoformat()] for place in places],
        "series": [
            {
                "name": each.name,
                "key": each.key,
                "isRest": each.is_rest,
                "values": [f"{exact:f}" for exact in each.exact],
            }
            for each in series
        ],
        "line": {"name": line[0], "value": f"{line[1]:f}"} if line else None,
        "href": href,
    }
