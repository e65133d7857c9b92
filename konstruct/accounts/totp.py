"""Codes of authenticator apps (TOTP, RFC 6238): set up, checked, each taken once, removed.

Sessions of the database are the person's.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.tables.base import utc_now
from konstruct.tables.factors import Authenticator
from konstruct.vault import Vault

ISSUER: Final = "Konstruct"
SET_UP_WITHIN: Final = timedelta(hours=1)
"""An attempt that nobody finished is begun anew after so long: its secret may have been seen by then."""

_PURPOSE: Final = "totp"
_DRIFT: Final = 1
"""Half minutes that a telephone's clock may be off."""
_CODE: Final = re.compile("[0-9]{6}", re.ASCII)


@dataclass(frozen=True)
class SetUp:
    """What an authenticator app is told, as a picture's text and as letters to type."""

    uri: str = field(repr=False)
    letters: str = field(repr=False)


async def begin(session: AsyncSession, vault: Vault, user_id: UUID) -> bool:
    """Makes the secret of an attempt, in place of an earlier attempt. False when there is a confirmed one already."""
    sealed = vault.seal_own(_PURPOSE, user_id, pyotp.random_base32())
    fresh = {"sealed": sealed, "created_at": utc_now(), "last_step": 0}
    made = await session.scalar(
        insert(Authenticator)
        .values(user_id=user_id, **fresh)
        .on_conflict_do_update(index_elements=["user_id"], set_=fresh, where=col(Authenticator.confirmed_at).is_(None))
        .returning(col(Authenticator.user_id))
    )
    return made is not None


async def attempt(session: AsyncSession, vault: Vault, user_id: UUID, email: str) -> SetUp | None:
    """The attempt that is under way, to be shown to the person; a confirmed secret is never shown again."""
    row = await session.get(Authenticator, user_id, populate_existing=True)
    if row is None or row.confirmed_at is not None or row.created_at < utc_now() - SET_UP_WITHIN:
        return None
    totp = _totp(vault, row)
    letters = " ".join(re.findall(".{1,4}", totp.secret))
    return SetUp(totp.provisioning_uri(name=email, issuer_name=ISSUER), letters)


async def confirm(session: AsyncSession, vault: Vault, user_id: UUID, code: str) -> bool:
    """From the first right code on the app is asked for at each sign-in."""
    row = await session.get(Authenticator, user_id, with_for_update=True, populate_existing=True)
    if row is None or row.confirmed_at is not None or row.created_at < utc_now() - SET_UP_WITHIN:
        return False
    step = _step(_totp(vault, row), code)
    if step is None:
        return False
    row.confirmed_at = utc_now()
    row.last_step = step
    return True


async def take(session: AsyncSession, vault: Vault, user_id: UUID, code: str) -> bool:
    """Whether the code is the app's, and newer than any that was taken before."""
    row = await session.get(Authenticator, user_id, populate_existing=True)
    if row is None or row.confirmed_at is None:
        return False
    step = _step(_totp(vault, row), code)
    if step is None:
        return False
    # Of two that come at once with the same code, one raises the step.
    raised = await session.execute(
        update(Authenticator)
        .where(col(Authenticator.user_id) == user_id, col(Authenticator.last_step) < step)
        .values(last_step=step)
        .returning(col(Authenticator.user_id))
    )
    return raised.one_or_none() is not None


async def is_on(session: AsyncSession, user_id: UUID) -> bool:
    row = await session.get(Authenticator, user_id, populate_existing=True)
    return row is not None and row.confirmed_at is not None


async def remove(session: AsyncSession, user_id: UUID) -> bool:
    """False when there was no confirmed one."""
    removed = await session.execute(
        delete(Authenticator)
        .where(col(Authenticator.user_id) == user_id, col(Authenticator.confirmed_at).is_not(None))
        .returning(col(Authenticator.user_id))
    )
    return removed.one_or_none() is not None


def _totp(vault: Vault, row: Authenticator) -> pyotp.TOTP:
    return pyotp.TOTP(vault.open_own(_PURPOSE, row.user_id, row.sealed))


def _step(totp: pyotp.TOTP, code: str) -> int | None:
    typed = re.sub(r"[\s-]", "", code)
    if not _CODE.fullmatch(typed):
        return None
    try:
        return totp.verify_and_get_timecode(typed, for_time=utc_now(), valid_window=_DRIFT)
    except OTPVerificationError:
        return None
