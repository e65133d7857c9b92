"""Invitations to a tenant's team: sent by mail, good for a week, taken up once by whoever has the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.accounts import fields, letters, mails, team, tokens
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.permissions import may_give
from konstruct.accounts.signing_in import find_user
from konstruct.accounts.team import By
from konstruct.billing import enforcing
from konstruct.db import Database
from konstruct.errors import Conflict, NotAllowed, NotFound
from konstruct.identity import TenantId, new_id
from konstruct.tables import Invitation, Membership, Tenant, User
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

GOOD_FOR: Final = timedelta(days=7)
MOST_OPEN: Final = 50
_GONE: Final = "This invitation was taken up or withdrawn, or is older than a week. Ask for a new one."


@dataclass(frozen=True)
class Invited:
    tenant_id: TenantId
    invitation_id: UUID
    slug: str
    business: str
    email: str
    role: str
    has_account: bool


async def invite(
    session: AsyncSession, vault: Vault, site: str, tenant_id: UUID, by: By, inviter: str, email: str, role: str
) -> None:
    """Mails somebody an invitation; one that they had before opens nothing any more.

    Args:
        site: The portal's address.
        inviter: What the one who invites is called.

    Raises:
        BadInput: no address, or no role.
        NotAllowed: only owners invite owners.
        Conflict: they are in the team already, or there are too many open invitations.
        OverPlan: the plan has no more seats.
    """
    email = fields.email(email)
    team.require_role(role)
    if not may_give(by.role, role):
        raise NotAllowed("Only owners invite owners." if role == "owner" else "Your role may not invite anybody.")
    if any(member.email == email for member in await team.members(session)):
        raise Conflict("This person is in the team already.")
    open_ones = await waiting(session)
    if any(each.email == email and not may_give(by.role, each.role) for each in open_ones):
        raise NotAllowed("An owner has invited this person as an owner: only owners change that.")
    if len(open_ones) >= MOST_OPEN:
        raise Conflict(f"There are {MOST_OPEN} open invitations. Withdraw some first.")
    token, now = tokens.new_token(), utc_now()
    # One that they had before comes to nothing, and with it its seat.
    held = [each for each in open_ones if each.email == email and each.expires_at > now]
    await enforcing.require_room(session, "seats", without=len(held))
    changes = {
        "role": role,
        "digest": tokens.digest(token),
        "invited_by": by.user_id if by.program is None else None,
        "created_at": now,
        "expires_at": now + GOOD_FOR,
    }
    await session.execute(
        insert(Invitation)
        .values(tenant_id=tenant_id, id=new_id(), email=email, **changes)
        .on_conflict_do_update(index_elements=["tenant_id", "email"], set_=changes)
    )
    tenant = await session.get_one(Tenant, tenant_id)
    link = f"{site}/invitations/{token}"
    mails.put(session, vault, letters.invitation(email, inviter, tenant.name, role, link))
    audit.record(session, tenant_id=tenant_id, actor=by.actor, action="member.invited", role=role)


async def waiting(session: AsyncSession) -> Sequence[Invitation]:
    """Those that were not taken up, the newest first; some may be too old."""
    return (await session.scalars(select(Invitation).order_by(col(Invitation.created_at).desc()))).all()


async def find_waiting(session: AsyncSession, invitation_id: UUID) -> Invitation:
    """Raises NotFound."""
    query = select(Invitation).where(col(Invitation.id) == invitation_id)
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise NotFound("This invitation was taken up or withdrawn.")
    return found


async def withdraw(session: AsyncSession, tenant_id: UUID, by: By, invitation_id: UUID) -> None:
    """Its link opens nothing from now on. Raises NotFound, and NotAllowed for an owner's."""
    invitation = await find_waiting(session, invitation_id)
    if not may_give(by.role, invitation.role):
        raise NotAllowed("Only owners withdraw the invitation of an owner.")
    await session.delete(invitation)
    audit.record(
        session, tenant_id=tenant_id, actor=by.actor, action="member.invitation_withdrawn", role=invitation.role
    )


async def open_link(database: Database, token: str) -> Invited:
    """Uses nothing up. Raises NotFound."""
    found = None
    if tokens.is_token(token):
        async with database.system_session() as session:
            query = text("select * from find_invitation(:digest)")
            found = (await session.execute(query, {"digest": tokens.digest(token)})).one_or_none()
    if found is None:
        raise NotFound(_GONE)
    async with database.tenant_session(found.tenant_id) as session:
        invitation = await session.get(Invitation, (found.tenant_id, found.invitation_id))
        tenant = await session.get(Tenant, found.tenant_id)
    if invitation is None or tenant is None:
        raise NotFound(_GONE)
    has_account = await find_user(database, invitation.email) is not None
    return Invited(
        TenantId(tenant.id), invitation.id, tenant.slug, tenant.name, invitation.email, invitation.role, has_account
    )


async def accept(database: Database, invited: Invited, user_id: UUID, email: str) -> None:
    """Joins. Raises NotAllowed when the invitation is for another address, NotFound when it is gone, and OverPlan when
    there is no seat any more."""
    if email != invited.email:
        raise NotAllowed(
            f"This invitation is for {invited.email}, and you are signed in as {email}. Sign out, and open it again."
        )
    async with database.account_session(user_id, tenant_id=invited.tenant_id) as session:
        await _join(session, invited, user_id)


async def accept_anew(
    database: Database, passwords: Passwords, invited: Invited, name: str, password: str, time_zone: str
) -> UUID:
    """Makes an account and joins with it: that they have the link shows that the address is theirs.

    Raises:
        BadInput: for the name or the password.
        Conflict: the address has an account.
        NotFound: the invitation is gone.
        OverPlan: there is no seat any more.
    """
    name = fields.name(name)
    await passwords.require_strong(password, (name, invited.email, invited.business))
    hashed = await passwords.hash(password)
    user_id = new_id()
    async with database.account_session(user_id, tenant_id=invited.tenant_id) as session:
        made = await session.scalar(
            insert(User)
            .values(id=user_id, email=invited.email, name=name, password_hash=hashed)
            .values(time_zone=fields.time_zone_or_utc(time_zone), language="en")
            .values(verified_at=utc_now(), created_at=utc_now())
            .on_conflict_do_nothing(index_elements=["email"])
            .returning(col(User.id))
        )
        if made is None:
            raise Conflict("You have an account already. Sign in to join.")
        await _join(session, invited, user_id)
    return user_id


async def _join(session: AsyncSession, invited: Invited, user_id: UUID) -> None:
    await enforcing.hold(session)
    # What it says now counts, not what it said when the link was opened.
    query = (
        delete(Invitation)
        .where(col(Invitation.id) == invited.invitation_id, col(Invitation.expires_at) > utc_now())
        .returning(col(Invitation.role))
    )
    role = await session.scalar(query)
    if role is None:
        raise NotFound(_GONE)
    await enforcing.require_seat(session)
    joined = await session.scalar(
        insert(Membership)
        .values(tenant_id=invited.tenant_id, user_id=user_id, role=role, created_at=utc_now())
        .on_conflict_do_nothing(index_elements=["tenant_id", "user_id"])
        .returning(col(Membership.user_id))
    )
    if joined is not None:
        audit.record(
            session,
            tenant_id=invited.tenant_id,
            actor=f"user:{user_id}",
            action="member.joined",
            user_id=str(user_id),
            role=role,
        )
