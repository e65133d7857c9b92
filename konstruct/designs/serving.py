"""Which connections and channels an employee serves, as its designer sees it; ``connecting.serving`` changes it.
It holds for conversations that begin from now on, and is no part of a version: it changes at once."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.connecting import serving as connected
from konstruct.designs import drafting
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import ConnectionId
from konstruct.tables import Connection, Employee, EmployeeBinding

_IN_USE: Final = (col(Connection.kind) != "rehearsal", col(Connection.status) != "disconnected")


@dataclass(frozen=True)
class Served:
    """A connection, who serves it, and the channels of it that somebody else serves."""

    key: str
    kind: str
    external: dict[str, Any]
    status: str
    employee_key: str
    channels: dict[str, str]
    """Employees' keys by the channels' ids."""


async def connections(session: AsyncSession) -> list[Served]:
    """All of the session's tenant in the order of their keys, but for those that rehearsals have."""
    bindings = list(await session.scalars(select(EmployeeBinding).order_by(col(EmployeeBinding.channel))))
    rows = list(await session.scalars(select(Connection).where(*_IN_USE).order_by(col(Connection.key))))
    # Last: whoever came to serve one of them meanwhile is there by now.
    keys = {row.id: row.key for row in await session.execute(select(col(Employee.id), col(Employee.key)))}
    bound: dict[UUID, dict[str, str]] = {}
    for binding in bindings:
        bound.setdefault(binding.connection_id, {})[binding.channel] = keys[binding.employee_id]
    return [
        Served(row.key, row.kind, dict(row.external), row.status, keys[row.employee_id], bound.get(row.id, {}))
        for row in rows
    ]


async def served_by(session: AsyncSession, employee_id: UUID) -> list[str]:
    """In words: connections by their keys, channels as ``main-slack/C012``."""
    return (await by_employees(session)).get(employee_id, [])


async def by_employees(session: AsyncSession) -> dict[UUID, list[str]]:
    """As ``served_by``, of all of the session's tenant."""
    found: dict[UUID, list[str]] = {}
    whole = await session.execute(
        select(col(Connection.employee_id), col(Connection.key)).where(*_IN_USE).order_by(col(Connection.key))
    )
    for employee_id, key in whole:
        found.setdefault(employee_id, []).append(key)
    single = await session.execute(
        select(col(EmployeeBinding.employee_id), col(Connection.key), col(EmployeeBinding.channel))
        .join(Connection, col(Connection.id) == col(EmployeeBinding.connection_id))
        .where(*_IN_USE)
        .order_by(col(Connection.key), col(EmployeeBinding.channel))
    )
    for employee_id, key, channel in single:
        found.setdefault(employee_id, []).append(f"{key}/{channel}")
    return found


async def serve(session: AsyncSession, key: str, connection_key: str, *, actor: str) -> None:
    """Has this employee serve a connection wherever no channel of it says otherwise.

    Raises:
        NotFound: there is no such employee or connection.
        Conflict: it was never published, or is archived.
    """
    employee = await _fit(session, key)
    await connected.serve(session, await _connection(session, connection_key), employee.id, actor=actor)


async def bind(session: AsyncSession, key: str, connection_key: str, channel: str, *, actor: str) -> None:
    """Has this employee serve one channel of a Slack connection. Raises as ``serve``, and BadInput."""
    employee = await _fit(session, key)
    connection_id = await _connection(session, connection_key, kind="slack")
    await connected.bind(session, connection_id, channel, employee.id, actor=actor)


async def unbind(session: AsyncSession, key: str, connection_key: str, channel: str, *, actor: str) -> None:
    """The channel is served by its connection's employee again. Raises NotFound when it was not its own."""
    employee = await drafting.locked(session, key)
    connection_id = await _connection(session, connection_key)
    query = select(col(EmployeeBinding.employee_id)).where(col(EmployeeBinding.connection_id) == connection_id)
    if await session.scalar(query.where(col(EmployeeBinding.channel) == channel)) != employee.id:
        raise NotFound("It does not serve that channel.")
    await connected.unbind(session, connection_id, channel, actor=actor)


async def _fit(session: AsyncSession, key: str) -> Employee:
    """One that can serve, held so that it is not archived meanwhile."""
    employee = await drafting.locked(session, key)
    if employee.published_version == 0:
        raise Conflict("It was never published; publish it, then let it serve a channel.")
    if employee.archived_at is not None:
        raise Conflict("It is archived; restore it, then let it serve a channel.")
    return employee


async def _connection(session: AsyncSession, key: str, kind: str | None = None) -> ConnectionId:
    """``kind``: of which it must be."""
    query = select(col(Connection.id), col(Connection.kind)).where(col(Connection.key) == key)
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise NotFound("There is no such connection.")
    if kind is not None and found.kind != kind:
        raise BadInput("Only Slack has channels that can be served by different employees.")
    return ConnectionId(found.id)
