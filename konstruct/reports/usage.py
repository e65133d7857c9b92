"""What models cost in a period, added up by day and by whom, which model, through which channel, what for, with whose
key and by which prices. All of it is made of the same cells, so every way of adding them up comes to the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, DateTime, Label, Select, and_, case, func, literal, not_, tuple_
from sqlalchemy import select as sql_select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from konstruct.connecting import overview
from konstruct.errors import Mistakes
from konstruct.reports.periods import Period
from konstruct.tables import Connection, Conversation, Usage

By = Literal["employee", "model", "channel", "purpose", "key", "price"]
BYS: Final[tuple[By, ...]] = get_args(By)
TESTS: Final = "tests"
"""What is called so by channel and by purpose: drafts that were tried out. It cost as much as the rest."""
ASSUMED: Final = "assumed"
"""What is called so by price: no list has the model, and the deployment says what it costs. The others are called by
their lists' versions."""
UNKNOWN: Final = "unknown"
UNLISTED: Final = "unlisted"
"""What needs no list, such as models that cost nothing, or is from before lists were noted."""

_PURPOSES: Final[Mapping[str, str]] = {
    "reply": "replies",
    "judge": "judging",
    "summary": "memory",
    "facts": "memory",
    "packet": "handoffs",
    "assist": "handoffs",
    "speech": "speech",
}


@dataclass(frozen=True)
class Amount:
    """``cost`` is in US dollars, of the calls whose price is known; of ``unpriced`` ones nobody knows it."""

    cost: Decimal = Decimal(0)
    own: Decimal = Decimal(0)
    """Of it, what was asked with the business's own keys, which its provider bills to itself."""
    assumed: Decimal = Decimal(0)
    """Of it, what is by an assumed price: no list has the model."""
    calls: int = 0
    unpriced: int = 0
    failed: int = 0
    input: int = 0
    """Tokens, those that were ``cached`` among them."""
    output: int = 0
    cached: int = 0

    @property
    def tokens(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.cost + other.cost,
            self.own + other.own,
            self.assumed + other.assumed,
            self.calls + other.calls,
            self.unpriced + other.unpriced,
            self.failed + other.failed,
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
        )


@dataclass(frozen=True)
class Narrowed:
    """To what a report is held; without any, it is of everything."""

    employee_id: UUID | None = None
    model: str | None = None
    """As ``provider/model``."""
    connection_id: UUID | None = None
    tests: bool = False


@dataclass(frozen=True)
class Row:
    """What belongs together under one name. ``key`` is the employee's or connection's own, or ``provider/model``."""

    key: str
    name: str
    amount: Amount
    bars: Sequence[Amount]
    """One for each bar of the period."""


@dataclass(frozen=True)
class Place:
    """A connection, as far as it is called by its name."""

    key: str
    kind: str
    external: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    period: Period
    narrowed: Narrowed
    total: Amount
    before: Amount
    conversations: int
    """Which cost something, tests left out."""
    conversations_before: int
    bars: Sequence[Amount]
    rows: Mapping[By, Sequence[Row]]
    """The most expensive first."""


@dataclass(frozen=True)
class Known:
    """What the tenant has that a report may be held to, and what it is called."""

    employees: Mapping[UUID, tuple[str, str]]
    """Key and name."""
    places: Mapping[UUID, Place]
    models: Sequence[str] = field(default_factory=tuple)
    """Those that were asked in the period, whatever it is held to."""

    def narrowed(self, *, employee: str = "", model: str = "", channel: str = "") -> Narrowed:
        """By what they are called in addresses. Raises Mistakes for what the tenant does not have."""
        employee_id = next((each for each, (key, _) in self.employees.items() if key == employee), None)
        connection_id = next((each for each, place in self.places.items() if place.key == channel), None)
        if employee and employee_id is None:
            raise Mistakes({"employee": "There is no such employee."})
        if channel and channel != TESTS and connection_id is None:
            raise Mistakes({"channel": "There is no such channel."})
        if model and "/" not in model:
            raise Mistakes({"model": "Name a model with its provider, such as anthropic/claude-sonnet-4-6."})
        return Narrowed(employee_id, model or None, connection_id, channel == TESTS)


