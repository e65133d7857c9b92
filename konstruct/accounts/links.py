"""Links that were mailed: made, opened without being used up, and used once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct.accounts import tokens
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.tables import AccountToken
from konstruct.tables.base import utc_now

Purpose = Literal["sign_up", "reset", "email"]

GOOD_FOR: Final[Mapping[Purpose, timedelta]] = {
    "sign_up": timedelta(hours=24),
    "email": timedelta(hours=24),
    "reset": timedelta(minutes=30),
}


@dataclass(frozen=True)
class Link:
    user_id: UUID
    token_id: UUID
    purpose: str
    content: dict[str, Any]


async def make(session: AsyncSession, user_id: UUID, purpose: Purpose, **content: str) -> str:
    """What the link is to carry. ``session``: the person's. An older link for the same opens nothing any more."""
    if purpose != "sign_up":
        await session.execute(delete(AccountToken).where(col(AccountToken.purpose) == purpose))
    token = tokens.new_token()
    session.add(
        AccountToken(
            user_id=user_id,
            id=new_id(),
            purpose=purpose,
            digest=tokens.digest(token),
            content=content,
            expires_at=utc_now() + GOOD_FOR[purpose],
        )
    )
    await session.flush()
    return token


async def open(database: Database, token: str, *purposes: Purpose) -> Link:
    """Raises NotFound for what is no link for this, or no longer one."""
    if tokens.is_token(token):
        async with database.system_session() as session:
            query = text("select * from find_account_token(:digest)")
            found = (await session.execute(query, {"digest": tokens.digest(token)})).one_or_none()
        if found is not None:
            async with database.account_session(found.user_id) as session:
                row = await session.get(AccountToken, (found.user_id, found.token_id))
            if row is not None and row.purpose in purposes:
                return Link(row.user_id, row.id, row.purpose, row.content)
    raise NotFound("This link was used already, or is too old. Ask for a new one.")


async def use(session: AsyncSession, link: Link) -> None:
    """Raises NotFound when somebody else was faster. ``session``: the person's."""
    query = delete(AccountToken).where(col(AccountToken.id) == link.token_id).returning(col(AccountToken.id))
    if await session.scalar(query) is None:
        raise NotFound("This link was used already. Sign in instead.")
