"""Who serves a connection and its channels, and what it is for."""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, connections
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import ConnectionId
from konstruct.tables import Connection, Employee, EmployeeBinding

MOST_FUNCTIONS: Final = 10
LONGEST_FUNCTION: Final = 120

_CHANNEL: Final = re.compile("[CDG][A-Z0-9]{1,30}")


async def serve(session: AsyncSession, connection_id: ConnectionId, employee_id: UUID, *, actor: str) -> None:
    """From now on new conversations of the connection are this employee's, unless their channel is bound."""
    connection = await connections.locked(session, connection_id)
    await _check_employee(session, connection, employee_id)
    if connection.employee_id != employee_id:
        connection.employee_id = employee_id
        _record(session, connection, actor, "connection.served", employee_id=str(employee_id))


async def bind(
    session: AsyncSession, connection_id: ConnectionId, channel: str, employee_id: UUID, *, actor: str
) -> None:
    """Raises BadInput for what is no id of a Slack channel."""
    connection = await connections.locked(session, connection_id)
    if not _CHANNEL.fullmatch(channel):
        raise BadInput("A channel's id is like C0123ABCD: open the channel's details in Slack and scroll down to it.")
    await _check_employee(session, connection, employee_id)
    query = select(EmployeeBinding).where(col(EmployeeBinding.connection_id) == connection_id)
    binding = (await session.execute(query.where(col(EmployeeBinding.channel) == channel))).scalar_one_or_none()
    if binding is None:
        binding = EmployeeBinding(
            tenant_id=connection.tenant_id, connection_id=connection_id, channel=channel, employee_id=employee_id
        )
        session.add(binding)
    binding.employee_id = employee_id
    _record(session, connection, actor, "connection.bound", channel=channel, employee_id=str(employee_id))


async def unbind(session: AsyncSession, connection_id: ConnectionId, channel: str, *, actor: str) -> UUID | None:
    """Whose the channel was; None where it had no employee of its own."""
    connection = await connections.locked(session, connection_id)
    removed = await session.execute(
        delete(EmployeeBinding)
        .where(col(EmployeeBinding.connection_id) == connection_id)
        .where(col(EmployeeBinding.channel) == channel)
        .returning(col(EmployeeBinding.employee_id))
    )
    employee_id = removed.scalar()
    if employee_id is not None:
        _record(session, connection, actor, "connection.unbound", channel=channel)
    return employee_id


def read_functions(lines: str) -> list[str]:
    """One a line, as a person types them. Raises BadInput when they are too many or too long."""
    functions = list(dict.fromkeys(line.strip() for line in lines.splitlines() if line.strip()))
    if len(functions) > MOST_FUNCTIONS:
        raise BadInput(f"At most {MOST_FUNCTIONS} lines, please.")
    if any(len(function) > LONGEST_FUNCTION for function in functions):
        raise BadInput(f"Each line may have {LONGEST_FUNCTION} characters at most.")
    return functions


async def describe(session: AsyncSession, connection_id: ConnectionId, functions: Sequence[str], *, actor: str) -> None:
    """Says what the connection is for. Raises BadInput without a word about that on WhatsApp, whose terms want it."""
    connection = await connections.locked(session, connection_id)
    if connection.kind == "whatsapp" and not functions:
        raise BadInput("WhatsApp wants no assistant for everything: say what this number is for, in a line or more.")
    if connection.functions != list(functions):
        connection.functions = list(functions)
        _record(session, connection, actor, "connection.described", functions=len(functions))


async def _check_employee(session: AsyncSession, connection: Connection, employee_id: UUID) -> None:
    # Held, so that it is not archived meanwhile.
    query = select(Employee).where(col(Employee.tenant_id) == connection.tenant_id, col(Employee.id) == employee_id)
    held = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    employee = (await session.scalars(held)).one_or_none()
    if employee is None:
        raise NotFound("There is no such employee.")
    if employee.archived_at is not None:
        raise Conflict("This employee was archived. Choose another one, or bring it back first.")


def _record(session: AsyncSession, connection: Connection, actor: str, action: str, **detail: Any) -> None:
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=actor,
        action=action,
        connection_id=str(connection.id),
        **detail,
    )
