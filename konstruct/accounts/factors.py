"""What a person has to sign in with, taken together: whether a second factor is asked for, and whether one holds.

An authenticator app and passkeys are second factors; recovery codes stand in for them while there are any.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.accounts import letters, mails, passkeys, recovery_codes, throttle, totp
from konstruct.accounts.sessions import Client
from konstruct.db import Database
from konstruct.errors import Conflict, Unauthentic
from konstruct.ports import Limiter
from konstruct.tables import User
from konstruct.tables.factors import LinkedAccount, Passkey
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

WRONG: Final = (
    "This code is not right, or was used. Wait for the next one in the app, and check that the telephone's clock is."
)

_APPS_CODE: Final = re.compile(r"\s*[0-9]{3}[\s-]?[0-9]{3}\s*", re.ASCII)
_OF_MEMBERS: Final = text("select * from members_with_second_factor()")


@dataclass(frozen=True)
class Held:
    has_password: bool
    has_app: bool
    passkeys: int
    linked_accounts: int
    codes_left: int

    @property
    def has_second(self) -> bool:
        return self.has_app or self.passkeys > 0


async def held(session: AsyncSession, user_id: UUID) -> Held:
    """``session``: the person's, as everywhere here."""
    hashed = await session.scalar(select(col(User.password_hash)).where(col(User.id) == user_id))
    return Held(
        hashed is not None,
        await totp.is_on(session, user_id),
        await _count(session, Passkey, user_id),
        await _count(session, LinkedAccount, user_id),
        await recovery_codes.left(session, user_id),
    )


async def has_second(database: Database, user_id: UUID) -> bool:
    async with database.account_session(user_id) as session:
        return (await held(session, user_id)).has_second


async def of_members(session: AsyncSession) -> set[UUID]:
    """The members of the session's tenant who have a second factor."""
    return set((await session.scalars(_OF_MEMBERS)).all())


async def check_code(
    database: Database, vault: Vault, limiter: Limiter, site: str, client: Client, user_id: UUID, code: str
) -> Literal["app", "recovery_code"]:
    """Takes the app's code, or one from paper; neither is taken again. Of one from paper, which may have been found or
    copied, the person is told by mail.

    ``site``: the portal's address.

    Raises:
        Unauthentic: it is neither.
        TooMany: it was tried too often.
    """
    await throttle.factor(limiter, client, user_id)
    is_apps = _APPS_CODE.fullmatch(code) is not None
    async with database.account_session(user_id) as session:
        if is_apps:
            is_right = await totp.take(session, vault, user_id, code)
        else:
            is_right = await recovery_codes.take(session, user_id, code)
            if is_right:
                user = await session.get_one(User, user_id)
                left = await recovery_codes.left(session, user_id)
                what = f"a recovery code of your account was just used, of which {left} are left"
                where = f"{site}/account/security"
                mails.put(session, vault, letters.security_changed(user.email, user.name, what, where))
    if not is_right:
        log.info("account.factor_refused", user_id=str(user_id), network=client.network)
        raise Unauthentic(WRONG)
    return "app" if is_apps else "recovery_code"


async def first_codes(session: AsyncSession, user_id: UUID) -> list[SecretStr]:
    """New recovery codes for who has just got a second factor; none when there are some already."""
    return [] if await recovery_codes.left(session, user_id) else await recovery_codes.replace(session, user_id)


async def remove_app(session: AsyncSession, user_id: UUID) -> bool:
    """False when there was none."""
    removed = await totp.remove(session, user_id)
    await _forget_codes(session, user_id)
    return removed


async def remove_passkey(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> str:
    """What it was called. Raises NotFound, and Conflict when nothing else would let the person in."""
    before = await held(session, user_id)
    if not (before.has_password or before.linked_accounts) and before.passkeys == 1:
        raise Conflict("You sign in with this passkey alone: choose a password, or add another passkey, first.")
    name = await passkeys.remove(session, user_id, passkey_id)
    await _forget_codes(session, user_id)
    return name


async def forget(session: AsyncSession, user_id: UUID) -> bool:
    """Removes all of them, for who has lost them all. False when there was none."""
    had_any = (await held(session, user_id)).has_second
    await totp.remove(session, user_id)
    for passkey in await passkeys.listing(session, user_id):
        await passkeys.remove(session, user_id, passkey.id)
    await recovery_codes.remove(session, user_id)
    return had_any


def require_other_way(before: Held) -> None:
    """Before an account at a provider is unlinked. Raises Conflict when nothing else would let the person in."""
    if not (before.has_password or before.passkeys) and before.linked_accounts == 1:
        raise Conflict("You sign in with this account alone: choose a password, or add a passkey, first.")


async def _forget_codes(session: AsyncSession, user_id: UUID) -> None:
    if not (await held(session, user_id)).has_second:
        await recovery_codes.remove(session, user_id)


async def _count(session: AsyncSession, table: type[Passkey] | type[LinkedAccount], user_id: UUID) -> int:
    query = select(func.count()).select_from(table).where(col(table.user_id) == user_id)
    return await session.scalar(query) or 0
