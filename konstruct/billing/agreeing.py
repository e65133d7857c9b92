"""What the operator agrees with a business: that it is billed at all, and what it gets besides its plan."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct import audit
from konstruct.billing import plans, subscriptions
from konstruct.billing.plans import FEATURES, LIMITS, Limits
from konstruct.errors import BadInput, Conflict
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now


async def enroll(session: AsyncSession, tenant_id: UUID, *, actor: str) -> bool:
    """From now on it has a plan, at first the free one, and its limits. False where it had one."""
    made = await session.scalar(
        insert(BillingAccount)
        .values(tenant_id=tenant_id, overrides={}, detail={}, created_at=utc_now())
        .on_conflict_do_nothing()
        .returning(col(BillingAccount.tenant_id))
    )
    if made is None:
        return False
    audit.record(session, tenant_id=tenant_id, actor=actor, action="billing.enrolled")
    return True


async def grant(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    actor: str,
    limits: Mapping[str, int | None],
    features: Sequence[str],
    plan_key: str | None = None,
    is_anew: bool = False,
) -> dict[str, Any]:
    """Has these in place of its plan's, and returns all that it has so. What was granted before stays, unless
    ``is_anew``; ``plan_key``: all that this plan includes is granted, whatever is paid.

    Raises:
        BadInput: there is no such limit, feature or plan.
        Conflict: the tenant is not billed, so that nothing limits it.
    """
    account = await subscriptions.locked(session)
    if account is None:
        raise Conflict("It is not billed, and nothing limits it: see `konstruct billing enroll`.")
    before = account.overrides
    kept_limits = {} if is_anew else dict(before.get("limits", {}))
    kept_features = set() if is_anew else set(before.get("features", ()))
    if plan_key is not None:
        plan = await plans.by_key(session, plan_key)
        if plan.key != plan_key:
            raise BadInput(f"There is no plan {plan_key}.")
        kept_limits |= plan.limits.model_dump()
        kept_features |= plan.features
    kept_limits |= _known(limits)
    for feature in features:
        if feature not in FEATURES:
            raise BadInput(f"There is no feature {feature}: there are {', '.join(FEATURES)}.")
        kept_features.add(feature)
    after: dict[str, Any] = {}
    if kept_limits:
        after["limits"] = kept_limits
    if kept_features:
        after["features"] = sorted(kept_features)
    if after != before:
        account.overrides = after
        audit.record(
            session, tenant_id=tenant_id, actor=actor, action="billing.granted", before=dict(before), after=after
        )
    return after


def _known(limits: Mapping[str, int | None]) -> Mapping[str, int | None]:
    for name in limits:
        if name not in LIMITS:
            raise BadInput(f"There is no limit {name}: there are {', '.join(LIMITS)}.")
    everything: dict[str, Any] = dict.fromkeys(LIMITS)
    try:
        Limits.model_validate(everything | dict(limits))
    except ValueError as error:
        raise BadInput("A limit is a whole number, of seats and days at least 1, or unlimited.") from error
    return limits
