"""What a report is asked for, in its address: the days, what it is held to, and by what it is added up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.errors import Mistakes
from konstruct.reports import periods, usage
from konstruct.reports.periods import PRESETS, USUAL, Period
from konstruct.reports.usage import BYS, By, Known, Narrowed
from konstruct.tables.base import utc_now

_NAMES: Final[Mapping[str, str]] = {"first": "from", "last": "to", "range_": "range"}
"""Of fields whose parameter is called otherwise."""


@dataclass(frozen=True)
class Asked:
    range_: str = ""
    first: str = ""
    last: str = ""
    employee: str = ""
    model: str = ""
    channel: str = ""
    by: str = ""

    @property
    def sums(self) -> By:
        return next((each for each in BYS if each == self.by), "employee")

    @property
    def preset(self) -> str | None:
        """None where days are chosen one by one."""
        if self.first or self.last:
            return None
        return self.range_ if self.range_ in PRESETS else USUAL

    @property
    def is_narrowed(self) -> bool:
        return bool(self.employee or self.model or self.channel)

    def query(self, **changes: str) -> str:
        """The address's query, with these parameters changed; what is empty is left out."""
        fields = vars(replace(self, **changes))
        found = {_NAMES.get(name, name): value for name, value in fields.items() if value}
        return f"?{urlencode(found)}" if found else ""

    def of_days(self, first: date, last: date, **changes: str) -> str:
        return self.query(range_="", first=first.isoformat(), last=last.isoformat(), by="", **changes)


@dataclass(frozen=True)
class Understood:
    period: Period
    known: Known
    narrowed: Narrowed
    errors: Mapping[str, str]
    """What could not be understood; the usual is shown instead."""

    @property
    def today(self) -> date:
        return self.period.now.astimezone(self.period.zone).date()


def asked(
    range_: Annotated[str, Query(alias="range", max_length=20)] = "",
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    employee: Annotated[str, Query(max_length=100)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
    channel: Annotated[str, Query(max_length=100)] = "",
    by: Annotated[str, Query(max_length=20)] = "",
) -> Asked:
    return Asked(range_, first.strip(), last.strip(), employee, model, channel, by)


async def understood(session: AsyncSession, given: Asked) -> Understood:
    zone, now = await periods.zone(session), utc_now()
    period, errors = _or_else(
        lambda: periods.chosen(given.range_, given.first, given.last, zone, now),
        lambda: periods.preset(USUAL, zone, now),
    )
    known = await usage.known(session, period)
    narrowed, wrong = _or_else(
        lambda: known.narrowed(employee=given.employee, model=given.model, channel=given.channel), Narrowed
    )
    return Understood(period, known, narrowed, errors | wrong)


def _or_else(find: Callable[[], Any], otherwise: Callable[[], Any]) -> tuple[Any, dict[str, str]]:
    try:
        return find(), {}
    except Mistakes as error:
        return otherwise(), error.fields
