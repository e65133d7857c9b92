"""What one tenant may try on another's employees, drafts and pictures; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.designs import archiving, checking, content, drafting, listing, pictures, publishing, serving, versions
from konstruct.designs.drafting import Draft
from konstruct.errors import NotFound
from konstruct.tables import Employee, EmployeePicture
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


def _key(office: Furnished) -> str:
    """Of an employee that no other tenant calls so."""
    return f"canary-{office.tenant_id.hex[:20]}"


async def draft(office: Furnished) -> None:
    """An employee that is a draft, with a picture."""
    async with office.session() as session:
        picture = await pictures.keep(session, office.tenant_id, b"\xff\xd8\xffcanary")
        given = {**content.blank(), "name": _key(office), "persona": "Canary", "picture": str(picture)}
        await drafting.create(session, office.tenant_id, given, actor="test")


async def _employee(b: Furnished) -> Employee:
    async with b.session() as theirs:
        return (await theirs.scalars(select(Employee).where(Employee.key == _key(b)))).one()


async def _picture(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        picture = (await theirs.scalars(select(EmployeePicture))).one()
    return await pictures.get(session, a.tenant_id, picture.id)


async def _picture_as_theirs(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        picture = (await theirs.scalars(select(EmployeePicture))).one()
    return await pictures.get(session, b.tenant_id, picture.id)


def _on_employee(attempt: Callable[[AsyncSession, Employee], Awaitable[object]]) -> Attempt:
    async def tried(session: AsyncSession, a: Furnished, b: Furnished) -> object:
        return await attempt(session, await _employee(b))

    return tried


async def _add(session: AsyncSession, employee: Employee) -> object:
    published = await publishing.add_version(session, employee, content.blank(), actor="a")
    await session.flush()
    return published


async def _shown(session: AsyncSession, employee: Employee) -> tuple[int, str]:
    found: Draft = await drafting.of(session, employee)
    return found.revision, found.content["persona"]


async def _names(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return _key(b) in {each.key for each in await listing.employees(session)}


async def _surroundings(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return (await checking.surroundings(session)).tenant_name == "Acme Bikes"


async def _connections(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return _key(b) in {each.employee_key for each in await serving.connections(session)}


async def _serving(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return b.employee_id in await serving.by_employees(session)


def _saving(session: AsyncSession, b: Furnished) -> Awaitable[object]:
    given: dict[str, Any] = {**content.blank(), "name": "Stolen"}
    return drafting.save(session, _key(b), given, revision=1, actor="a")


ON_DESIGNS: dict[str, tuple[Attempt, object]] = {
    "designs.archiving.archive": (lambda s, a, b: archiving.archive(s, _key(b), actor="a"), NotFound),
    "designs.archiving.restore": (lambda s, a, b: archiving.restore(s, _key(b), actor="a"), NotFound),
    "designs.checking.surroundings": (_surroundings, True),
    "designs.drafting.read": (lambda s, a, b: drafting.read(s, _key(b)), NotFound),
    "designs.drafting.locked": (lambda s, a, b: drafting.locked(s, _key(b)), NotFound),
    "designs.drafting.of": (_on_employee(_shown), (0, "")),
    "designs.drafting.save": (lambda s, a, b: _saving(s, b), NotFound),
    "designs.drafting.discard": (lambda s, a, b: drafting.discard(s, _key(b), revision=1, actor="a"), NotFound),
    "designs.drafting.bring_back": (lambda s, a, b: drafting.bring_back(s, _key(b), revision=1, actor="a"), NotFound),
    "designs.drafting.take_in": (lambda s, a, b: drafting.take_in(s, _key(b), revision=1, actor="a"), NotFound),
    "designs.drafting.close_if_same": (
        _on_employee(lambda s, employee: drafting.close_if_same(s, employee, content.blank())),
        None,
    ),
    "designs.drafting.create": (
        lambda s, a, b: drafting.create(s, b.tenant_id, {"name": "Not yours"}, actor="a"),
        DBAPIError,
    ),
    "designs.drafting.duplicate": (lambda s, a, b: drafting.duplicate(s, _key(b), actor="a"), NotFound),
    "designs.listing.employees": (_names, False),
    "designs.pictures.get": (_picture, NotFound),
    "designs.pictures.get for b": (_picture_as_theirs, NotFound),
    "designs.pictures.keep": (lambda s, a, b: pictures.keep(s, b.tenant_id, b"\xff\xd8\xff"), DBAPIError),
    "designs.publishing.publish": (
        lambda s, a, b: publishing.publish(s, _key(b), revision=1, over=0, actor="a"),
        NotFound,
    ),
    "designs.publishing.roll_back": (
        lambda s, a, b: publishing.roll_back(s, _key(b), 1, over=0, actor="a"),
        NotFound,
    ),
    "designs.publishing.add_version": (_on_employee(_add), DBAPIError),
    "designs.serving.connections": (_connections, False),
    "designs.serving.by_employees": (_serving, False),
    "designs.serving.served_by": (_on_employee(lambda s, employee: serving.served_by(s, employee.id)), []),
    "designs.serving.serve": (lambda s, a, b: serving.serve(s, _key(b), "slack", actor="a"), NotFound),
    "designs.serving.bind": (lambda s, a, b: serving.bind(s, _key(b), "slack", "C9", actor="a"), NotFound),
    "designs.serving.unbind": (lambda s, a, b: serving.unbind(s, _key(b), "slack", "C9", actor="a"), NotFound),
    "designs.versions.every": (lambda s, a, b: versions.every(s, b.employee_id), []),
    "designs.versions.find": (lambda s, a, b: versions.find(s, b.employee_id, 1), None),
    "designs.versions.called": (lambda s, a, b: versions.called(s, b.employee_id, 1), NotFound),
}
