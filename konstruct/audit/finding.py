"""Looking events up: by tenant, conversation, actor, action and time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, collate, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.tables import AuditEvent


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
    limit: int = 100,
    before: UUID | None = None,
) -> list[AuditEvent]:
    """The newest first.

    Args:
        action: With a dot at its end, all that begin so, such as ``turn.``.
        until: Not included itself.
        before: The id of an event: only older ones follow, as on the next page. Of an unknown event there are none.
    """
    query = select(AuditEvent).where(*Filters(conversation_id, actor, action, since, until).clauses())
    place = tuple_(col(AuditEvent.created_at), col(AuditEvent.id))
    if before is not None:
        marked = select(AuditEvent.created_at, AuditEvent.id).where(AuditEvent.id == before)
        query = query.where(place < marked.scalar_subquery())
    query = query.order_by(col(AuditEvent.created_at).desc(), col(AuditEvent.id).desc()).limit(limit)
    return list(await session.scalars(query))
