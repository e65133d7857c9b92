"""What one tenant may try on another's agents' words, canned replies and attachments; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import naming
from konstruct.vault import ContactCipher
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def christen(office: Furnished) -> None:
    """A contact calls themselves something, and is to be asked once more."""
    async with office.session() as session:
        await naming.learn(session, office.vault, office.tenant_id, await _cipher(office), "Canary Bird")
        await naming.want(session, office.contact_id)


async def _cipher(office: Furnished) -> ContactCipher:
    async with office.session() as theirs:
        return (await office.vault.ciphers(theirs, [office.contact_id]))[office.contact_id]


async def _found(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    tried = ["canary", str(b.contact_id)]
    found = [each for text in tried for each in await naming.find(session, a.vault, a.tenant_id, text)]
    return [each for each in found if each != a.contact_id]


async def _found_as_theirs(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await naming.find(session, a.vault, b.tenant_id, "canary")


async def _learn(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await naming.learn(session, a.vault, a.tenant_id, await _cipher(b), "Stolen")


ON_WORDS: Final[dict[str, tuple[Attempt, object]]] = {
    "naming.names": (lambda session, a, b: naming.names(session, a.vault, [b.contact_id]), {}),
    "naming.name": (lambda session, a, b: naming.name(session, a.vault, b.contact_id), naming.ERASED),
    "naming.find": (_found, []),
    "naming.find, as the other": (_found_as_theirs, []),
    "naming.learn": (_learn, None),
    "naming.want": (lambda session, a, b: naming.want(session, b.contact_id), None),
}
