"""What one tenant may try on what another's employees ask their colleagues; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import consults
from konstruct.errors import NotFound
from konstruct.tables import Consult
from tests.support import consults as asking
from tests.support.office import Furnished
from tests.tenancy.attempts_on_handoffs import agent_of
from tests.tenancy.attempts_on_tools import call_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def wonder(office: Furnished) -> None:
    """One of the people at the desk was asked something on a card."""
    asked = await asking.ask(office, "Canary that a colleague is asked", colleague=agent_of(office).key)
    async with office.session() as session:
        await consults.shown(session, asked.consult_id, office.connection_id, "C9", f"card-of-{office.tenant_id}")


async def consult_of(b: Furnished) -> Consult:
    async with b.session() as theirs:
        return (await theirs.scalars(select(Consult))).one()


async def _ask(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await consults.ask(session, a.vault, await call_of(b), agent_of(a).key, "Not yours")


async def _find(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await consults.read(session, a.vault, (await consult_of(b)).id)


async def _listing(session: AsyncSession, a: Furnished, b: Furnished) -> set[UUID]:
    return {asked.consult_id for asked in await consults.listing(session, a.vault)} - {(await consult_of(a)).id}


async def _with_card(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    place = (b.connection_id, "C9", f"card-of-{b.tenant_id}")
    async with b.session() as theirs:
        assert await consults.with_card(theirs, *place)
    return await consults.with_card(session, *place)


async def _answer(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Under the key of whoever was asked: the same person may be at both desks."""
    return await consults.answer(session, a.vault, (await consult_of(b)).id, agent_of(b), "Not yours")


async def _settle(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await consults.settle(session, (await consult_of(b)).id)


async def _begin_showing(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await consults.begin_showing(session, (await consult_of(b)).id)


async def _shown(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await consults.shown(session, (await consult_of(b)).id, a.connection_id, "C9", "1.0")


async def _announced(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await consults.announced(session, (await consult_of(b)).id)


async def _report(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await consults.report(session, a.vault, (await consult_of(b)).id)


async def _note_swept(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await consults.note_swept(session, (await consult_of(b)).id)


async def _get(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await consults.get(session, (await consult_of(b)).id)


ON_CONSULTS: dict[str, tuple[Attempt, object]] = {
    "consults.announced": (_announced, NotFound),
    "consults.answer": (_answer, NotFound),
    "consults.ask": (_ask, NotFound),
    "consults.begin_showing": (_begin_showing, NotFound),
    "consults.read": (_find, NotFound),
    "consults.get": (_get, NotFound),
    "consults.listing": (_listing, set()),
    "consults.note_swept": (_note_swept, NotFound),
    "consults.report": (_report, NotFound),
    "consults.settle": (_settle, NotFound),
    "consults.shown": (_shown, NotFound),
    "consults.with_card": (_with_card, None),
}
