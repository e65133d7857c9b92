"""Who belongs to a tenant, and as what. There is always an owner: the tenant's row is locked while that is judged."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.accounts.permissions import ROLES, Role, may_give
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound
from konstruct.tables import Membership, Tenant


@dataclass(frozen=True)
class TeamMember:
    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime


@dataclass(frozen=True)
class By:
    """The member who does it, or the program."""

    user_id: UUID
    role: str
    program: str | None = None
    """What a program is called in the trail; then ``user_id`` is its key's, and nobody's of the team."""

    @property
    def actor(self) -> str:
        return self.program or f"user:{self.user_id}"


def program(key_id: UUID, actor: str) -> By:
    """What an API key may do in a team, whoever made it: as much as an admin, so that owners are made and unmade by
    people who have just shown who they are, and by nobody else."""
    return By(key_id, "admin", actor)


async def members(session: AsyncSession) -> list[TeamMember]:
    """Those of the session's tenant, in the order in which they came."""
    rows = await session.execute(text("select * from tenant_members()"))
    return [TeamMember(row.user_id, row.email, row.name, row.role, row.created_at) for row in rows]


async def change_role(session: AsyncSession, tenant_id: UUID, by: By, user_id: UUID, role: str) -> None:
    """Raises BadInput, NotFound, NotAllowed, and Conflict for the last owner."""
    require_role(role)
    member = await _held(session, tenant_id, user_id)
    for changed in (member.role, role):
        _require(by, changed)
    if member.role == role:
        return
    if member.role == "owner":
        await _require_another_owner(session, user_id, by)
    before, member.role = member.role, role
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=by.actor,
        action="member.role_changed",
        user_id=str(user_id),
        before=before,
        role=role,
    )


async def remove(session: AsyncSession, tenant_id: UUID, by: By, user_id: UUID) -> None:
    """Takes somebody out, who may be whoever does it. Raises as ``change_role`` does."""
    member = await _held(session, tenant_id, user_id)
    if user_id != by.user_id:
        _require(by, member.role)
    if member.role == "owner":
        await _require_another_owner(session, user_id, by)
    await session.delete(member)
    action = "member.left" if user_id == by.user_id else "member.removed"
    audit.record(session, tenant_id=tenant_id, actor=by.actor, action=action, user_id=str(user_id), role=member.role)


async def is_last_owner(session: AsyncSession, user_id: UUID) -> bool:
    owners = set(await session.scalars(select(Membership.user_id).where(col(Membership.role) == "owner")))
    return owners == {user_id}


def require_role(role: str) -> None:
    if role not in ROLES:
        raise BadInput("Choose one of the roles.")


async def _held(session: AsyncSession, tenant_id: UUID, user_id: UUID) -> Membership:
    # Two owners who take each other's role at once would both find another one. Not the stronger kind of lock, which
    # would hold up all rows that are written of this tenant meanwhile.
    await session.execute(select(Tenant.id).where(col(Tenant.id) == tenant_id).with_for_update(key_share=True))
    member = await session.get(Membership, (tenant_id, user_id), populate_existing=True)
    if member is None:
        raise NotFound("This person is not, or no longer, in the team.")
    return member


def _require(by: By, role: str) -> None:
    if not may_give(by.role, role):
        is_owners = role == "owner"
        raise NotAllowed("Only owners make and unmake owners." if is_owners else "Your role may not change the team.")


async def _require_another_owner(session: AsyncSession, user_id: UUID, by: By) -> None:
    if await is_last_owner(session, user_id):
        subject = "You are the only owner. Make" if user_id == by.user_id else "This is the only owner. Make"
        raise Conflict(f"{subject} somebody else an owner first.")