async def known(session: AsyncSession, period: Period) -> Known:
    """Of the session's tenant."""
    connections = select(Connection.id, Connection.key, Connection.kind, Connection.external).where(
        col(Connection.kind) != "rehearsal"
    )
    models = (
        select(col(Usage.provider), col(Usage.model))
        .where(col(Usage.created_at) >= period.start, col(Usage.created_at) < period.end)
        .distinct()
    )
    return Known(
        {each.employee_id: (each.key, each.name) for each in await overview.employees(session)},
        {row.id: Place(row.key, row.kind, row.external) for row in await session.execute(connections)},
        sorted(f"{provider}/{model}" for provider, model in await session.execute(models)),
    )


async def report(session: AsyncSession, period: Period, known: Known, narrowed: Narrowed | None = None) -> Report:
    """Of the session's tenant. For numbers that agree with each other the session is to be a snapshot."""
    narrowed = narrowed or Narrowed()
    bars, sums = await _sums(session, period, known, narrowed)
    conversations = await _conversations(session, period.start, period.end, narrowed)
    before, conversations_before = await total(session, period.before.start, period.before.end, narrowed)
    names = dict(known.employees.values())
    return Report(
        period,
        narrowed,
        added(bars),
        before,
        conversations,
        conversations_before,
        bars,
        {by: _rows(sums[by], names if by == "employee" else {}) for by in BYS},
    )


async def total(
    session: AsyncSession, start: datetime, end: datetime, narrowed: Narrowed | None = None
) -> tuple[Amount, int]:
    """Of the session's tenant, with the number of conversations."""
    narrowed = narrowed or Narrowed()
    talks = sql_select(func.bool_and(col(Usage.is_rehearsal)).label("is_test"), *AMOUNTS)
    if narrowed.connection_id is not None:
        talks = talks.join(Conversation, OF_CONVERSATION)
    one = talks.where(condition(start, end, narrowed)).group_by(col(Usage.conversation_id)).subquery().c
    sums = [func.coalesce(func.sum(one[each.name]), 0) for each in AMOUNTS]
    count, *rest = (await session.execute(sql_select(func.count().filter(one.is_test.is_(False)), *sums))).one()
    return amount(rest), count


def added(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, Amount())


def condition(start: datetime, end: datetime, narrowed: Narrowed) -> ColumnElement[bool]:
    """Of rows of the ledger, joined with their conversations."""
    parts: list[ColumnElement[bool] | Mapped[bool]] = [col(Usage.created_at) >= start, col(Usage.created_at) < end]
    if narrowed.employee_id is not None:
        parts.append(col(Usage.employee_id) == narrowed.employee_id)
    if narrowed.model is not None:
        provider, _, model = narrowed.model.partition("/")
        parts += [col(Usage.provider) == provider, col(Usage.model) == model]
    if narrowed.connection_id is not None:
        parts.append(col(Conversation.connection_id) == narrowed.connection_id)
    if narrowed.tests:
        parts.append(col(Usage.is_rehearsal))
    return and_(*parts)


OF_CONVERSATION: Final = and_(
    col(Conversation.tenant_id) == col(Usage.tenant_id), col(Conversation.id) == col(Usage.conversation_id)
)
AMOUNTS: Final[tuple[Label[Any], ...]] = (
    func.coalesce(func.sum(col(Usage.cost)), 0).label("cost"),
    func.coalesce(func.sum(col(Usage.cost)).filter(col(Usage.key_of) == "tenant"), 0).label("own"),
    func.coalesce(func.sum(col(Usage.cost)).filter(col(Usage.is_price_assumed)), 0).label("assumed"),
    func.count().label("calls"),
    func.count().filter(col(Usage.cost).is_(None)).label("unpriced"),
    func.count().filter(col(Usage.outcome) == "failed").label("failed"),
    func.coalesce(func.sum(col(Usage.input_tokens)), 0).label("input"),
    func.coalesce(func.sum(col(Usage.output_tokens)), 0).label("output"),
    func.coalesce(func.sum(col(Usage.cached_tokens)), 0).label("cached"),
)
"""The fields of an ``Amount``."""

