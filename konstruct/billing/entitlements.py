"""What a tenant may have just now: its plan's limits and features, as far as its subscription's state lets it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.billing import plans
from konstruct.billing.plans import FEATURES, FREE, Feature, Limits, Plan
from konstruct.billing.standing import Standing, standing
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now

UNLIMITED = Limits(employees=None, connections=None, messages=None, seats=None, knowledge_mb=None, retention_days=None)


@dataclass(frozen=True)
class Entitlement:
    account: BillingAccount | None
    """None where the tenant is not billed."""
    standing: Standing
    plan: Plan | None
    """What it pays for, whether or not it gets that just now. None where it is not billed."""
    limits: Limits
    features: Set[Feature]


async def of(session: AsyncSession, now: datetime | None = None) -> Entitlement:
    """Of the session's tenant."""
    return await given(session, (await session.scalars(select(BillingAccount))).one_or_none(), now)


async def given(session: AsyncSession, account: BillingAccount | None, now: datetime | None = None) -> Entitlement:
    """Of whose account was read together with something else; without one, nothing is asked."""
    found = await plans.by_keys(session, (account.plan, FREE)) if account is not None else {}
    return made(account, found, now or utc_now())


def made(account: BillingAccount | None, found: Mapping[str, Plan], now: datetime) -> Entitlement:
    """``found``: the account's plan, if there still is one of its name, and the free one."""
    stands = standing(account, now)
    if account is None:
        return Entitlement(None, stands, None, UNLIMITED, frozenset(FEATURES))
    plan = found.get(account.plan) or found[FREE]
    holds = plan if stands.has_plan else found[FREE]
    limits = Limits.model_validate({**holds.limits.model_dump(), **account.overrides.get("limits", {})})
    features = holds.features | frozenset(account.overrides.get("features", ()))
    return Entitlement(account, stands, plan, limits, features)
