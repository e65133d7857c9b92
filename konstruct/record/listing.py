"""The list of conversations: the latest first, narrowed down, page by page; as fast with 100,000 as with ten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, not_, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from konstruct import naming
from konstruct.db import among
from konstruct.employees import IS_PUBLISHED
from konstruct.record import actors
from konstruct.record.events import Mark
from konstruct.tables import (
    Connection,
    Contact,
    Conversation,
    Employee,
    EmployeeVersion,
    Handoff,
    Message,
    Rating,
    Usage,
)
from konstruct.vault import Vault
from konstruct.window import LINE, Line

PAGE: Final = 50
LONGEST_PREVIEW: Final = 160

Owner = Literal["employee", "queue", "agent"]
Rated = Literal["any", "good", "bad", "none"]


@dataclass(frozen=True)
class Filters:
    """Which conversations are wanted; what is None or False lets all pass."""

    employee_id: UUID | None = None
    connection_id: UUID | None = None
    contact_id: UUID | None = None
    owner: Owner | None = None
    since: datetime | None = None
    """Of what was said last."""
    until: datetime | None = None
    """Not included itself."""
    had_people: bool = False
    has_failed: bool = False
    rated: Rated | None = None
    """``good``: 4 or 5; ``bad``: 1 or 2; ``none``: asked, and not answered."""


@dataclass(frozen=True)
class Listed:
    conversation_id: UUID
    contact_id: UUID
    contact: str = field(repr=False)
    """Their name, as far as it is known."""
    is_erased: bool
    employee_key: str
    employee: str
    connection_key: str
    channel_kind: str
    external: Mapping[str, Any]
    owner: str
    agent: str | None
    last_message_at: datetime
    created_at: datetime
    preview: str = field(repr=False)
    """The beginning of what was said last; empty where it is gone."""
    preview_author: str
    cost: Decimal
    """US dollars for models, as far as prices are known."""
    had_people: bool
    has_failed: bool
    score: int | None

    @property
    def key(self) -> str:
        return self.connection_key

    @property
    def kind(self) -> str:
        return self.channel_kind


@dataclass(frozen=True)
class Listing:
    rows: Sequence[Listed]
    newer: Mark | None
    """After which there are more."""
    older: Mark | None
    """Before which there are more."""


async def page(
    session: AsyncSession,
    vault: Vault,
    filters: Filters,
    *,
    before: Mark | None = None,
    after: Mark | None = None,
    limit: int = PAGE,
) -> Listing:
    """Those whose last message is the latest come first; rehearsals are left out. ``before`` and ``after``: the last
    and the first of a page that is known."""
    ids = list(await session.scalars(matching(filters, before=before, after=after).limit(limit + 1)))
    has_more, rows = len(ids) > limit, await _rows(session, vault, ids[:limit])
    marks = [Mark(row.last_message_at, row.conversation_id) for row in rows]
    if not marks:
        return Listing((), None, None)
    if after is not None:
        return Listing(rows, marks[0] if has_more else None, marks[-1])
    return Listing(rows, marks[0] if before is not None else None, marks[-1] if has_more else None)


def matching(filters: Filters, *, before: Mark | None = None, after: Mark | None = None) -> SelectOfScalar[UUID]:
    """Which conversations are wanted, in the order in which they are read."""
    at, conversation_id = col(Conversation.last_message_at), col(Conversation.id)
    query = select(conversation_id).where(not_(col(Conversation.is_rehearsal)), *_wanted(filters))
    if after is not None:
        query = query.where(tuple_(at, conversation_id) > tuple_(after.at, after.id))
        return query.order_by(at.asc(), conversation_id.asc())
    if before is not None:
        query = query.where(tuple_(at, conversation_id) < tuple_(before.at, before.id))
    return query.order_by(at.desc(), conversation_id.desc())


def _wanted(filters: Filters) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    given = (
        (col(Conversation.employee_id), filters.employee_id),
        (col(Conversation.connection_id), filters.connection_id),
        (col(Conversation.contact_id), filters.contact_id),
    )
    wanted += [column == value for column, value in given if value is not None]
    if filters.owner is not None:
        # As the partial index has it, too.
        wanted += [col(Conversation.owner) != "employee"] if filters.owner != "employee" else []
        wanted += [col(Conversation.owner) == filters.owner]
    if filters.since is not None:
        wanted.append(col(Conversation.last_message_at) >= filters.since)
    if filters.until is not None:
        wanted.append(col(Conversation.last_message_at) < filters.until)
    if filters.had_people:
        wanted.append(_HAD_PEOPLE)
    if filters.has_failed:
        wanted.append(_HAS_FAILED)
    if filters.rated is not None:
        wanted.append(exists().where(_of(Rating), _RATED[filters.rated]))
    return wanted


def _of(table: Any) -> ColumnElement[bool]:
    return and_(col(table.tenant_id) == col(Conversation.tenant_id), col(table.conversation_id) == col(Conversation.id))


_HAD_PEOPLE: Final = exists().where(_of(Handoff))
_HAS_FAILED: Final = exists().where(_of(Message), col(Message.state) == "failed", col(Message.direction) == "outbound")
_RATED: Final[Mapping[Rated, ColumnElement[bool]]] = {
    "any": col(Rating.score).is_not(None),
    "good": col(Rating.score) >= 4,
    "bad": col(Rating.score) <= 2,
    "none": col(Rating.score).is_(None),
}


async def _rows(session: AsyncSession, vault: Vault, ids: Sequence[UUID]) -> list[Listed]:
    if not ids:
        return []
    score = (
        select(col(Rating.score))
        .where(_of(Rating), col(Rating.score).is_not(None))
        .order_by(col(Rating.asked_at).desc())
        .limit(1)
        .scalar_subquery()
    )
    cost = select(func.coalesce(func.sum(col(Usage.cost)), 0)).where(_of(Usage)).scalar_subquery()
    found = await session.execute(
        select(Conversation, Contact, Connection, Employee)
        .add_columns(col(EmployeeVersion.name), cost, _HAD_PEOPLE, _HAS_FAILED, score)
        .join(Contact, col(Contact.id) == col(Conversation.contact_id))
        .join(Connection, col(Connection.id) == col(Conversation.connection_id))
        .join(Employee, col(Employee.id) == col(Conversation.employee_id))
        .outerjoin(EmployeeVersion, IS_PUBLISHED)
        .where(among(col(Conversation.id), ids))
        .order_by(col(Conversation.last_message_at).desc(), col(Conversation.id).desc())
    )
    rows = found.all()
    previews = await _previews(session, vault, ids)
    names = await actors.names(session)
    contacts = await naming.names(session, vault, {contact.id for _, contact, *_ in rows})
    return [
        Listed(
            conversation_id=conversation.id,
            contact_id=contact.id,
            contact=contacts[contact.id],
            is_erased=contact.erased_at is not None,
            employee_key=employee.key,
            employee=name or employee.key,
            connection_key=connection.key,
            channel_kind=connection.kind,
            external=connection.external,
            owner=conversation.owner,
            agent=names.of(conversation.agent) if conversation.agent else None,
            last_message_at=conversation.last_message_at,
            created_at=conversation.created_at,
            preview=previews.get(conversation.id, ("", ""))[1],
            preview_author=previews.get(conversation.id, ("", ""))[0],
            cost=Decimal(spent),
            had_people=had_people,
            has_failed=has_failed,
            score=rated,
        )
        for conversation, contact, connection, employee, name, spent, had_people, has_failed, rated in rows
    ]


async def _previews(session: AsyncSession, vault: Vault, ids: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Who said the last thing, and how it begins."""
    last = (
        select(*LINE[:4])
        .add_columns(*LINE[4:])
        .where(_of(Message), col(Message.purpose) == "reply", col(Message.author) != "system")
        .where(col(Message.state).not_in(("deleted", "discarded", "streaming")))
        .order_by(col(Message.seq).desc())
        .limit(1)
        .lateral()
    )
    query = select(col(Conversation.id)).add_columns(*last.c).join(last, true()).where(among(col(Conversation.id), ids))
    rows = (await session.execute(query)).all()
    lines = {conversation_id: Line.of_row(columns) for conversation_id, *columns in rows}
    ciphers = await vault.ciphers(session, {line.contact_id for line in lines.values() if line.contact_id})
    return {
        conversation_id: (
            line.author,
            " ".join((line.text(ciphers) or "")[: 4 * LONGEST_PREVIEW].split())[:LONGEST_PREVIEW],
        )
        for conversation_id, line in lines.items()
    }