_PRICE: Final = case(
    (col(Usage.is_price_assumed), ASSUMED),
    (col(Usage.cost).is_(None), UNKNOWN),
    else_=func.coalesce(col(Usage.price_version), UNLISTED),
).label("price")

_Sums = dict[str, list[Amount]]
"""By key, each with an amount for every bar."""


def amount(row: Sequence[Any]) -> Amount:
    """Of the values of ``AMOUNTS``. Sums of whole numbers may come as decimals."""
    cost, own, assumed, *counts = row
    return Amount(cost, own, assumed, *map(int, counts))


async def _sums(
    session: AsyncSession, period: Period, known: Known, narrowed: Narrowed
) -> tuple[list[Amount], Mapping[By, _Sums]]:
    """For each bar, whole and in each of the ways: Postgres adds the rows up once, and those sums in each way."""
    whole = [Amount()] * len(period.cuts)
    sums: Mapping[By, _Sums] = {by: {} for by in BYS}
    for ways, bar, is_test, *rest in await session.execute(_in_all_ways(period, narrowed)):
        named, found = rest[: len(BYS)], amount(rest[len(BYS) :])
        # Postgres sets a bit for each way that a sum is not of; the first way has the highest.
        by = next((by for place, by in enumerate(reversed(BYS)) if not ways >> place & 1), None)
        if by is None:
            whole[bar - 1] = found
        else:
            key = _key(by, named[BYS.index(by)], bool(is_test), known)
            sums[by].setdefault(key, [Amount()] * len(period.cuts))[bar - 1] += found
    return whole, sums


def _in_all_ways(period: Period, narrowed: Narrowed) -> Select[Any]:
    bar = func.width_bucket(col(Usage.created_at), literal(period.edges, ARRAY(DateTime(timezone=True)))).label("bar")
    of: tuple[ColumnElement[Any] | Mapped[Any], ...] = (
        col(Usage.employee_id),
        (col(Usage.provider) + "/" + col(Usage.model)).label("model"),
        col(Conversation.connection_id),
        col(Usage.purpose),
        col(Usage.key_of),
        _PRICE,
    )
    one = (
        sql_select(bar, col(Usage.is_rehearsal), *of, *AMOUNTS)
        .join(Conversation, OF_CONVERSATION)
        .where(condition(period.start, period.end, narrowed))
        .group_by(bar, col(Usage.is_rehearsal), *of)
        .subquery()
        .c
    )
    ways = (one.employee_id, one.model, one.connection_id, one.purpose, one.key_of, one.price)
    # Tests have a name of their own by channel and by what for.
    tests = (None, None, one.is_rehearsal, one.is_rehearsal, None, None)
    sets = [
        tuple_(one.bar, way) if test is None else tuple_(one.bar, way, test)
        for way, test in zip(ways, tests, strict=True)
    ]
    added_up = [func.sum(one[each.name]) for each in AMOUNTS]
    return sql_select(func.grouping(*ways), one.bar, one.is_rehearsal, *ways, *added_up).group_by(
        func.grouping_sets(tuple_(one.bar), *sets)
    )


async def _conversations(session: AsyncSession, start: datetime, end: datetime, narrowed: Narrowed) -> int:
    # Those that are different are grouped, which takes less than counting them as distinct.
    each = sql_select(col(Usage.conversation_id))
    if narrowed.connection_id is not None:
        each = each.join(Conversation, OF_CONVERSATION)
    each = each.where(condition(start, end, narrowed), not_(col(Usage.is_rehearsal))).group_by(
        col(Usage.conversation_id)
    )
    return (await session.execute(sql_select(func.count()).select_from(each.subquery()))).scalar_one()


def _key(by: By, value: Any, is_test: bool, known: Known) -> str:
    if by == "employee":
        return known.employees[value][0]
    if by == "channel":
        place = known.places.get(value)
        return TESTS if place is None or is_test else place.key
    if by == "purpose":
        return TESTS if is_test else _PURPOSES.get(value, value)
    return str(value)


def _rows(sums: _Sums, names: Mapping[str, str]) -> list[Row]:
    rows = [Row(key, names.get(key, key), added(bars), bars) for key, bars in sums.items()]
    return sorted(rows, key=lambda row: (-row.amount.cost, -row.amount.tokens, row.name))
