"""All employees of a tenant at a glance: what is published, what waits in drafts, and what each serves."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.designs import serving
from konstruct.tables import Employee, EmployeeDraft, EmployeeVersion


@dataclass(frozen=True)
class Listed:
    key: str
    name: str
    role: str
    picture: str | None
    published_version: int
    published_at: datetime | None
    has_draft: bool
    archived_at: datetime | None
    serves: tuple[str, ...]
    """Connections by their keys, channels as ``main-slack/C012``."""


async def employees(session: AsyncSession) -> list[Listed]:
    """Of the session's tenant, by name, those that are archived last."""
    rows = await session.execute(
        select(Employee, EmployeeVersion, EmployeeDraft)
        .outerjoin(
            EmployeeVersion,
            and_(
                col(EmployeeVersion.tenant_id) == col(Employee.tenant_id),
                col(EmployeeVersion.employee_id) == col(Employee.id),
                col(EmployeeVersion.number) == col(Employee.published_version),
            ),
        )
        .outerjoin(
            EmployeeDraft,
            and_(
                col(EmployeeDraft.tenant_id) == col(Employee.tenant_id),
                col(EmployeeDraft.employee_id) == col(Employee.id),
                col(EmployeeDraft.is_open),
            ),
        )
    )
    serves = await serving.by_employees(session)
    found = [_listed(row[0], row[1], row[2], tuple(serves.get(row[0].id, ()))) for row in rows]
    return sorted(found, key=lambda each: (each.archived_at is not None, each.name.casefold(), each.key))


def _listed(
    employee: Employee, version: EmployeeVersion | None, draft: EmployeeDraft | None, serves: tuple[str, ...]
) -> Listed:
    # What people see is what is published; a draft speaks for what never was.
    drafted = draft.content if draft is not None else {}
    picture = version.picture if version is not None else drafted.get("picture")
    return Listed(
        key=employee.key,
        name=version.name if version is not None else drafted.get("name") or employee.key,
        role=version.role if version is not None else drafted.get("role", ""),
        picture=str(picture) if picture else None,
        published_version=employee.published_version,
        published_at=version.published_at if version is not None else None,
        has_draft=draft is not None,
        archived_at=employee.archived_at,
        serves=serves,
    )
