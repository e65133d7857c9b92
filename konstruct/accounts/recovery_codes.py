"""Codes on paper, for whoever has lost the telephone: ten at a time, shown once, each good for one sign-in."""

import hashlib
import re
import secrets
from typing import Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.tables.base import utc_now
from konstruct.tables.factors import RecoveryCode

HOW_MANY: Final = 10

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look like another one on paper."""
_LENGTH: Final = 16
"""79 bits: as many as make a plain digest safe to keep, which a person's own password would not be."""


async def replace(session: AsyncSession, user_id: UUID) -> list[SecretStr]:
    """Ten new ones, which nobody can be told again; the old ones open nothing from the commit on."""
    await session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(HOW_MANY)]
    session.add_all([RecoveryCode(user_id=user_id, digest=_digest(user_id, code)) for code in codes])
    return [SecretStr("-".join(re.findall(".{4}", code))) for code in codes]


async def take(session: AsyncSession, user_id: UUID, code: str) -> bool:
    """Whether it is one that was not used; it is used from the commit on."""
    used = await session.execute(
        update(RecoveryCode)
        .where(
            col(RecoveryCode.user_id) == user_id,
            col(RecoveryCode.digest) == _digest(user_id, re.sub(r"[\s-]", "", code.lower())),
            col(RecoveryCode.used_at).is_(None),
        )
        .values(used_at=utc_now())
        .returning(col(RecoveryCode.id))
    )
    return used.one_or_none() is not None


async def left(session: AsyncSession, user_id: UUID) -> int:
    found = await session.scalar(
        select(func.count())
        .select_from(RecoveryCode)
        .where(col(RecoveryCode.user_id) == user_id, col(RecoveryCode.used_at).is_(None))
    )
    return found or 0


async def remove(session: AsyncSession, user_id: UUID) -> None:
    await session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))


def _digest(user_id: UUID, code: str) -> bytes:
    return hashlib.sha256(f"{user_id}|{code}".encode("utf-8", "replace")).digest()
