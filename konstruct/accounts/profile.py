"""What a person changes of their own account, and its end."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from konstruct.accounts import fields, letters, links, mails, sessions, team
from konstruct.accounts.links import Link
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.sessions import Seat, SignedIn
from konstruct.accounts.signing_in import find_user
from konstruct.accounts.team import By
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.tables import AccountToken, User
from konstruct.vault import Vault

log = structlog.get_logger(__name__)


async def change(database: Database, user_id: UUID, *, name: str, time_zone: str) -> None:
    """Raises BadInput."""
    name, time_zone = fields.name(name), fields.time_zone(time_zone)
    async with database.account_session(user_id) as session:
        user = await session.get_one(User, user_id)
        user.name, user.time_zone = name, time_zone


async def has_password(database: Database, user_id: UUID) -> bool:
    async with database.account_session(user_id) as session:
        return (await session.get_one(User, user_id)).password_hash is not None


async def is_password(database: Database, passwords: Passwords, user_id: UUID, said: str) -> bool:
    async with database.account_session(user_id) as session:
        user = await session.get(User, user_id)
    is_right, _ = await passwords.verify(said, user.password_hash if user else None)
    return is_right


async def change_password(
    database: Database, vault: Vault, passwords: Passwords, site: str, who: SignedIn, password: str
) -> str | None:
    """Signs out all other browsers; returns what this one is to hold. Raises BadInput for a weak one."""
    await passwords.require_strong(password, (who.name, who.email))
    hashed = await passwords.hash(password)
    async with database.account_session(who.user_id) as session:
        user = await session.get_one(User, who.user_id)
        user.password_hash = hashed
        # Links that somebody else had mailed while they knew the old one lead nowhere, either.
        await session.execute(delete(AccountToken).where(col(AccountToken.user_id) == who.user_id))
        await sessions.end_all(session, but=who.session_id)
        token = await sessions.renew(session, who.session_id)
        mails.put(session, vault, letters.password_changed(user.email, user.name, f"{site}/reset"))
    log.info("account.password_changed", user_id=str(who.user_id))
    return token


async def ask_for_email(database: Database, vault: Vault, site: str, who: SignedIn, email: str) -> str:
    """Mails a link to the new address, which counts once it was followed; returns the address. Raises BadInput."""
    email = fields.email(email)
    existing = await find_user(database, email)
    async with database.account_session(who.user_id) as session:
        if existing is not None:
            mails.put(session, vault, letters.has_account(email, f"{site}/sign-in", f"{site}/reset"))
        else:
            token = await links.make(session, who.user_id, "email", email=email)
            mails.put(session, vault, letters.confirm_email(email, f"{site}/verify?token={token}"))
    return email


async def confirm_email(database: Database, vault: Vault, link: Link) -> str:
    """The address that counts now. Raises NotFound for a used link, and Conflict when another account has it."""
    email = str(link.content["email"])
    is_taken = False
    try:
        async with database.account_session(link.user_id) as session:
            await links.use(session, link)
            user = await session.get(User, link.user_id)
            if user is None:
                raise NotFound("This account was deleted.")
            mails.put(session, vault, letters.email_changed(user.email, user.name, email))
            user.email = email
            # A link that was mailed to the old address would still lead in.
            await session.execute(delete(AccountToken).where(col(AccountToken.user_id) == link.user_id))
    except IntegrityError:
        is_taken = True
    if is_taken:
        # Not raised from the database's error: that one lists all values of the row.
        raise Conflict("This address has an account of its own.")
    log.info("account.email_changed", user_id=str(link.user_id))
    return email


async def owned_alone(database: Database, user_id: UUID, seats: Sequence[Seat]) -> list[Seat]:
    """The tenants that would be left without an owner."""
    alone = []
    for seat in seats:
        if seat.role == "owner":
            async with database.tenant_session(seat.tenant_id) as session:
                if await team.is_last_owner(session, user_id):
                    alone.append(seat)
    return alone


async def delete_account(database: Database, user_id: UUID, seats: Sequence[Seat]) -> None:
    """For good. Raises Conflict while some tenant would be left without an owner; nothing is deleted then.

    What the audit trail says of the person stays, under an id that leads to nobody any more.
    """
    if alone := await owned_alone(database, user_id, seats):
        names = " and ".join(seat.name for seat in alone)
        raise Conflict(
            f"Nobody else is an owner of {names}. Make somebody else an owner first, or delete the business."
        )
    for seat in seats:
        async with database.tenant_session(seat.tenant_id) as session:
            await team.remove(session, seat.tenant_id, By(user_id, seat.role), user_id)
    async with database.account_session(user_id) as session:
        await session.execute(delete(AccountToken).where(col(AccountToken.user_id) == user_id))
        await session.execute(delete(User).where(col(User.id) == user_id))
    log.info("account.deleted", user_id=str(user_id))
