"""Drafts: one for each employee, which people share. Who saves on top of what they did not see is told so instead."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import enforcing
from konstruct.designs import versions
from konstruct.designs.content import Content, blank, changed, for_trail, of_version, tidy
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import Employee, EmployeeDraft, EmployeePicture, Tenant
from konstruct.tables.base import utc_now

MOST_EMPLOYEES: Final = 500
"""Of a tenant, archived ones among them."""
_LONGEST_KEY: Final = 50

# For statements about employees: the draft that is other than what is published, if there is one.
IS_OPEN: Final = and_(
    col(EmployeeDraft.tenant_id) == col(Employee.tenant_id),
    col(EmployeeDraft.employee_id) == col(Employee.id),
    col(EmployeeDraft.is_open),
)


@dataclass(frozen=True)
class Draft:
    """What people see when they open an employee: its draft, or else what is published."""

    employee_id: UUID
    tenant_id: UUID
    key: str
    content: Content
    revision: int
    """0 where nothing was ever saved."""
    is_open: bool
    """Whether it is other than what is published."""
    base_version: int
    """The version that was published when it was begun."""
    published_version: int
    archived_at: datetime | None
    saved_by: str = ""
    saved_at: datetime | None = None
    was_discarded: bool = False
    """What was in it can be brought back."""

    @property
    def is_behind(self) -> bool:
        """Another version was published since it was begun."""
        return self.is_open and self.base_version < self.published_version


@dataclass(frozen=True)
class Overtaken:
    """Somebody else saved the draft since it was read; nothing was changed. ``draft``: as it is now."""

    draft: Draft


async def read(session: AsyncSession, key: str) -> Draft:
    """Raises NotFound when the session's tenant has no such employee."""
    return await of(session, await _called(session, key))


async def locked(session: AsyncSession, key: str) -> Employee:
    """Held until the transaction ends, as whatever changes what an employee is must do. Raises NotFound."""
    return await _called(session, key, lock=True)


async def _called(session: AsyncSession, key: str, *, lock: bool = False) -> Employee:
    query = select(Employee).where(col(Employee.key) == key)
    # The weaker kind, which does not hold up conversations that are begun with it meanwhile.
    query = query.with_for_update(key_share=True) if lock else query
    found = (await session.scalars(query.execution_options(populate_existing=lock))).one_or_none()
    if found is None:
        raise NotFound("There is no such employee.")
    return found


async def of(session: AsyncSession, employee: Employee) -> Draft:
    published = await _published(session, employee)
    row = await _row(session, employee)
    is_open = row.is_open if row is not None else False
    content = row.content if row is not None and is_open else published
    return Draft(
        employee_id=employee.id,
        tenant_id=employee.tenant_id,
        key=employee.key,
        # What was saved before a field came to be has it, too.
        content={**blank(), **content},
        revision=row.revision if row is not None else 0,
        is_open=is_open,
        base_version=row.base_version if row is not None and is_open else employee.published_version,
        published_version=employee.published_version,
        archived_at=employee.archived_at,
        saved_by=row.saved_by if row is not None else "",
        saved_at=row.saved_at if row is not None else None,
        was_discarded=row is not None and not is_open and row.content != published,
    )


async def _published(session: AsyncSession, employee: Employee) -> Content:
    """Blank until there is a version."""
    found = await versions.find(session, employee.id, employee.published_version)
    return blank() if found is None else of_version(found)


async def _row(session: AsyncSession, employee: Employee) -> EmployeeDraft | None:
    query = select(EmployeeDraft).where(col(EmployeeDraft.employee_id) == employee.id)
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def save(
    session: AsyncSession, key: str, given: dict[str, Any], *, revision: int, actor: str
) -> Draft | Overtaken:
    """Keeps what is given, whole or not. What equals the published version is no draft any more.

    Args:
        revision: Of the draft that the person saw.

    Raises:
        BadInput: no form of ours sends that, or its picture is not here.
    """
    content = tidy(given)
    employee = await locked(session, key)
    before = await of(session, employee)
    if before.revision != revision:
        return Overtaken(before)
    if not changed(before.content, content):
        return before
    if content["picture"] and content["picture"] != before.content["picture"]:
        await _check_picture(session, employee.tenant_id, content["picture"])
    published = await _published(session, employee)
    is_open = employee.published_version == 0 or bool(changed(published, content))
    return await _write(session, employee, before, content, actor, is_open=is_open)


async def _check_picture(session: AsyncSession, tenant_id: UUID, picture: str) -> None:
    if await session.get(EmployeePicture, (tenant_id, UUID(picture))) is None:
        raise BadInput("The draft's picture is not one that was uploaded here; choose it again.")


