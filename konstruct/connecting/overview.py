"""A tenant's connections as its operators see them: who serves them, what state they are in, when they last heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import NotFound
from konstruct.identity import ConnectionId
from konstruct.tables import Connection, Employee, EmployeeBinding, EmployeeVersion, Message

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
    """All of the session's tenant's by name, those that were archived among them."""
    query = (
        select(Employee.id, Employee.key, Employee.archived_at, EmployeeVersion.name)
        .outerjoin(
            EmployeeVersion,
            (col(EmployeeVersion.employee_id) == col(Employee.id))
            & (col(EmployeeVersion.number) == col(Employee.published_version)),
        )
        .order_by(col(Employee.created_at))
    )
    rows = await session.execute(query)
    served = [Served(row.id, row.key, row.name or row.key, row.archived_at is not None) for row in rows]
    return sorted(served, key=lambda each: each.name)


async def every(session: AsyncSession) -> list[Seen]:
    """Those in use first, each group in the order in which they were connected."""
    by_id = {served.employee_id: served for served in await employees(session)}
    query = select(Connection).where(col(Connection.kind) != _NO_CHANNEL).order_by(col(Connection.created_at))
    rows = await session.scalars(query)
    seen = [await _seen(session, row, by_id) for row in rows]
    return sorted(seen, key=lambda connection: connection.status == "disconnected")


async def one(session: AsyncSession, connection_id: UUID) -> Seen:
    """Raises NotFound when the session's tenant has no such connection."""
    query = select(Connection).where(col(Connection.id) == connection_id, col(Connection.kind) != _NO_CHANNEL)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such connection.")
    return await _seen(session, row, {served.employee_id: served for served in await employees(session)})


async def _seen(session: AsyncSession, row: Connection, by_id: Mapping[UUID, Served]) -> Seen:
    bound = await session.scalars(
        select(EmployeeBinding)
        .where(col(EmployeeBinding.connection_id) == row.id)
        .order_by(col(EmployeeBinding.channel))
    )
    return Seen(
        connection_id=ConnectionId(row.id),
        key=row.key,
        kind=row.kind,
        account=row.account,
        external=dict(row.external),
        status=row.status,
        status_reason=row.status_reason,
        status_changed_at=row.status_changed_at,
        employee=by_id[row.employee_id],
        last_event_at=await _last_said(session, row) if row.kind == "console" else row.last_event_at,
        token_expires_at=row.token_expires_at,
        renews=row.renew_at is not None,
        renewal_problem=row.renewal_problem,
        functions=tuple(row.functions),
        bindings=tuple((binding.channel, by_id[binding.employee_id]) for binding in bound),
    )


async def _last_said(session: AsyncSession, row: Connection) -> datetime | None:
    """The console has no gateway that hears of everything: what counts there are messages."""
    query = select(func.max(col(Message.created_at))).where(col(Message.connection_id) == row.id)
    return await session.scalar(query.where(col(Message.direction) == "inbound"))
