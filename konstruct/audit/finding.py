"""Looking events up: by tenant, conversation, contact, employee, actor, action and time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, collate, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import among
from konstruct.errors import NotFound
from konstruct.tables import AuditEvent, AuditSeal, AuditSealLeaf, Conversation, Employee

MOST_ACTORS: Final = 500
FEW_CONVERSATIONS: Final = 500

# Each by one look into the index, however many events an actor has.
_ACTORS: Final = text(
    """
    with recursive known as (
      (select actor from audit_events order by actor limit 1)
      union all
      select (select e.actor from audit_events e where e.actor > known.actor order by e.actor limit 1)
      from known where known.actor is not null
    )
    select actor from known where actor is not null limit :at_most
    """
)


@dataclass(frozen=True)
class Filters:
    """Which events are wanted; what is None lets all pass."""

    conversation_id: UUID | None = None
    actor: str | None = None
    action: str | None = None
    """With a dot at its end, all that begin so, such as ``turn.``."""
    since: datetime | None = None
    until: datetime | None = None
    """Not included itself."""
    subject_id: UUID | None = None
    """The contact whom it is about."""
    employee: str | None = None
    """Of conversations of the employee with this key, rehearsals left out."""

    def clauses(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = []
        if self.conversation_id is not None:
            wanted.append(col(AuditEvent.chain_id) == self.conversation_id)
        if self.actor is not None:
            wanted.append(col(AuditEvent.actor) == self.actor)
        if self.action is not None:
            # The index is sorted by bytes, where all that begin with "turn." stand before "turn/".
            action = collate(col(AuditEvent.action), "C")
            is_prefix = self.action.endswith(".")
            wanted += [action >= self.action, action < f"{self.action[:-1]}/"] if is_prefix else [action == self.action]
        if self.since is not None:
            wanted.append(col(AuditEvent.created_at) >= self.since)
        if self.until is not None:
            wanted.append(col(AuditEvent.created_at) < self.until)
        if self.subject_id is not None:
            wanted.append(col(AuditEvent.subject_id) == self.subject_id)
        if self.employee is not None:
            employee = select(col(Employee.id)).where(col(Employee.key) == self.employee).scalar_subquery()
            of_employee = (
                select(col(Conversation.id))
                .where(col(Conversation.id) == col(AuditEvent.conversation_id))
                .where(col(Conversation.employee_id) == employee, ~col(Conversation.is_rehearsal))
            )
            wanted.append(of_employee.exists())
        return wanted

    def given(self) -> dict[str, Any]:
        """Those that are set, as JSON takes them."""
        return {name: str(value) for name, value in vars(self).items() if value is not None}


async def find(
    session: AsyncSession,
    *,
    conversation_id: UUID | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    subject_id: UUID | None = None,
    employee: str | None = None,
    limit: int = 100,
    before: UUID | None = None,
) -> list[AuditEvent]:
    """The newest first.

    Args:
        action: With a dot at its end, all that begin so, such as ``turn.``.
        until: Not included itself.
        before: The id of an event: only older ones follow, as on the next page. Of an unknown event there are none.
    """
    filters = Filters(conversation_id, actor, action, since, until, subject_id, employee)
    query = select(AuditEvent).where(*filters.clauses())
    if before is not None:
        query = query.where(_older_than(before))
    return list(await session.scalars(query.order_by(*_NEWEST_FIRST).limit(limit)))


_NEWEST_FIRST: Final = (col(AuditEvent.created_at).desc(), col(AuditEvent.id).desc())


def _older_than(event_id: UUID) -> ColumnElement[bool]:
    place = tuple_(col(AuditEvent.created_at), col(AuditEvent.id))
    return place < _place_of(event_id)


def _newer_than(event_id: UUID) -> ColumnElement[bool]:
    place = tuple_(col(AuditEvent.created_at), col(AuditEvent.id))
    return place > _place_of(event_id)


def _place_of(event_id: UUID) -> ColumnElement[Any]:
    return select(AuditEvent.created_at, AuditEvent.id).where(AuditEvent.id == event_id).scalar_subquery()


@dataclass(frozen=True)
class Page:
    events: Sequence[AuditEvent]
    """The newest first."""
    newer: UUID | None
    """What ``after`` has to be for the page before this one; None where this is the first."""
    older: UUID | None
    """What ``before`` has to be for the next page; None where there is none."""


async def page(
    session: AsyncSession, filters: Filters, limit: int, *, before: UUID | None = None, after: UUID | None = None
) -> Page:
    """Beginning with the newest; behind ``before``, or in front of ``after``."""
    query = select(AuditEvent).where(*await _clauses(session, filters))
    if after is not None:
        query = query.where(_newer_than(after)).order_by(col(AuditEvent.created_at), col(AuditEvent.id))
    else:
        query = query.order_by(*_NEWEST_FIRST)
        if before is not None:
            query = query.where(_older_than(before))
    found = list(await session.scalars(query.limit(limit + 1)))
    is_more, found = len(found) > limit, found[:limit]
    if after is not None:
        found.reverse()
    has_newer, has_older = (is_more, True) if after is not None else (before is not None, is_more)
    return Page(found, found[0].id if found and has_newer else None, found[-1].id if found and has_older else None)


async def _clauses(session: AsyncSession, filters: Filters) -> list[ColumnElement[bool]]:
    """Of an employee with few conversations, those by name: asked event by event, all of the trail would be gone
    through for a handful."""
    if filters.employee is None:
        return filters.clauses()
    employee = select(col(Employee.id)).where(col(Employee.key) == filters.employee).scalar_subquery()
    of_employee = select(col(Conversation.id)).where(
        col(Conversation.employee_id) == employee, ~col(Conversation.is_rehearsal)
    )
    few = list(await session.scalars(of_employee.limit(FEW_CONVERSATIONS + 1)))
    if len(few) > FEW_CONVERSATIONS:
        return filters.clauses()
    return [*replace(filters, employee=None).clauses(), among(col(AuditEvent.chain_id), few)]


async def actors(session: AsyncSession) -> list[str]:
    """Whoever did anything, as the trail names them."""
    return list(await session.scalars(_ACTORS, {"at_most": MOST_ACTORS}))


@dataclass(frozen=True)
class Placed:
    """An event and what holds it."""

    event: AuditEvent
    newer: UUID | None
    """The event behind it in its chain."""
    older: UUID | None
    seal: AuditSeal | None
    """The first one that holds the chain up to it, or further."""


async def get(session: AsyncSession, event_id: UUID) -> Placed:
    """Raises NotFound when the session's tenant has no such event."""
    event = (await session.scalars(select(AuditEvent).where(col(AuditEvent.id) == event_id))).one_or_none()
    if event is None:
        raise NotFound("There is no such event.")
    beside = select(col(AuditEvent.seq), col(AuditEvent.id)).where(
        col(AuditEvent.chain_id) == event.chain_id, col(AuditEvent.seq).in_((event.seq - 1, event.seq + 1))
    )
    places = {row.seq: row.id for row in await session.execute(beside)}
    held = (
        select(col(AuditSealLeaf.number))
        .where(col(AuditSealLeaf.chain_id) == event.chain_id, col(AuditSealLeaf.seq) >= event.seq)
        .order_by(col(AuditSealLeaf.seq))
        .limit(1)
    )
    sealed = select(AuditSeal).where(col(AuditSeal.number) == held.scalar_subquery())
    seal = (await session.scalars(sealed)).one_or_none()
    return Placed(event, places.get(event.seq + 1), places.get(event.seq - 1), seal)
