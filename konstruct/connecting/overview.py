"""A tenant's connections as its operators see them: who serves them, what state they are in, when they last heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, not_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import among
from konstruct.employees import IS_PUBLISHED
from konstruct.errors import NotFound
from konstruct.identity import ConnectionId
from konstruct.tables import Connection, Conversation, Employee, EmployeeBinding, EmployeeDraft, EmployeeVersion

_NO_CHANNEL: Final = "rehearsal"
"""Where operators try out drafts; nobody else writes there."""


@dataclass(frozen=True)
class Served:
    """An employee, as somebody chooses one."""

    employee_id: UUID
    key: str
    name: str
    is_archived: bool = False


@dataclass(frozen=True)
class Seen:
    connection_id: ConnectionId
    key: str
    kind: str
    account: str
    external: Mapping[str, Any]
    status: str
    status_reason: str | None
    status_changed_at: datetime
    employee: Served
    last_event_at: datetime | None
    token_expires_at: datetime | None
    renews: bool
    renewal_problem: str | None
    functions: Sequence[str]
    bindings: Sequence[tuple[str, Served]] = field(default_factory=tuple)
    """Channels that others serve."""

    @property
    def has_heard(self) -> bool:
        """Whether anything came in since it was connected."""
        return self.last_event_at is not None and self.last_event_at >= self.status_changed_at


async def employees(session: AsyncSession) -> list[Served]:
    """All of the session's tenant's by name, those that were archived among them; a draft speaks for what never was
    published."""
    drafted = func.nullif(col(EmployeeDraft.content)["name"].as_string(), "")
    name = func.coalesce(col(EmployeeVersion.name), drafted, col(Employee.key)).label("name")
    query = (
        select(Employee.id, Employee.key, Employee.archived_at, name)
        .outerjoin(EmployeeVersion, IS_PUBLISHED)
        .outerjoin(EmployeeDraft, col(EmployeeDraft.employee_id) == col(Employee.id))
        .order_by(col(Employee.created_at))
    )
    rows = await session.execute(query)
    served = [Served(row.id, row.key, row.name, row.archived_at is not None) for row in rows]
    return sorted(served, key=lambda each: each.name.casefold())


async def every(session: AsyncSession) -> list[Seen]:
    """Those in use first, each group in the order in which they were connected."""
    query = select(Connection).where(col(Connection.kind) != _NO_CHANNEL).order_by(col(Connection.created_at))
    seen = await _seen(session, list(await session.scalars(query)))
    return sorted(seen, key=lambda connection: connection.status == "disconnected")


async def one(session: AsyncSession, connection_id: UUID) -> Seen:
    """Raises NotFound when the session's tenant has no such connection."""
    query = select(Connection).where(col(Connection.id) == connection_id, col(Connection.kind) != _NO_CHANNEL)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such connection.")
    return (await _seen(session, [row]))[0]


async def _seen(session: AsyncSession, rows: Sequence[Connection]) -> list[Seen]:
    """In as many queries for a thousand of them as for one."""
    by_id = {served.employee_id: served for served in await employees(session)}
    bound: dict[UUID, list[tuple[str, Served]]] = {row.id: [] for row in rows}
    query = select(EmployeeBinding).where(among(col(EmployeeBinding.connection_id), bound))
    for binding in await session.scalars(query.order_by(col(EmployeeBinding.channel))):
        bound[binding.connection_id].append((binding.channel, by_id[binding.employee_id]))
    heard = {row.id: await _last_said(session, row) for row in rows if row.kind == "console"}
    return [_one_seen(row, by_id[row.employee_id], bound[row.id], heard) for row in rows]


def _one_seen(
    row: Connection,
    employee: Served,
    bindings: Sequence[tuple[str, Served]],
    heard: Mapping[UUID, datetime | None],
) -> Seen:
    return Seen(
        connection_id=ConnectionId(row.id),
        key=row.key,
        kind=row.kind,
        account=row.account,
        external=dict(row.external),
        status=row.status,
        status_reason=row.status_reason,
        status_changed_at=row.status_changed_at,
        employee=employee,
        last_event_at=heard.get(row.id, row.last_event_at),
        token_expires_at=row.token_expires_at,
        renews=row.renew_at is not None,
        renewal_problem=row.renewal_problem,
        functions=tuple(row.functions),
        bindings=tuple(bindings),
    )


async def _last_said(session: AsyncSession, row: Connection) -> datetime | None:
    """The console has no gateway that hears of everything: what counts there is what people wrote."""
    latest = select(col(Conversation.contact_said_at)).where(col(Conversation.connection_id) == row.id)
    latest = latest.where(not_(col(Conversation.is_rehearsal)))
    latest = latest.order_by(col(Conversation.last_message_at).desc(), col(Conversation.id).desc()).limit(1)
    return await session.scalar(latest)
