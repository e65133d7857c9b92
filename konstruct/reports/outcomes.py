"""What became of conversations in a period: answered by whom, how soon, handed to people why and with what end, and how
satisfied contacts say they are.

A conversation is *handled* in a period in which a contact writes in it, on the day of the first such message; it is
*resolved without a person* if an employee answered and, within the period, people were neither asked for nor wrote in
it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.reports.outcome_queries import HANDED_OFF, HANDLED, RATED, REASONS
from konstruct.reports.periods import Period
from konstruct.reports.usage import Narrowed
from konstruct.tables import Tenant

ANSWERED_WITHIN: Final = timedelta(days=1)
"""Replies count for so long after the period, for who wrote at its very end."""
AGAIN_WITHIN: Final = timedelta(days=7)
"""A conversation that is handed off again so soon after it was given back was reopened."""


@dataclass(frozen=True)
class Times:
    """Seconds; None where there is nothing to measure."""

    count: int = 0
    median: float | None = None
    ninetieth: float | None = None
    mean: float | None = None


@dataclass(frozen=True)
class Handled:
    conversations: int = 0
    alone: int = 0
    """Resolved without a person."""
    with_people: int = 0
    unanswered: int = 0
    """By nobody, in the period."""
    first_reply: Times = Times()

    @property
    def resolved_share(self) -> float | None:
        return self.alone / self.conversations if self.conversations else None

    @property
    def handoff_share(self) -> float | None:
        return self.with_people / self.conversations if self.conversations else None


@dataclass(frozen=True)
class HandedOff:
    """Of hand-offs that began in the period."""

    count: int = 0
    waiting: int = 0
    owned: int = 0
    resolved: int = 0
    handed_back: int = 0
    nobody_came: int = 0
    erased: int = 0
    reopened: int = 0
    to_person: Times = Times()
    """From when people were asked to when somebody took it; of those that agents took unasked, nothing."""
    to_reply: Times = Times()


@dataclass(frozen=True)
class Reason:
    cause: str
    rule: str | None
    target: str | None
    """The group or person who was asked."""
    handed_off: HandedOff


@dataclass(frozen=True)
class Satisfaction:
    asked: int = 0
    answered: int = 0
    mean: float | None = None
    scores: tuple[int, ...] = (0, 0, 0, 0, 0)
    """How many gave 1, 2, 3, 4 and 5."""


@dataclass(frozen=True)
class Of:
    """All that is told of one employee, one channel, one bar, or everything."""

    handled: Handled = Handled()
    handed_off: HandedOff = HandedOff()
    satisfaction: Satisfaction = Satisfaction()


@dataclass(frozen=True)
class Outcomes:
    period: Period
    total: Of
    before: Of
    bars: Sequence[Of]
    employees: Mapping[UUID, Of]
    connections: Mapping[UUID, Of]
    reasons: Sequence[Reason]
    """The most frequent first."""
    let_go_before: datetime | None = None
    """Hand-offs that ended earlier may have been let go of, as the business wants it."""


_BAR, _EMPLOYEE, _CONNECTION = 0b011, 0b101, 0b110
"""What ``grouping`` says of rows that are of one thing: which of the three they are not of."""


async def read(session: AsyncSession, period: Period, narrowed: Narrowed | None = None) -> Outcomes:
    """Of the session's tenant. For numbers that agree with each other the session is to be a snapshot."""
    narrowed = narrowed or Narrowed()
    asked = _parameters(period.start, period.end, period.edges, narrowed)
    found = await _added_up(session, asked)
    before = period.before
    earlier = await _added_up(session, _parameters(before.start, before.end, [before.start], narrowed))
    reasons = [
        Reason(cause, rule, target, _handed_off(rest))
        for cause, rule, target, *rest in await session.execute(REASONS, asked | {"again": AGAIN_WITHIN})
    ]
    return Outcomes(
        period,
        found.everything,
        earlier.everything,
        [found.bars.get(number + 1, Of()) for number in range(len(period.cuts))],
        found.employees,
        found.connections,
        reasons,
        await _let_go_before(session, period),
    )


@dataclass
class _Found:
    everything: Of = Of()
    bars: dict[int, Of] = field(default_factory=dict)
    employees: dict[UUID, Of] = field(default_factory=dict)
    connections: dict[UUID, Of] = field(default_factory=dict)


def _parameters(start: datetime, end: datetime, edges: Sequence[datetime], narrowed: Narrowed) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "edges": list(edges),
        "employee_id": narrowed.employee_id,
        "connection_id": narrowed.connection_id,
    }


async def _added_up(session: AsyncSession, asked: dict[str, Any]) -> _Found:
    parts: dict[tuple[int, Any], list[Any]] = {}
    queries: tuple[tuple[TextClause, Callable[[Sequence[Any]], object], dict[str, Any]], ...] = (
        (HANDLED, _handled, {"until": asked["end"] + ANSWERED_WITHIN}),
        (HANDED_OFF, _handed_off, {"again": AGAIN_WITHIN}),
        (RATED, _satisfaction, {}),
    )
    for place, (query, made, more) in enumerate(queries):
        for grouping, bar, employee_id, connection_id, *rest in await session.execute(query, asked | more):
            key = {_BAR: bar, _EMPLOYEE: employee_id, _CONNECTION: connection_id}.get(grouping)
            parts.setdefault((grouping, key), [Handled(), HandedOff(), Satisfaction()])[place] = made(rest)
    found = _Found()
    for (grouping, key), three in parts.items():
        of = Of(*three)
        if grouping == _BAR:
            found.bars[key] = of
        elif grouping == _EMPLOYEE:
            found.employees[key] = of
        elif grouping == _CONNECTION:
            found.connections[key] = of
        else:
            found.everything = of
    return found


def _handled(row: Sequence[Any]) -> Handled:
    conversations, alone, with_people, unanswered, *waited = row
    return Handled(conversations, alone, with_people, unanswered, _measured(waited))


def _handed_off(row: Sequence[Any]) -> HandedOff:
    count, waiting, owned, resolved, handed_back, nobody_came, erased, reopened, *times = row
    to_person, to_reply = _measured(times[:3]), _measured(times[3:])
    return HandedOff(count, waiting, owned, resolved, handed_back, nobody_came, erased, reopened, to_person, to_reply)


def _satisfaction(row: Sequence[Any]) -> Satisfaction:
    return Satisfaction(row[0], row[1], row[2], tuple(row[3:8]))


def _measured(row: Sequence[Any]) -> Times:
    count, percentiles, mean = row
    median, ninetieth = percentiles or (None, None)
    return Times(count, median, ninetieth, mean)


async def _let_go_before(session: AsyncSession, period: Period) -> datetime | None:
    days = (await session.scalar(select(col(Tenant.retention))) or {}).get("messages")
    horizon = period.now - timedelta(days=days) if days else None
    return horizon if horizon is not None and horizon > period.start else None
