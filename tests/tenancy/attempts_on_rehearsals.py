"""What one tenant may try on another's rehearsals, whose prompts hold all that an employee knows; ``test_crossing``."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.designs import drafting
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.rehearsals import pretending, rooms, showing, steps
from konstruct.rehearsals.steps import Thought
from konstruct.tables import Contact, Rehearsal
from tests.support.office import Furnished
from tests.support.rehearsals import stage

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

CANARY = Thought(0, problem="Canary of a rehearsal")


async def rehearse(office: Furnished) -> None:
    on = await stage(office, system_prompt="Canary draft")
    await on.say("Canary in a rehearsal")
    async with office.session() as session:
        await steps.keep(session, office.vault, on.rehearsal, new_id(), CANARY)


async def _rehearsal(b: Furnished) -> tuple[Rehearsal, Contact]:
    async with b.session() as theirs:
        rehearsal = (await theirs.scalars(select(Rehearsal))).one()
        return rehearsal, await theirs.get_one(Contact, (b.tenant_id, rehearsal.contact_id))


async def _latest(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    _, contact = await _rehearsal(b)
    return await rooms.latest(session, b.employee_id, UUID(contact.external_id))


async def _get(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    rehearsal, contact = await _rehearsal(b)
    return await rooms.get(session, rehearsal.conversation_id, UUID(contact.external_id))


async def _start(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        draft = await drafting.read(theirs, "ada")
    return await rooms.start(session, draft, user_id=new_id())


async def _choose(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    rehearsal, _ = await _rehearsal(b)
    await rooms.choose_acting(session, rehearsal, acts=True, user_id=new_id())
    await session.flush()


async def _forget(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    rehearsal, _ = await _rehearsal(b)
    return await rooms.forget(session, b.tenant_id, rehearsal.contact_id, actor="a")


async def _show(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    rehearsal, _ = await _rehearsal(b)
    async with b.session() as theirs:
        assert (await showing.show(theirs, b.vault, rehearsal)).lines
    shown = await showing.show(session, a.vault, rehearsal)
    return shown.lines, shown.cost


async def _keep(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    rehearsal, _ = await _rehearsal(b)
    await steps.keep(session, a.vault, rehearsal, new_id(), CANARY)
    await session.flush()


async def _steps(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    rehearsal, _ = await _rehearsal(b)
    async with b.session() as theirs:
        cipher = (await b.vault.ciphers(theirs, [rehearsal.contact_id]))[rehearsal.contact_id]
        assert await steps.of_rehearsal(theirs, cipher, rehearsal.conversation_id)
    return await steps.of_rehearsal(session, cipher, rehearsal.conversation_id)


async def _of_conversation(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    rehearsal, _ = await _rehearsal(b)
    return await pretending.of_conversation(session, rehearsal.conversation_id)


async def _hand_off(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    rehearsal, _ = await _rehearsal(b)
    return await pretending.hand_off(session, rehearsal.conversation_id, new_id())


ON_REHEARSALS: dict[str, tuple[Attempt, object]] = {
    "rehearsals.rooms.latest": (_latest, None),
    "rehearsals.rooms.get": (_get, NotFound),
    "rehearsals.rooms.start": (_start, NotFound),
    "rehearsals.rooms.choose_acting": (_choose, ValueError),
    "rehearsals.rooms.forget": (_forget, NotFound),
    "rehearsals.showing.show": (_show, ([], 0)),
    "rehearsals.steps.keep": (_keep, None),
    "rehearsals.steps.of_rehearsal": (_steps, []),
    "rehearsals.pretending.of_conversation": (_of_conversation, None),
    "rehearsals.pretending.hand_off": (_hand_off, NotFound),
}
