"""What one tenant may try on another's employees, channels and settings, over the API; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.connecting import whatsapp_numbers
from konstruct.connecting.whatsapp_checks import Findings, Values
from konstruct.designs import drafting, reviewing
from konstruct.designs.drafting import Draft
from konstruct.errors import Mistakes, NotFound
from konstruct.identity import new_id
from konstruct.rehearsals import trying
from konstruct.tables import Approval, Contact, Employee, Rehearsal
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


def _key(office: Furnished) -> str:
    """Of an employee that no other tenant calls so; see ``attempts_on_designs``."""
    return f"canary-{office.tenant_id.hex[:20]}"


async def _ada(b: Furnished) -> Draft:
    async with b.session() as theirs:
        return await drafting.read(theirs, "ada")


async def _published(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await reviewing.published(session, await _ada(b))


async def _other(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await reviewing.other(session, await _ada(b), 2, "before")


async def _create_again(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Under the id of one of theirs, as theirs."""
    async with b.session() as theirs:
        row = (await theirs.scalars(select(Employee).where(Employee.key == _key(b)))).one()
    return await drafting.create(session, b.tenant_id, {"name": "Not yours"}, actor="a", employee_id=row.id)


async def _latest(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Whoever has a rehearsal there asks for theirs here, with the employee that has the same key."""
    async with b.session() as theirs:
        rehearsal = (await theirs.scalars(select(Rehearsal))).one()
        contact = await theirs.get_one(Contact, (b.tenant_id, rehearsal.contact_id))
    return await trying.latest(session, "ada", UUID(contact.external_id))


async def _decide(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        asked = (await theirs.scalars(select(Approval))).one()
    await trying.decide(session, a.vault, asked.id, new_id(), is_yes=True, fingerprint=asked.fingerprint, actor="a")


def _connect(session: AsyncSession, a: Furnished, as_tenant: Furnished, employee: Furnished) -> Awaitable[object]:
    values = Values(SecretStr("EAAstolen"), phone_number_id="99000099", waba_id="99000098")
    return whatsapp_numbers.connect(
        *(session, a.vault, as_tenant.tenant_id, values, Findings({})),
        functions=["Theft"],
        employee_id=employee.employee_id,
        actor="a",
    )


ON_API: Final[dict[str, tuple[Attempt, object]]] = {
    "designs.reviewing.published": (_published, NotFound),
    "designs.reviewing.other": (_other, NotFound),
    "designs.drafting.create again": (_create_again, DBAPIError),
    "rehearsals.trying.triable": (lambda s, a, b: trying.triable(s, _key(b)), NotFound),
    "rehearsals.trying.latest": (_latest, None),
    "rehearsals.trying.begun": (lambda s, a, b: trying.begun(s, _key(b), new_id(), acts=False, actor="a"), NotFound),
    "rehearsals.trying.decide": (_decide, NotFound),
    "connecting.whatsapp_numbers.connect": (lambda s, a, b: _connect(s, a, a, b), Mistakes),
    "connecting.whatsapp_numbers.connect as b": (lambda s, a, b: _connect(s, a, b, b), Mistakes),
}
