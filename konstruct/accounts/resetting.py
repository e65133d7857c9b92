"""A new password for who has forgotten theirs: a link by mail, good once, that signs out every browser."""

from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.accounts import fields, letters, links, mails, sessions, throttle
from konstruct.accounts.links import Link
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.sessions import Client
from konstruct.accounts.signing_in import find_user
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.ports import Limiter
from konstruct.tables import AccountToken, User, UserDevice
from konstruct.vault import Vault

log = structlog.get_logger(__name__)


async def ask(database: Database, vault: Vault, limiter: Limiter, site: str, client: Client, email: str) -> None:
    """Mails a link; to who has no account, that they have none. Raises BadInput and TooMany."""
    email = fields.email(email)
    await throttle.mail(limiter, client, email)
    found = await find_user(database, email)
    user_id = found or new_id()
    async with database.account_session(user_id) as session:
        user = await session.get(User, user_id)
        # Also for nobody, so that it takes just as long.
        link = await make_link(session, user_id, site)
        if user is None:
            mails.put(session, vault, letters.has_no_account(email, f"{site}/sign-up"))
        else:
            mails.put(session, vault, letters.reset(email, user.name, link))


async def make_link(session: AsyncSession, user_id: UUID, site: str) -> str:
    """``session``: the person's."""
    return f"{site}/reset?token={await links.make(session, user_id, 'reset')}"


async def open_link(database: Database, token: str) -> tuple[Link, User]:
    """Uses nothing up. Raises NotFound."""
    link = await links.open(database, token, "reset")
    async with database.account_session(link.user_id) as session:
        user = await session.get(User, link.user_id)
    if user is None:
        raise NotFound("This account was deleted.")
    return link, user


async def confirm(
    database: Database, vault: Vault, passwords: Passwords, site: str, link: Link, user: User, password: str
) -> None:
    """Raises BadInput for a weak password, which leaves the link good, and NotFound when the link was used."""
    await passwords.require_strong(password, (user.name, user.email))
    hashed = await passwords.hash(password)
    async with database.account_session(link.user_id) as session:
        await links.use(session, link)
        current = await session.get_one(User, link.user_id)
        current.password_hash = hashed
        # Whoever knew the old password may have signed in, be known by a browser of theirs, and have had a link mailed
        # that makes the account's address another one.
        ended = await sessions.end_all(session)
        await session.execute(delete(AccountToken).where(col(AccountToken.user_id) == link.user_id))
        await session.execute(delete(UserDevice).where(col(UserDevice.user_id) == link.user_id))
        mails.put(session, vault, letters.password_changed(current.email, current.name, f"{site}/reset"))
    log.info("account.password_reset", user_id=str(link.user_id), sessions_ended=ended)
