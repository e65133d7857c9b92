"""Routes of what a business pays for: its plan and how much of it is used, all plans, and invoices. They change
nothing: whoever pays is a person at Stripe's pages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Shown
from konstruct import pacing
from konstruct.api_keys import Principal
from konstruct.billing import allowances, changing, entitlements, plans
from konstruct.billing.plans import Every, Feature, Limit
from konstruct.billing.standing import Level
from konstruct.db import Database
from konstruct.ports import Limiter


class Used(Shown):
    limit: Limit
    used: int | None = Field(description="Of knowledge, bytes; of retention, days, null for good.")
    most: int | None = Field(description="In the same unit; null for as many as there may be.")


class Billing(BaseModel):
    is_billed: bool = Field(description="Whether there is a plan at all; without one nothing is limited.")
    plan: str | None
    status: str | None = Field(description="The subscription's, as Stripe names it; `none` without one.")
    level: Level = Field(description="What it comes to: what is restricted may add nothing, and has the free limits.")
    billed_every: Every | None
    trial_ends_at: datetime | None
    period_end: datetime | None
    ends_at: datetime | None = Field(description="When it ends, where it was told to.")
    next_plan: str | None
    next_plan_at: datetime | None
    past_due_since: datetime | None
    synced_at: datetime | None = Field(description="When Stripe was asked last.")
    features: list[Feature]
    limits: list[Used]


class Price(Shown):
    amount: int = Field(description="In the currency's minor units.")


class Plan(Shown):
    key: str
    name: str
    description: str
    currency: str
    prices: Mapping[Every, Price]
    trial_days: int
    limits: Mapping[Limit, int | None] = Field(description="Of knowledge, millions of bytes; null for no limit.")
    features: list[Feature]
    on_request: bool = Field(description="It has no price: businesses ask for it.")


class Plans(BaseModel):
    plans: list[Plan] = Field(description="The smallest first.")


class Invoice(Shown):
    number: str | None
    status: str = Field(description="draft, open, paid, uncollectible or void.")
    amount_due: int = Field(description="In the currency's minor units.")
    amount_paid: int
    currency: str
    created_at: datetime
    page: str | None = Field(description="Where it is seen and paid, at Stripe.")
    pdf: str | None


class Invoices(BaseModel):
    invoices: list[Invoice] = Field(description="The newest first.")


def router(access: Access, database: Database, limiter: Limiter, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/billing", tags=["billing"])

    @routes.get("")
    async def show_billing(caller: Annotated[Principal, access.needs("billing:read")]) -> Billing:
        async with database.tenant_session(caller.tenant_id) as session:
            entitled = await entitlements.of(session)
            used = await allowances.of(session, entitled)
        account = entitled.account
        known = account.model_dump() if account is not None else dict.fromkeys(Billing.model_fields)
        return Billing.model_validate(
            {name: known[name] for name in Billing.model_fields if name in known}
            | {
                "is_billed": account is not None,
                "level": entitled.standing.level,
                "features": sorted(entitled.features),
                "limits": [Used.model_validate(each) for each in used],
            }
        )

    @routes.get("/plans")
    async def list_plans(caller: Annotated[Principal, access.needs("billing:read")]) -> Plans:
        async with database.tenant_session(caller.tenant_id) as session:
            listed = await plans.listed(session)
        return Plans(
            plans=[
                Plan.model_validate(
                    {**vars(each), "limits": each.limits.model_dump(), "features": sorted(each.features)}
                )
                for each in listed
            ]
        )

    @routes.get("/invoices")
    async def list_invoices(caller: Annotated[Principal, access.needs("billing:read")]) -> Invoices:
        """Asked of Stripe each time; empty where the business was never billed there."""
        if outside.payments is None:
            return Invoices(invoices=[])
        await pacing.count(limiter, caller.tenant_id, pacing.INVOICES)
        found = await changing.invoices(database, outside.payments, caller.tenant_id)
        return Invoices(invoices=[Invoice.model_validate(each) for each in found])

    return routes
