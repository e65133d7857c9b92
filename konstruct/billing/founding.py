"""What a business has of a plan from its first moment on, where businesses are billed."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.billing import plans
from konstruct.billing.plans import FREE
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now


async def retention(session: AsyncSession) -> dict[str, int]:
    """For how long the free plan keeps messages, as tenants have it: nothing is kept yet that was to stay for
    longer."""
    days = (await plans.by_key(session, FREE)).limits.retention_days
    return {} if days is None else {"messages": days}


def open_account(session: AsyncSession, tenant_id: UUID) -> None:
    """On the free plan, until it chooses another. The tenant's row must be there."""
    session.add(BillingAccount(tenant_id=tenant_id, plan=FREE, created_at=utc_now()))
