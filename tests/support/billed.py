"""Tenants that are billed, as if Stripe had said so."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete

from konstruct.db import Database
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now


async def bill(
    database: Database,
    tenant_id: UUID,
    plan: str = "free",
    *,
    limits: dict[str, int | None] | None = None,
    features: list[str] | None = None,
    **fields: Any,
) -> None:
    """In place of what was said of it before.

    Args:
        limits: Those that were agreed with it alone, so that a test needs no plan of its own.
        features: As ``limits``, besides those of its plan.
        fields: Of its account: a ``status`` other than that of whoever pays for the plan, and what belongs to it.
    """
    fields.setdefault("status", "none" if plan == "free" else "active")
    overrides = {"limits": limits or {}, "features": features or []}
    async with database.tenant_session(tenant_id) as session:
        await session.execute(delete(BillingAccount))
        session.add(BillingAccount(tenant_id=tenant_id, plan=plan, overrides=overrides, created_at=utc_now(), **fields))
