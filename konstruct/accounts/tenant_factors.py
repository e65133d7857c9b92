"""Whether a tenant demands a second factor of everybody, and who of its members has one."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.accounts import factors, team
from konstruct.tables import Tenant


@dataclass(frozen=True)
class Standing:
    is_required: bool
    with_factor: int
    without: list[str]
    """The names of members who have none."""


async def standing(session: AsyncSession) -> Standing:
    """``session``: the tenant's."""
    is_required = (await session.scalars(select(Tenant.requires_second_factor))).one()
    having = await factors.of_members(session)
    members = await team.members(session)
    return Standing(is_required, len(having), [each.name for each in members if each.user_id not in having])


async def require(session: AsyncSession, tenant_id: UUID, is_required: bool, *, actor: str) -> None:
    tenant = (await session.scalars(select(Tenant).where(col(Tenant.id) == tenant_id).with_for_update())).one()
    if tenant.requires_second_factor == is_required:
        return
    tenant.requires_second_factor = is_required
    audit.record(session, tenant_id=tenant_id, actor=actor, action="tenant.second_factor", required=is_required)
