"""What an erased contact had said, when its channel says it once more: it is known by a digest, and not taken anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.connections import ConnectionRef
from konstruct.tables import Message
from konstruct.vault import Vault

ERASED: Final = (
    select(Message.id)
    .where(col(Message.connection_id) == bindparam("connection_id"))
    .where(col(Message.external_id) == bindparam("erased_id"))
    .scalar_subquery()
)
"""The message, if it was one; ``erased_id`` says by which name it would be known."""
_PURPOSE: Final = "erased message"
_REMEMBER: Final = sql(
    "update messages set external_id = known.name"
    " from unnest(cast(:ids as uuid[]), cast(:names as text[])) as known (id, name) where messages.id = known.id"
)


@dataclass(frozen=True)
class Gone:
    """A contact's message that was just shredded, and what the channel called it."""

    message_id: UUID
    connection: ConnectionRef
    external_id: str


async def erased_id(session: AsyncSession, vault: Vault, connection: ConnectionRef, external_id: str) -> str:
    """What takes the place of a channel's id of a message: it can be compared, and not read."""
    digest = await vault.digest(session, connection.tenant_id, _PURPOSE, f"{connection.connection_id}|{external_id}")
    return f"erased:{digest.hex()}"


async def remember(session: AsyncSession, vault: Vault, gone: Sequence[Gone]) -> None:
    """In the transaction that shreds them: a channel may bring any of them again, even days later."""
    names = [await erased_id(session, vault, each.connection, each.external_id) for each in gone]
    await session.execute(_REMEMBER, {"ids": [each.message_id for each in gone], "names": names})
