"""Money: what tenants pay for, what they may spend, and what models cost."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKeyConstraint, Index, Numeric, Uuid, text
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class PlanRow(SQLModel, table=True):
    """What businesses pay for: see ``konstruct.billing.plans``. The deployment's own; it has no tenant."""

    __tablename__ = "plans"

    key: str = Field(primary_key=True)
    position: int
    name: str
    content: dict[str, Any] = document()
    stored_at: datetime = moment()


class BillingAccount(SQLModel, table=True):
    """What a tenant pays for, as Stripe said last. A tenant without one is not billed, and has no limits."""

    __tablename__ = "billing_accounts"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),)

    tenant_id: UUID = Field(primary_key=True)
    plan: str = "free"
    """Of which the subscription is, whatever its status; ``free`` without one."""
    overrides: dict[str, Any] = document()
    """Limits and features that were agreed with this tenant alone, in place of its plan's."""
    customer_id: str | None = Field(default=None, unique=True)
    subscription_id: str | None = None
    status: str = "none"
    """The subscription's, as Stripe names it; ``none`` without one."""
    billed_every: str | None = None
    """``month`` or ``year``."""
    trial_ends_at: datetime | None = moment(optional=True)
    period_start: datetime | None = moment(optional=True)
    period_end: datetime | None = moment(optional=True)
    ends_at: datetime | None = moment(optional=True)
    """When it ends, where it was told to end with a period."""
    next_plan: str | None = None
    """What it changes to at ``next_plan_at``, as after a downgrade."""
    next_plan_at: datetime | None = moment(optional=True)
    past_due_since: datetime | None = moment(optional=True)
    """When the invoice that is not paid was made: from then on grace counts."""
    had_trial: bool = False
    detail: dict[str, Any] = document()
    """What is only shown: the card's brand and last four digits, the latest invoice, other subscriptions."""
    checkout_session_id: str | None = None
    """The latest one opened; it is closed before another is."""
    asked: int = Field(default=0, sa_type=BigInteger)
    applied: int = Field(default=0, sa_type=BigInteger)
    """Which time of asking Stripe the row is from: an answer that was asked for earlier never replaces it."""
    synced_at: datetime | None = moment(optional=True)
    problem: str | None = None
    """Why the last look at Stripe came to nothing, in a sentence; what was known before holds."""
    created_at: datetime = moment()


class PlanMonth(SQLModel, table=True):
    """How many messages employees were asked in a calendar month of the tenant's time zone."""

    __tablename__ = "plan_months"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),)

    tenant_id: UUID = Field(primary_key=True)
    month: date = Field(primary_key=True)
    """Its first day."""
    messages: int = Field(default=0, sa_type=BigInteger)


class BudgetMonth(SQLModel, table=True):
    """US dollars that were spent in a month, as the ledger has them; from when on somebody asked a budget in it."""

    __tablename__ = "budget_months"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),)

    tenant_id: UUID = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    """``business``, or an employee's id."""
    month: date = Field(primary_key=True)
    spent: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 10))
    begins: datetime = moment()
    ends: datetime = moment()
    """Not in it. In the time zone that the tenant had then."""


class BudgetHold(Owned, table=True):
    """What one call may cost at most, held until it is known what it did."""

    __tablename__ = "budget_holds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        Index("budget_holds_by_end", "tenant_id", "expires_at"),
    )

    employee_id: UUID
    month: date
    amount: Decimal = Field(sa_type=Numeric(20, 10))
    created_at: datetime = moment()
    expires_at: datetime = moment()


class ThresholdAlert(SQLModel, table=True):
    """That people were told how much of something is used up, once."""

    __tablename__ = "threshold_alerts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        Index("threshold_alerts_to_mail", "tenant_id", postgresql_where=text("mailed_at is null")),
    )

    tenant_id: UUID = Field(primary_key=True)
    what: str = Field(primary_key=True)
    """``budget:`` and a scope, or ``plan:`` and a limit."""
    month: date = Field(primary_key=True)
    percent: int = Field(primary_key=True)
    used: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 10))
    """How much it was when they were told last: by it the same is known from what is crossed anew."""
    most: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 10))
    """The budget or limit then."""
    seen_by: list[UUID] = Field(default_factory=list, sa_type=ARRAY(Uuid))
    """Members who have looked at it since; the others have a badge."""
    mailed_at: datetime | None = moment(optional=True)
    created_at: datetime = moment()


class MeteredUsage(Owned, table=True):
    """A row of usage, by its id, that is to be billed by a meter of Stripe's."""

    __tablename__ = "metered_usage"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        Index("metered_usage_waiting", "tenant_id", "used_at", postgresql_where=text("state = 'waiting'")),
        Index("metered_usage_refused", "settled_at", postgresql_where=text("state = 'refused'")),
    )

    event_name: str
    customer_id: str
    value: int = Field(sa_type=BigInteger)
    """Millionths of a US dollar that the call cost."""
    state: str = "waiting"
    problem: str | None = None
    used_at: datetime = moment()
    tried_at: datetime | None = moment(optional=True)
    """When it may first have arrived; Stripe knows what it counted already for a day."""
    settled_at: datetime | None = moment(optional=True)


class PriceMap(SQLModel, table=True):
    """What models cost, as it was known from then on: see ``konstruct.models.prices``. It has no tenant."""

    __tablename__ = "price_maps"

    version: str = Field(primary_key=True)
    source: str
    content: dict[str, Any] = document()
    stored_at: datetime = moment()
