"""Employees that are no longer wanted: they take no new conversations, and stay for the record."""

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import audit
from konstruct.billing import enforcing
from konstruct.designs import drafting, serving
from konstruct.errors import Conflict
from konstruct.tables import Employee
from konstruct.tables.base import utc_now


async def archive(session: AsyncSession, key: str, *, actor: str) -> None:
    """Its open conversations go on. Archived a second time, nothing changes.

    Raises Conflict while a channel would send people to it, with the channels.
    """
    employee = await drafting.locked(session, key)
    served = await serving.served_by(session, employee.id)
    if served:
        where = ", ".join(served)
        raise Conflict(f"It serves {where}. Give these to another employee first; then it can be archived.")
    if employee.archived_at is None:
        employee.archived_at = utc_now()
        _record(session, employee, actor, "archived")


async def restore(session: AsyncSession, key: str, *, actor: str) -> None:
    """Restored a second time, nothing changes. Raises OverPlan."""
    await enforcing.hold(session)
    employee = await drafting.locked(session, key)
    if employee.archived_at is not None:
        await enforcing.require_room(session, "employees")
        employee.archived_at = None
        _record(session, employee, actor, "restored")


def _record(session: AsyncSession, employee: Employee, actor: str, action: str) -> None:
    is_archived = employee.archived_at is not None
    audit.record(
        session,
        tenant_id=employee.tenant_id,
        actor=actor,
        action=f"employee.{action}",
        employee_id=str(employee.id),
        changes={"is_archived": {"before": not is_archived, "after": is_archived}},
    )