async def _write(
    session: AsyncSession,
    employee: Employee,
    before: Draft,
    content: Content,
    actor: str,
    *,
    is_open: bool,
    base_version: int | None = None,
    action: str = "draft_saved",
) -> Draft:
    """``base_version``: where it is another one from now on."""
    row = await _row(session, employee)
    if row is None:
        row = EmployeeDraft(
            tenant_id=employee.tenant_id, employee_id=employee.id, revision=0, base_version=0, saved_by=actor
        )
        session.add(row)
    row.revision += 1
    row.base_version = before.base_version if base_version is None else base_version
    row.content, row.is_open, row.saved_by, row.saved_at = content, is_open, actor, utc_now()
    await session.flush()
    after = await of(session, employee)
    audit.record(
        session,
        tenant_id=employee.tenant_id,
        actor=actor,
        action=f"employee.{action}",
        employee_id=str(employee.id),
        key=employee.key,
        revision=row.revision,
        changes=for_trail(before.content, after.content),
    )
    return after


async def discard(session: AsyncSession, key: str, *, revision: int, actor: str) -> Draft | Overtaken:
    """Back to what is published. What was in the draft stays until something else is saved; see ``bring_back``.

    Raises Conflict of an employee that was never published, which has nothing to go back to.
    """
    employee = await locked(session, key)
    before = await of(session, employee)
    if before.revision != revision:
        return Overtaken(before)
    if employee.published_version == 0:
        raise Conflict("It was never published, so there is nothing to go back to; archive it instead.")
    if not before.is_open:
        return before
    return await _write(session, employee, before, before.content, actor, is_open=False, action="draft_discarded")


async def bring_back(session: AsyncSession, key: str, *, revision: int, actor: str) -> Draft | Overtaken:
    """Undoes ``discard``, as long as nothing else was saved. Raises Conflict when there is nothing to bring back."""
    employee = await locked(session, key)
    before = await of(session, employee)
    if before.revision != revision:
        return Overtaken(before)
    row = await _row(session, employee)
    if row is None or not before.was_discarded:
        raise Conflict("There is no discarded draft that could be brought back.")
    content = dict(row.content)
    return await _write(
        session,
        employee,
        before,
        content,
        actor,
        is_open=True,
        base_version=row.base_version,
        action="draft_brought_back",
    )


async def take_in(session: AsyncSession, key: str, *, revision: int, actor: str) -> Draft | Overtaken:
    """Brings a draft up to the version that was published since it was begun: fields that the draft left alone get what
    is published, those that it changed keep what the draft says."""
    employee = await locked(session, key)
    before = await of(session, employee)
    if before.revision != revision:
        return Overtaken(before)
    if not before.is_behind:
        return before
    base = await versions.find(session, employee.id, before.base_version)
    own = set(changed(of_version(base), before.content)) if base is not None else set(before.content)
    published = await _published(session, employee)
    content = {name: before.content[name] if name in own else published[name] for name in published}
    is_open = bool(changed(published, content))
    return await _write(
        session, employee, before, content, actor, is_open=is_open, base_version=employee.published_version
    )


async def close_if_same(session: AsyncSession, employee: Employee, content: Content) -> None:
    """After it was published: a draft with just that content is one no more."""
    row = await _row(session, employee)
    if row is not None and row.is_open and not changed({**blank(), **row.content}, content):
        row.is_open = False
        row.revision += 1


async def create(
    session: AsyncSession, tenant_id: UUID, given: dict[str, Any], *, actor: str, employee_id: UUID | None = None
) -> Employee:
    """An employee that is a draft. Its key is made of its name, and stays whatever it is called later.

    ``employee_id``: so that who asks twice is given one; it is their own to choose.

    Raises BadInput without a name, Conflict when there are too many, and OverPlan when the plan has no more.
    """
    content = tidy(given)
    if not content["name"]:
        raise BadInput("It needs a name; people will see it in every conversation.")
    # One at a time of a tenant, so that no two are given one key.
    await session.execute(select(col(Tenant.id)).with_for_update(key_share=True))
    made = await session.get(Employee, (tenant_id, employee_id)) if employee_id is not None else None
    if made is not None:
        return made
    # Under “new”, the portal has the page that begins one.
    keys = {"new", *(await session.scalars(select(col(Employee.key))))}
    if len(keys) > MOST_EMPLOYEES:
        raise Conflict(f"There are {MOST_EMPLOYEES} employees, and there can be no more.")
    await enforcing.require_room(session, "employees")
    employee = Employee(tenant_id=tenant_id, id=employee_id or new_id(), key=_free_key(content["name"], keys))
    session.add(employee)
    await session.flush()
    await _write(session, employee, await of(session, employee), content, actor, is_open=True, action="created")
    return employee


async def duplicate(session: AsyncSession, key: str, *, actor: str, employee_id: UUID | None = None) -> Employee:
    """Of what is in its draft, or else published; ``employee_id`` as ``create`` has it. Raises NotFound."""
    draft = await read(session, key)
    name = f"{draft.content['name'][:70]} (copy)".strip()
    given = {**draft.content, "name": name}
    return await create(session, draft.tenant_id, given, actor=actor, employee_id=employee_id)


def _free_key(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_KEY].strip("-")
    key = key if key and key[0].isalpha() else f"employee-{key}".strip("-")
    number = 1
    while (free := key if number == 1 else f"{key}-{number}") in taken:
        number += 1
    return free
