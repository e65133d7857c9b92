"""What whoever runs the deployment does with people: add one, let one in who forgot everything, find one."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from konstruct import audit
from konstruct.accounts import fields, resetting, team
from konstruct.accounts.signing_in import find_user
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import Membership, User
from konstruct.tables.base import utc_now


async def add(
    database: Database,
    email: str,
    name: str,
    tenant_id: UUID,
    role: str,
    *,
    actor: str,
    password_hash: str | None = None,
) -> UUID:
    """Puts somebody into a tenant's team, with a new account unless the address has one; returns who it is.

    Raises BadInput for what cannot be an address, a name or a role, and Conflict for who is in the team already.
    """
    email, name = fields.email(email), fields.name(name)
    team.require_role(role)
    existing = await find_user(database, email)
    user_id = existing or new_id()
    async with database.account_session(user_id, tenant_id=tenant_id) as session:
        if existing is None:
            session.add(User(id=user_id, email=email, name=name, password_hash=password_hash))
            await session.flush()
        joined = await session.scalar(
            insert(Membership)
            .values(tenant_id=tenant_id, user_id=user_id, role=role, created_at=utc_now())
            .on_conflict_do_nothing(index_elements=["tenant_id", "user_id"])
            .returning(col(Membership.user_id))
        )
        if joined is None:
            raise Conflict(f"{email} is in the team already.")
        audit.record(session, tenant_id=tenant_id, actor=actor, action="member.joined", user_id=str(user_id), role=role)
    return user_id


async def known(database: Database, email: str) -> UUID:
    """Raises NotFound."""
    found = await find_user(database, fields.email(email))
    if found is None:
        raise NotFound(f"Nobody has an account with {email}.")
    return found


async def link(database: Database, user_id: UUID, site: str) -> str:
    """The address at which they set a new password, good for 30 minutes and once."""
    async with database.account_session(user_id) as session:
        return await resetting.make_link(session, user_id, site)
