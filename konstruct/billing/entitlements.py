"""What a tenant may have just now: its plan's limits and features, as far as its subscription's state lets it."""

from collections.abc import Set
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
    account = (await session.scalars(select(BillingAccount))).one_or_none()
    stands = standing(account, now or utc_now())
    if account is None:
        return Entitlement(None, stands, None, UNLIMITED, frozenset(FEATURES))
    plan = await plans.by_key(session, account.plan)
    given = plan if stands.has_plan else await plans.by_key(session, FREE)
    limits = Limits.model_validate({**given.limits.model_dump(), **account.overrides.get("limits", {})})
    features = given.features | frozenset(account.overrides.get("features", ()))
    return Entitlement(account, stands, plan, limits, features)
