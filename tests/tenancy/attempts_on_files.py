"""What one tenant may try on files that another's contact has sent; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import revising
from konstruct.errors import NotFound
from konstruct.files import keeping, showing
from konstruct.files.keeping import Content, Task
from konstruct.handoffs import attending
from konstruct.identity import new_id
from konstruct.messages import SentFile
from konstruct.tables import File, FileRemoval, Message
from tests.support.office import Furnished
from tests.tenancy.attempts_on_handoffs import handoff_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def enclose(office: Furnished) -> None:
    """One that is kept, one that waits, one that is to be removed, and one that may yet be taken up."""
    files = tuple(SentFile(f"canary-{number}.pdf", reference="Canary") for number in range(2))
    asked = await office.say("Canary with files", root="8.0", files=files)
    gone_id = f"{office.account}-file"
    await office.say("Canary", root="9.0", files=files[:1], external_id=gone_id)
    async with office.session() as session:
        _, kept = await keeping.waiting(session, office.vault, asked.conversation_id)
        await keeping.keep(session, kept, "canary", Content("text/plain", 6, "Canary"))
        await revising.remove(session, office.vault, office.ref, gone_id)
        removal = (await session.scalars(select(FileRemoval))).one()
        removal.due_at -= 2 * keeping.FETCHED_WITHIN
        await keeping.put_down(session, office.tenant_id, new_id(), timedelta(days=2))


async def _file(b: Furnished, state: str) -> File:
    async with b.session() as theirs:
        return (await theirs.scalars(select(File).where(File.state == state))).one()


async def _task(b: Furnished) -> Task:
    file = await _file(b, "waiting")
    async with b.session() as theirs:
        [task] = await keeping.waiting(theirs, b.vault, file.conversation_id)
    return task


async def _expect(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    file = await _file(b, "kept")
    async with b.session() as theirs:
        message = await theirs.get_one(Message, (b.tenant_id, file.message_id))
    keeping.expect(session, message, [*(SentFile("kept before"),) * 2, SentFile("stolen", reference="Not yours")])
    await session.flush()


async def _had(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await showing.kept(session, b.vault, (await _file(b, "kept")).id)


async def _shown(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    file = await _file(b, "kept")
    async with b.session() as theirs:
        ciphers = await b.vault.ciphers(theirs, [file.contact_id])
        assert await showing.attached(theirs, ciphers, [file.message_id])
    return await showing.attached(session, ciphers, [file.message_id])


async def _removals(b: Furnished) -> list[Any]:
    async with b.session() as theirs:
        return [row.id for row in await theirs.scalars(select(FileRemoval))]


async def _due(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return bool(set(await keeping.due_removals(session)) & set(await _removals(b)))


async def _note(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.note_removed(session, await _removals(b))


async def _waiting(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await keeping.waiting(session, a.vault, (await _file(b, "waiting")).conversation_id)


async def _waiting_with(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    file = await _file(b, "waiting")
    async with b.session() as theirs:
        assert await keeping.waiting_with(theirs, file.conversation_id)
    return await keeping.waiting_with(session, file.conversation_id)


async def _waiting_for_people(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    handoff = await handoff_of(b)
    handoff.state, handoff.conversation_id = "owned", (await _file(b, "waiting")).conversation_id
    return await attending.waiting_files(session, handoff)


async def _keep(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.keep(session, await _task(b), "stolen", Content("text/plain", 1, "Not yours"))


async def _remove(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.remove_of(session, [(await _file(b, "kept")).message_id])


async def _count(session: AsyncSession, a: Furnished, b: Furnished) -> int:
    return await keeping.count_of(session, (await _file(b, "kept")).contact_id)


async def _keep_same(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await keeping.keep_same(session, await _task(b), "canary")


async def _refuse(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.refuse(session, (await _file(b, "waiting")).id, "it is not yours")


async def _give_up(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.give_up(session, (await _file(b, "waiting")).conversation_id)


async def _put_down(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await keeping.put_down(session, b.tenant_id, new_id(), timedelta(0))


async def _take_up(session: AsyncSession, a: Furnished, b: Furnished) -> list[bool]:
    """One of them is not due yet."""
    return [await keeping.take_up(session, object_id) for object_id in await _removals(b)]


async def _enclosed(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    file = await _file(b, "kept")
    async with b.session() as theirs:
        assert await keeping.enclosed(theirs, b.vault, file.message_id)
    return await keeping.enclosed(session, a.vault, file.message_id)


async def _enclose(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        reply = await theirs.get_one(Message, (b.tenant_id, b.reply_id))
    assert reply.contact_id is not None
    async with b.session() as theirs:
        cipher = (await b.vault.ciphers(theirs, [reply.contact_id]))[reply.contact_id]
    keeping.enclose(session, cipher, reply, new_id(), SentFile("Not yours", reference="x"))
    await session.flush()


ON_FILES: dict[str, tuple[Attempt, object]] = {
    "files.keeping.waiting_with": (_waiting_with, set()),
    "handoffs.attending.waiting_files": (_waiting_for_people, set()),
    "files.keeping.expect": (_expect, DBAPIError),
    "files.keeping.enclose": (_enclose, DBAPIError),
    "files.keeping.enclosed": (_enclosed, None),
    "files.keeping.waiting": (_waiting, []),
    "files.keeping.keep_same": (_keep_same, None),
    "files.keeping.keep": (_keep, DBAPIError),
    "files.keeping.refuse": (_refuse, None),
    "files.keeping.give_up": (_give_up, None),
    "files.keeping.remove_of": (_remove, None),
    "files.keeping.count_of": (_count, 0),
    "files.keeping.put_down": (_put_down, DBAPIError),
    "files.keeping.take_up": (_take_up, [False, False]),
    "files.keeping.hasten_removals": (lambda s, a, b: keeping.hasten_removals(s, [b.contact_id]), None),
    "files.keeping.due_removals": (_due, False),
    "files.keeping.note_removed": (_note, None),
    "files.showing.attached": (_shown, {}),
    "files.showing.kept": (_had, NotFound),
}
