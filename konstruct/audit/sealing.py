"""Seals: one root over all chains of a tenant that moved, made by the database; and which are not anchored yet.

What moved is asked of each chain's head, never of ids or times: a slow transaction commits behind faster ones.
"""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.db import Database
from konstruct.tables import AuditSeal

LEAVES_AT_MOST: Final = 2_000
"""Of one seal. Whoever appends to one of its chains waits for the end of its transaction."""
SEALS_AT_MOST: Final = 1_000
TENANTS_AT_MOST: Final = 100

_FIRST: Final = UUID(int=0)
_ANCHORED: Final = text("select audit_anchored(cast(:numbers as bigint[]))")


async def waiting_tenants(database: Database) -> AsyncIterator[list[UUID]]:
    """Whose chains moved since their last seal, or who have a seal that is not anchored; some at a time."""
    latest = _FIRST
    while True:
        async with database.system_session() as session:
            found = list(await session.scalars(select(func.tenants_to_seal(latest, TENANTS_AT_MOST))))
        if not found:
            return
        yield found
        latest = found[-1]


async def seal(database: Database, tenant_id: UUID) -> int:
    """Seals every chain of the tenant that moved; how many seals that took."""
    latest, made = _FIRST, 0
    while True:
        async with database.tenant_session(tenant_id) as session:
            found: UUID | None = await session.scalar(select(func.audit_seal(latest, LEAVES_AT_MOST)))
        if found is None:
            return made
        latest, made = found, made + 1


async def unanchored(session: AsyncSession) -> list[AuditSeal]:
    """The tenant's oldest seals that nothing outside the database vouches for yet."""
    query = select(AuditSeal).where(col(AuditSeal.anchored_at).is_(None)).order_by(col(AuditSeal.number))
    return list(await session.scalars(query.limit(SEALS_AT_MOST)))


async def note_anchored(session: AsyncSession, numbers: list[int]) -> None:
    await session.execute(_ANCHORED, {"numbers": numbers})
