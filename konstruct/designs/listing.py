"""All employees of a tenant at a glance: what is published, what waits in drafts, and what each serves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only
from sqlmodel import col, select

from konstruct.designs import serving
from konstruct.designs.drafting import IS_OPEN
from konstruct.employees import IS_PUBLISHED
from konstruct.tables import Employee, EmployeeDraft, EmployeeVersion

_SHOWN: Final = ("name", "role", "picture", "published_at")
"""Of a version."""


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
    # Of what is long, such as instructions, nothing is read: nobody sees it here.
    drafted = [col(EmployeeDraft.content)[name].as_string() for name in ("name", "role", "picture")]
    rows = await session.execute(
        select(Employee, EmployeeVersion, col(EmployeeDraft.id), *drafted)
        .options(load_only(*(getattr(EmployeeVersion, name) for name in _SHOWN)))
        .outerjoin(EmployeeVersion, IS_PUBLISHED)
        .outerjoin(EmployeeDraft, IS_OPEN)
    )
    serves = await serving.by_employees(session)
    found = [_listed(row[0], row[1], row[2], row[3:], tuple(serves.get(row[0].id, ()))) for row in rows]
    return sorted(found, key=lambda each: (each.archived_at is not None, each.name.casefold(), each.key))


def _listed(
    employee: Employee,
    version: EmployeeVersion | None,
    draft_id: UUID | None,
    drafted: Sequence[str | None],
    serves: tuple[str, ...],
) -> Listed:
    # What people see is what is published; a draft speaks for what never was.
    drafted_name, drafted_role, drafted_picture = drafted
    picture = version.picture if version is not None else drafted_picture
    return Listed(
        key=employee.key,
        name=version.name if version is not None else drafted_name or employee.key,
        role=version.role if version is not None else drafted_role or "",
        picture=str(picture) if picture else None,
        published_version=employee.published_version,
        published_at=version.published_at if version is not None else None,
        has_draft=draft_id is not None,
        archived_at=employee.archived_at,
        serves=serves,
    )
