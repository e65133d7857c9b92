"""Versions of employees: how one is made of a draft, a file or an earlier version. None is ever changed."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import audit
from konstruct.designs import checking, drafting, versions
from konstruct.designs.content import Content, as_version, blank, changed, for_trail, of_version
from konstruct.designs.drafting import Overtaken
from konstruct.errors import BadInput, Conflict
from konstruct.tables import Employee

LONGEST_NOTE: Final = 500


@dataclass(frozen=True)
class Published:
    number: int
    fields: list[str]
    """What is other than in the version before; empty of a first one."""


async def publish(
    session: AsyncSession, key: str, *, revision: int, over: int, note: str = "", actor: str
) -> Published | Overtaken:
    """Makes the draft the version that serves from the next message on.

    Args:
        revision: Of the draft that the person saw.
        over: The version that was published when they looked at what would change.

    Raises:
        BadInput: something is missing or wrong, or nothing differs.
        Conflict: another version was published since they looked, or the employee is archived.
    """
    employee = await drafting.locked(session, key)
    draft = await drafting.of(session, employee)
    if draft.revision != revision:
        return Overtaken(draft)
    if employee.archived_at is not None:
        raise Conflict("It is archived; restore it before you publish.")
    if employee.published_version != over:
        raise Conflict(f"Version {employee.published_version} was published meanwhile; look at the differences again.")
    if not draft.is_open:
        raise BadInput(f"Nothing differs from version {employee.published_version}, so there is nothing to publish.")
    checking.check(draft.content, await checking.surroundings(session))
    return await add_version(session, employee, draft.content, actor=actor, note=note)


async def roll_back(
    session: AsyncSession, key: str, number: int, *, over: int, note: str = "", actor: str
) -> Published:
    """Publishes an earlier version again, as a new one. It is not checked anew: it must be possible in need, and what
    it names that is gone is passed over as it is in every version. An open draft stays.

    Raises:
        BadInput: it is what is published already.
        Conflict, NotFound: as ``publish``, and of a version that is not there.
    """
    employee = await drafting.locked(session, key)
    if employee.archived_at is not None:
        raise Conflict("It is archived; restore it before you publish.")
    if employee.published_version != over:
        raise Conflict(f"Version {employee.published_version} was published meanwhile; look at the versions again.")
    content = of_version(await versions.called(session, employee.id, number))
    current = of_version(await versions.called(session, employee.id, employee.published_version))
    if not changed(current, content):
        raise BadInput(f"Version {number} is the same as what is published, so there is nothing to go back to.")
    return await add_version(session, employee, content, actor=actor, note=note, restored_from=number)


async def add_version(
    session: AsyncSession,
    employee: Employee,
    content: Content,
    *,
    actor: str,
    note: str = "",
    restored_from: int | None = None,
) -> Published:
    """The employee's row must be held. A draft with the same content is done with; another one stays open, and is known
    to be older by the version that it was begun on."""
    if len(note) > LONGEST_NOTE:
        raise BadInput(f"The note is longer than {LONGEST_NOTE} characters; shorten it.")
    before = await versions.find(session, employee.id, employee.published_version)
    number = employee.published_version = employee.published_version + 1
    about = {"published_by": actor, "note": note.strip(), "restored_from": restored_from}
    session.add(as_version(content, employee.tenant_id, employee.id, number, **about))
    await drafting.close_if_same(session, employee, content)
    known = of_version(before) if before is not None else blank()
    fields = changed(known, content)
    origin: dict[str, Any] = {"restored_from": restored_from} if restored_from else {}
    audit.record(
        session,
        tenant_id=employee.tenant_id,
        actor=actor,
        action="employee.rolled_back" if restored_from else "employee.published",
        employee_id=str(employee.id),
        version=number,
        version_before=number - 1,
        fields=fields,
        changes=for_trail(known, content),
        **origin,
    )
    return Published(number, fields if before is not None else [])
