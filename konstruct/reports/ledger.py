"""Below the sums: which conversations cost how much, and the ledger's own rows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func, tuple_
from sqlalchemy import select as sql_select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import Database, among
from konstruct.reports.usage import AMOUNTS, OF_CONVERSATION, Amount, Narrowed, amount, condition
from konstruct.tables import Conversation, Usage

ROWS_AT_ONCE: Final = 5_000


@dataclass(frozen=True)
class Spent:
    """What one conversation cost in a period."""

    conversation_id: UUID
    contact_id: UUID
    employee_id: UUID
    connection_id: UUID
    is_test: bool
    last_at: datetime
    """When a model was asked last."""
    amount: Amount


@dataclass(frozen=True)
class Place:
    """Where a page ends."""

    cost: Decimal
    conversation_id: UUID


async def costliest(
    session: AsyncSession,
    start: datetime,
    end: datetime,
    narrowed: Narrowed,
    *,
    limit: int = 50,
    after: Place | None = None,
) -> list[Spent]:
    """The most expensive conversations first; ``after`` is where the page before ended."""
    cost = func.coalesce(func.sum(col(Usage.cost)), 0)
    # Of all of them the cost alone is added up; the rest only of those that are shown.
    ranked = sql_select(col(Usage.conversation_id)).group_by(col(Usage.conversation_id))
    summed = sql_select(col(Usage.conversation_id), func.max(col(Usage.created_at)).label("last_at"), *AMOUNTS)
    if narrowed.connection_id is not None:
        ranked, summed = ranked.join(Conversation, OF_CONVERSATION), summed.join(Conversation, OF_CONVERSATION)
    ranked = ranked.where(condition(start, end, narrowed))
    if after is not None:
        ranked = ranked.having(tuple_(cost, col(Usage.conversation_id)) < tuple_(after.cost, after.conversation_id))
    ids = list(await session.scalars(ranked.order_by(cost.desc(), col(Usage.conversation_id).desc()).limit(limit)))
    summed = (
        summed.where(condition(start, end, narrowed), among(col(Usage.conversation_id), ids))
        .group_by(col(Usage.conversation_id))
        .order_by(cost.desc(), col(Usage.conversation_id).desc())
    )
    found = (await session.execute(summed)).all()
    about = await _about(session, ids)
    return [
        Spent(conversation_id, *about[conversation_id], last_at, amount(amounts))
        for conversation_id, last_at, *amounts in found
    ]


async def _about(session: AsyncSession, ids: list[UUID]) -> dict[UUID, tuple[UUID, UUID, UUID, bool]]:
    """Whose each is, who serves it, where, and whether it is a test."""
    columns = (col(Conversation.id), col(Conversation.contact_id), col(Conversation.employee_id))
    query = sql_select(*columns, col(Conversation.connection_id), col(Conversation.is_rehearsal))
    found = await session.execute(query.where(col(Conversation.id).in_(ids)))
    return {row.id: (row.contact_id, row.employee_id, row.connection_id, row.is_rehearsal) for row in found}


async def rows(
    database: Database, tenant_id: UUID, start: datetime, end: datetime, narrowed: Narrowed
) -> AsyncIterator[list[tuple[Usage, UUID]]]:
    """The ledger's rows, each with its connection, the oldest first, some thousands at a time.

    Whoever takes them slowly holds no transaction meanwhile.
    """
    place: tuple[datetime, UUID] | None = None
    while True:
        query = (
            select(Usage, col(Conversation.connection_id))
            .join(Conversation, OF_CONVERSATION)
            .where(condition(place[0] if place else start, end, narrowed))
            .order_by(col(Usage.created_at), col(Usage.id))
            .limit(ROWS_AT_ONCE)
        )
        if place is not None:
            query = query.where(tuple_(col(Usage.created_at), col(Usage.id)) > tuple_(*place))
        async with database.tenant_session(tenant_id) as session:
            found = [(row, connection_id) for row, connection_id in await session.execute(query)]
        if found:
            yield found
        if len(found) < ROWS_AT_ONCE:
            return
        place = (found[-1][0].created_at, found[-1][0].id)
