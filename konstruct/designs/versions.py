"""Finding employees' versions."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import NotFound
from konstruct.tables import EmployeeVersion


async def every(
    session: AsyncSession, employee_id: UUID, *, at_most: int | None = None, before: int | None = None
) -> list[EmployeeVersion]:
    """The latest first. ``before``: only those with a lower number."""
    query = select(EmployeeVersion).where(col(EmployeeVersion.employee_id) == employee_id)
    if before is not None:
        query = query.where(col(EmployeeVersion.number) < before)
    return list(await session.scalars(query.order_by(col(EmployeeVersion.number).desc()).limit(at_most)))


async def find(session: AsyncSession, employee_id: UUID, number: int) -> EmployeeVersion | None:
    query = select(EmployeeVersion).where(col(EmployeeVersion.employee_id) == employee_id)
    return (await session.scalars(query.where(col(EmployeeVersion.number) == number))).one_or_none()


async def called(session: AsyncSession, employee_id: UUID, number: int) -> EmployeeVersion:
    """Raises NotFound when there is no such one."""
    found = await find(session, employee_id, number)
    if found is None:
        raise NotFound(f"There is no version {number} of this employee.")
    return found
