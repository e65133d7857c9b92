"""What a business means to spend on models in a calendar month of its time zone, as a whole and for employees, how far
that is used up, and what is to happen once it is. ``holding`` is what keeps calls within it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, cast, get_args
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import tenant_settings, unsettled
from konstruct.connecting import overview
from konstruct.errors import Mistakes
from konstruct.reports import periods
from konstruct.reports.periods import Period
from konstruct.tables import Tenant, Usage

BUSINESS: Final = "business"
NEAR: Final = Decimal("0.8")
MOST: Final = Decimal(10_000_000)
_CENT: Final = Decimal("0.01")

WhenSpent = Literal["people", "local", "pause"]
"""What becomes of messages once a budget is spent: they are handed to people, answered by models that cost nothing, or
wait until there is a budget again."""
WHEN_SPENT: Final = get_args(WhenSpent)


@dataclass(frozen=True)
class Budgets:
    """US dollars for a calendar month; employees by their keys."""

    business: Decimal | None = None
    employees: Mapping[str, Decimal] = field(default_factory=dict)
    when_spent: WhenSpent = "people"

    @property
    def is_any(self) -> bool:
        return self.business is not None or bool(self.employees)

    def content(self) -> dict[str, Any]:
        """As it is stored."""
        kept = {key: str(amount) for key, amount in sorted(self.employees.items())}
        business = {BUSINESS: str(self.business)} if self.business is not None else {}
        chosen = {"when_spent": self.when_spent} if self.when_spent != "people" else {}
        return business | ({"employees": kept} if kept else {}) | chosen


@dataclass(frozen=True)
class Standing:
    """How much of a month's budget is used. Without a ``budget``, only what was spent."""

    key: str | None
    """The employee's; None for the whole business."""
    name: str
    spent: Decimal
    own: Decimal
    """Of it, what was asked with the business's own keys. It counts as the rest does."""
    unpriced: int
    """Calls besides, of which nobody knows the price."""
    budget: Decimal | None

    @property
    def share(self) -> Decimal | None:
        return self.spent / self.budget if self.budget is not None else None

    @property
    def state(self) -> Literal["none", "within", "near", "over"]:
        if self.share is None:
            return "none"
        return "over" if self.share >= 1 else "near" if self.share >= NEAR else "within"


@dataclass(frozen=True)
class Month:
    period: Period
    business: Standing
    employees: Sequence[Standing]
    """Those with a budget or with costs: what is used up most first."""
    when_spent: WhenSpent

    @property
    def has_budget(self) -> bool:
        return any(each.budget is not None for each in (self.business, *self.employees))


def read_kept(kept: Mapping[str, Any]) -> Budgets:
    """As ``Tenant.budgets`` has them."""
    business = kept.get(BUSINESS)
    employees = {key: Decimal(amount) for key, amount in kept.get("employees", {}).items()}
    return Budgets(Decimal(business) if business is not None else None, employees, kept.get("when_spent", "people"))


async def read(session: AsyncSession) -> Budgets:
    """Of the session's tenant."""
    return read_kept(await session.scalar(select(col(Tenant.budgets))) or {})


async def month(session: AsyncSession, now: datetime) -> Month:
    """How the session's tenant stands in the calendar month that is on."""
    tenant = (await session.scalars(select(Tenant))).one()
    budgets, period = read_kept(tenant.budgets), periods.month(await periods.zone(session), now)
    query = (
        select(
            col(Usage.employee_id),
            func.sum(col(Usage.cost)),
            func.sum(col(Usage.cost)).filter(col(Usage.key_of) == "tenant"),
            func.count().filter(col(Usage.cost).is_(None)),
        )
        .where(col(Usage.created_at) >= period.start, col(Usage.created_at) < period.end)
        .group_by(col(Usage.employee_id))
    )
    spent: dict[UUID, tuple[Decimal, Decimal, int]] = {
        employee: (cost or Decimal(0), own or Decimal(0), unpriced)
        for employee, cost, own, unpriced in await session.execute(query)
    }
    nothing = (Decimal(0), Decimal(0), 0)
    standings = [
        Standing(each.key, each.name, *spent.get(each.employee_id, nothing), budgets.employees.get(each.key))
        for each in await overview.employees(session)
        if each.employee_id in spent or each.key in budgets.employees
    ]
    total = sum((cost for cost, _, _ in spent.values()), Decimal(0))
    own = sum((own for _, own, _ in spent.values()), Decimal(0))
    unpriced = sum(count for _, _, count in spent.values())
    return Month(
        period,
        Standing(None, tenant.name, total, own, unpriced, budgets.business),
        sorted(standings, key=lambda each: (each.budget is None, -(each.share or 0), -each.spent, each.name)),
        budgets.when_spent,
    )


async def change(session: AsyncSession, tenant_id: UUID, values: Mapping[str, str], *, actor: str) -> list[str]:
    """``values``: what was written for ``business`` and for employees by their keys (``employees.ada``), empty where
    there is to be none; what is left out has none either. Without ``when_spent`` that stays as it is.
    Raises Mistakes, by the same names."""
    tenant = await tenant_settings.locked(session, tenant_id)
    chosen = values.get("when_spent", read_kept(tenant.budgets).when_spent)
    known = {each.key for each in await overview.employees(session)}
    mistakes: dict[str, str] = {}
    amounts: dict[str, Decimal] = {}
    if chosen not in WHEN_SPENT:
        mistakes["when_spent"] = f"Choose one of {', '.join(WHEN_SPENT)}."
    for name, written in values.items():
        if name == "when_spent":
            continue
        if name != BUSINESS and name.removeprefix("employees.") not in known:
            mistakes[name] = "There is no such employee."
        elif written.strip():
            try:
                amounts[name] = _dollars(written)
            except ValueError as error:
                mistakes[name] = str(error)
    if mistakes:
        raise Mistakes(mistakes)
    business = amounts.pop(BUSINESS, None)
    employees = {name.removeprefix("employees."): amount for name, amount in amounts.items()}
    kept = Budgets(business, employees, cast(WhenSpent, chosen))
    changed = tenant_settings.put(session, tenant, {"budgets": kept.content()}, actor=actor)
    if changed:
        await unsettled.take_up(session)
    return changed


def _dollars(written: str) -> Decimal:
    """Raises ValueError, with a sentence."""
    try:
        amount = Decimal(written.strip().removeprefix("$").strip())
    except InvalidOperation:
        raise ValueError("Write dollars, such as 300 or 49.50.") from None
    if not amount.is_finite() or amount < _CENT:
        raise ValueError("A budget is at least one cent; leave it empty for none.")
    if amount > MOST:
        raise ValueError(f"A budget is at most {MOST:,} dollars.")
    if amount != amount.quantize(_CENT):
        raise ValueError("Write at most two digits behind the point.")
    return amount.quantize(_CENT)
