"""Accounts at providers that open a person's account here: linked, found by, unlinked."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.accounts.id_tokens import Identity
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables.base import utc_now
from konstruct.tables.factors import LinkedAccount

_FIND = text("select * from find_linked_account(:issuer, :subject)")


@dataclass(frozen=True)
class Link:
    user_id: UUID
    account_id: UUID


async def listing(session: AsyncSession, user_id: UUID) -> Sequence[LinkedAccount]:
    query = select(LinkedAccount).where(col(LinkedAccount.user_id) == user_id).order_by(col(LinkedAccount.id))
    return (await session.scalars(query)).all()


async def find(database: Database, person: Identity) -> Link | None:
    async with database.system_session() as session:
        return await _found(session, person)


async def link(session: AsyncSession, user_id: UUID, provider: str, person: Identity) -> bool:
    """False when it was linked to the same person before. Raises Conflict when it opens somebody else's account."""
    made = await session.scalar(
        insert(LinkedAccount)
        .values(
            user_id=user_id,
            id=new_id(),
            provider=provider,
            issuer=person.issuer,
            subject=person.subject,
            email=person.email,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["issuer", "subject"])
        .returning(col(LinkedAccount.id))
    )
    if made is not None:
        return True
    found = await _found(session, person)
    if found is None or found.user_id != user_id:
        raise Conflict("That account opens another account here: unlink it there first, or use a different one.")
    return False


async def note_use(session: AsyncSession, linked: Link) -> None:
    await session.execute(
        update(LinkedAccount)
        .where(col(LinkedAccount.user_id) == linked.user_id, col(LinkedAccount.id) == linked.account_id)
        .values(used_at=utc_now())
    )


async def unlink(session: AsyncSession, user_id: UUID, account_id: UUID) -> str:
    """The key of its provider. Raises NotFound."""
    provider = await session.scalar(
        delete(LinkedAccount)
        .where(col(LinkedAccount.user_id) == user_id, col(LinkedAccount.id) == account_id)
        .returning(col(LinkedAccount.provider))
    )
    if provider is None:
        raise NotFound("That account is not linked any more.")
    return str(provider)


async def _found(session: AsyncSession, person: Identity) -> Link | None:
    row = (await session.execute(_FIND, {"issuer": person.issuer, "subject": person.subject})).one_or_none()
    return None if row is None else Link(row.user_id, row.account_id)
