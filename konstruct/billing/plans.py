"""Plans: what businesses may subscribe to, at which prices, and what each includes. They are rows, the same for all."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import BadInput
from konstruct.tables import PlanRow

Every = Literal["month", "year"]
EVERY: Final[tuple[Every, ...]] = get_args(Every)
Limit = Literal["employees", "connections", "messages", "seats", "knowledge_mb", "retention_days"]
LIMITS: Final[tuple[Limit, ...]] = get_args(Limit)
Feature = Literal["whatsapp", "tools", "own_keys", "api", "audit_export"]
FEATURES: Final[tuple[Feature, ...]] = get_args(Feature)

FREE: Final = "free"
"""The key of the plan of those who pay for none; there is always one."""

_Amount = Annotated[int, Field(ge=0, le=100_000_000, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Strict):
    lookup_key: str = Field(pattern="^[a-z0-9_]{3,60}$")
    """What it is called at Stripe; the price's id there may change."""
    amount: _Amount
    """Minor units of the plan's currency."""


class Limits(_Strict):
    """None: as many as there may be."""

    employees: int | None = Field(ge=0)
    connections: int | None = Field(ge=0)
    """Channel accounts: Slack workspaces and WhatsApp numbers."""
    messages: int | None = Field(ge=0)
    """Of contacts, that employees are asked, in a calendar month of the tenant's time zone."""
    seats: int | None = Field(ge=1)
    """Members of the team, those who are invited included."""
    knowledge_mb: int | None = Field(ge=0)
    """Text of documents, in millions of bytes."""
    retention_days: int | None = Field(ge=1)
    """For how long messages and files may be kept at most; what is kept already is never removed for it."""

    def of(self, limit: Limit) -> int | None:
        found: int | None = getattr(self, limit)
        return found


class Metered(_Strict):
    """Models that are paid by use, besides the price: see ``konstruct.billing.metering``."""

    event_name: str = Field(pattern="^[a-z0-9_]{3,60}$")
    lookup_key: str = Field(pattern="^[a-z0-9_]{3,60}$")
    unit_amount: str = Field(pattern=r"^\d{1,6}(\.\d{1,12})?$")
    """Minor units for a millionth of a US dollar that models cost: 0.00012 bills it with a fifth on top."""


KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""What plans are called."""


class Plan(_Strict):
    key: str
    name: str
    description: str
    currency: str = Field(pattern="^[a-z]{3}$")
    prices: Mapping[Every, Price] = Field(default_factory=dict)
    trial_days: int = Field(ge=0, le=90)
    limits: Limits
    features: frozenset[Feature] = frozenset()
    metered: Metered | None = None
    on_request: bool = False
    """It has no price: businesses ask for it."""


async def listed(session: AsyncSession) -> list[Plan]:
    """All of them, the smallest first."""
    rows = await session.scalars(select(PlanRow).order_by(col(PlanRow.position)))
    return [_plan(row) for row in rows]


async def by_key(session: AsyncSession, key: str) -> Plan:
    """The free one where there is none of this name (any more)."""
    found = await by_keys(session, (key, FREE))
    return found.get(key) or found[FREE]


async def by_keys(session: AsyncSession, keys: Collection[str]) -> dict[str, Plan]:
    """Those that there are."""
    rows = await session.scalars(select(PlanRow).where(col(PlanRow.key).in_(keys)))
    return {row.key: _plan(row) for row in rows}


def for_sale(offered: list[Plan], key: str, every: Every) -> Plan:
    """Raises BadInput where there is no such plan, or it is not sold so."""
    plan = next((each for each in offered if each.key == key), None)
    if plan is None:
        raise BadInput("There is no such plan.")
    if every not in plan.prices:
        raise BadInput(f"The plan {plan.name} cannot be paid by the {every}.")
    return plan


def lookup_keys(plan: Plan, every: Every) -> list[str]:
    """Of all that whoever has the plan subscribes to, its own price first."""
    return [plan.prices[every].lookup_key, *([plan.metered.lookup_key] if plan.metered else [])]


def of_price(plans: list[Plan], lookup_key: str | None) -> tuple[Plan, Every] | None:
    """Of which plan this price is, and how often it is paid. None where it is of none."""
    for plan in plans:
        for every, price in plan.prices.items():
            if price.lookup_key == lookup_key:
                return plan, every
    return None


def of_row(key: str, name: str, content: Mapping[str, Any]) -> Plan:
    """As it is stored."""
    return Plan.model_validate({"key": key, "name": name, **content})


def _plan(row: PlanRow) -> Plan:
    return of_row(row.key, row.name, row.content)
