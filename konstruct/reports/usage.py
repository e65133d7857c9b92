"""What models cost in a period, added up by day and by whom, which model, through which channel, what for and with
whose key. All of it is made of the same cells, so every way of adding them up comes to the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, DateTime, and_, func, literal
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from konstruct.connecting import overview
from konstruct.errors import Mistakes
from konstruct.reports.periods import Period
from konstruct.tables import Connection, Conversation, Usage

By = Literal["employee", "model", "channel", "purpose", "key"]
BYS: Final[tuple[By, ...]] = get_args(By)
TESTS: Final = "tests"
"""What is called so by channel and by purpose: drafts that were tried out. It cost as much as the rest."""

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


@dataclass(frozen=True)
class _Cell:
    bar: int
    employee_id: UUID
    model: str
    connection_id: UUID
    purpose: str
    key_of: str
    is_test: bool
    amount: Amount


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
    cells = await _cells(session, period, narrowed)
    before, conversations_before = await _total(session, period.before.start, period.before.end, narrowed)
    _, conversations = await _total(session, period.start, period.end, narrowed)
    bars = _bars(cells, len(period.cuts))
    return Report(
        period,
        narrowed,
        added(each.amount for each in cells),
        before,
        conversations,
        conversations_before,
        bars,
        {by: _rows(cells, len(period.cuts), _NAMING[by](known)) for by in BYS},
    )


def added(amounts: Any) -> Amount:
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
AMOUNTS: Final = (
    func.coalesce(func.sum(col(Usage.cost)), 0),
    func.count(),
    func.count().filter(col(Usage.cost).is_(None)),
    func.count().filter(col(Usage.outcome) == "failed"),
    func.coalesce(func.sum(col(Usage.input_tokens)), 0),
    func.coalesce(func.sum(col(Usage.output_tokens)), 0),
    func.coalesce(func.sum(col(Usage.cached_tokens)), 0),
)
"""The fields of an ``Amount``, in their order."""


async def _cells(session: AsyncSession, period: Period, narrowed: Narrowed) -> list[_Cell]:
    of = (
        func.width_bucket(col(Usage.created_at), literal(period.edges, ARRAY(DateTime(timezone=True)))),
        col(Usage.employee_id),
        col(Usage.provider),
        col(Usage.model),
        col(Conversation.connection_id),
        col(Usage.purpose),
        col(Usage.key_of),
        col(Usage.is_rehearsal),
    )
    query = (
        select(*of, *AMOUNTS)  # type: ignore[call-overload]
        .join(Conversation, OF_CONVERSATION)
        .where(condition(period.start, period.end, narrowed))
        .group_by(*of)
    )
    return [
        _Cell(bar - 1, employee, f"{provider}/{model}", place, purpose, key_of, is_test, Amount(*amounts))
        for bar, employee, provider, model, place, purpose, key_of, is_test, *amounts in await session.execute(query)
    ]


async def _total(session: AsyncSession, start: datetime, end: datetime, narrowed: Narrowed) -> tuple[Amount, int]:
    """With the number of conversations."""
    conversations = func.count(col(Usage.conversation_id).distinct()).filter(col(Usage.is_rehearsal).is_(False))
    query = select(*AMOUNTS, conversations).where(condition(start, end, narrowed))  # type: ignore[call-overload]
    if narrowed.connection_id is not None:
        query = query.join(Conversation, OF_CONVERSATION)
    *amounts, count = (await session.execute(query)).one()
    return Amount(*amounts), count


_Naming = Callable[[_Cell], tuple[str, str]]


def _by_employee(known: Known) -> _Naming:
    return lambda cell: known.employees[cell.employee_id]


def _by_model(known: Known) -> _Naming:
    return lambda cell: (cell.model, cell.model)


def _by_channel(known: Known) -> _Naming:
    def name(cell: _Cell) -> tuple[str, str]:
        place = known.places.get(cell.connection_id)
        return (TESTS, TESTS) if place is None or cell.is_test else (place.key, place.key)

    return name


def _by_purpose(known: Known) -> _Naming:
    def name(cell: _Cell) -> tuple[str, str]:
        purpose = TESTS if cell.is_test else _PURPOSES.get(cell.purpose, cell.purpose)
        return purpose, purpose

    return name


def _by_key(known: Known) -> _Naming:
    return lambda cell: (cell.key_of, cell.key_of)


_NAMING: Final[Mapping[By, Callable[[Known], _Naming]]] = {
    "employee": _by_employee,
    "model": _by_model,
    "channel": _by_channel,
    "purpose": _by_purpose,
    "key": _by_key,
}


def _bars(cells: Sequence[_Cell], count: int) -> list[Amount]:
    bars = [Amount()] * count
    for cell in cells:
        bars[cell.bar] += cell.amount
    return bars


def _rows(cells: Sequence[_Cell], count: int, name: _Naming) -> list[Row]:
    groups: dict[tuple[str, str], list[_Cell]] = {}
    for cell in cells:
        groups.setdefault(name(cell), []).append(cell)
    rows = [
        Row(key, called, added(each.amount for each in group), _bars(group, count))
        for (key, called), group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.amount.cost, -row.amount.tokens, row.name))
