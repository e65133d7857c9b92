"""Whether somebody is who they say. An account that does not exist is answered in the same words and the same time."""

from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlmodel import select

from konstruct.accounts import fields, sessions, throttle
from konstruct.accounts.passwords import LONGEST, Passwords
from konstruct.accounts.sessions import Client
from konstruct.db import Database
from konstruct.errors import BadInput, Unauthentic
from konstruct.identity import new_id
from konstruct.ports import Limiter
from konstruct.tables import User

log = structlog.get_logger(__name__)

WRONG: Final = "The e-mail address or the password is wrong."


async def find_user(database: Database, email: str) -> UUID | None:
    async with database.system_session() as session:
        found: UUID | None = await session.scalar(select(func.find_user(email)))
    return found


async def check_password(
    database: Database,
    passwords: Passwords,
    limiter: Limiter,
    client: Client,
    email: str,
    password: str,
    *,
    device: str | None = None,
) -> UUID:
    """Who it is.

    Args:
        device: What the browser holds if somebody has signed in with it before, which may be anybody.

    Raises:
        Unauthentic: there is no such account, or this is not its password; it does not say which.
        TooMany: it was tried too often.
    """
    try:
        email = fields.email(email)
    except BadInput:
        raise Unauthentic(WRONG) from None
    # Somebody who does not exist is asked about just as often.
    found = await find_user(database, email)
    user_id = found or new_id()
    async with database.account_session(user_id) as session:
        is_known = device is not None and await sessions.is_known_device(session, device)
        hashed = await session.scalar(select(User.password_hash).where(User.id == user_id))
    await throttle.guess(limiter, client, email, device=device if is_known else None)
    is_right, better = await passwords.verify(password[:LONGEST], hashed)
    if not is_right:
        log.info("account.refused", user_id=str(found) if found else None, network=client.network)
        raise Unauthentic(WRONG)
    if better is not None:
        async with database.account_session(user_id) as session:
            user = await session.get_one(User, user_id)
            user.password_hash = better
    return user_id


async def enter(
    database: Database, user_id: UUID, client: Client, *, factor: str, device: str | None
) -> tuple[str, str | None]:
    """What the browser is to hold: for its session, and to be known again unless it is already."""
    async with database.account_session(user_id) as session:
        token = await sessions.begin(session, user_id, client, factor=factor)
        known_by = await sessions.know_device(session, user_id, device)
    log.info("account.signed_in", user_id=str(user_id), factor=factor, network=client.network)
    return token, known_by
