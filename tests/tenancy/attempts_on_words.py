"""What one tenant may try on another's agents' words, canned replies and attachments; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import naming, saved_replies
from konstruct.errors import Conflict, NotFound
from konstruct.handoffs import enclosing, entries
from konstruct.handoffs.entries import Origin
from konstruct.messages import SentFile
from konstruct.tables import Conversation, Handoff
from konstruct.vault import ContactCipher
from tests.support.office import Furnished
from tests.tenancy.attempts_on_handoffs import agent_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def christen(office: Furnished) -> None:
    """A contact calls themselves something, and is to be asked once more."""
    async with office.session() as session:
        await naming.learn(session, office.vault, office.tenant_id, await _cipher(office), "Canary Bird")
        await naming.want(session, office.contact_id)
        await saved_replies.put(session, office.tenant_id, their_key(office), "Canary", "Canary words", actor="test")


def their_key(office: Furnished) -> str:
    return f"canary-{office.tenant_id.hex[:12]}"


async def _listed(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return ["mine" if each.key == their_key(a) else each.key for each in await saved_replies.listing(session)]


async def _put(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await saved_replies.put(session, a.tenant_id, "canary", "Mine", "Canary", may_exist=True, actor="a")


async def _put_as_theirs(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await saved_replies.put(session, b.tenant_id, "stolen", "Stolen", "Canary", actor="a")


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


async def _rows(b: Furnished) -> tuple[Conversation, Handoff]:
    async with b.session() as theirs:
        handoff = (await theirs.scalars(select(Handoff).where(Handoff.state == "owned"))).first()
        assert handoff is not None
        return await theirs.get_one(Conversation, (b.tenant_id, handoff.conversation_id)), handoff


async def _known(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    _, handoff = await _rows(b)
    return await entries.known(session, handoff, Origin("api", "nothing of ours"), "draft")


async def _be_heard(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await entries.be_heard(session, *(await _rows(b)), agent_of(a))


async def _cipher_of(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await entries.cipher_of(session, a.vault, (await _rows(b))[1])


async def _begin(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    _, handoff = await _rows(b)
    sent = [SentFile("canary.pdf", "application/pdf", 6)]
    return await enclosing.begin(session, a.vault, handoff.id, agent_of(b), Origin("api", "stolen"), sent)


ON_WORDS: Final[dict[str, tuple[Attempt, object]]] = {
    "naming.names": (lambda session, a, b: naming.names(session, a.vault, [b.contact_id]), {}),
    "naming.own_name": (lambda session, a, b: naming.own_name(session, a.vault, b.contact_id), ""),
    "saved_replies.listing": (_listed, ["canary", "mine"]),
    "saved_replies.get": (lambda session, a, b: saved_replies.get(session, their_key(b)), NotFound),
    "saved_replies.put": (_put, "canary"),
    "saved_replies.put, as the other": (_put_as_theirs, NoResultFound),
    "saved_replies.remove": (
        lambda session, a, b: saved_replies.remove(session, a.tenant_id, their_key(b), actor="a"),
        NotFound,
    ),
    "saved_replies.restore": (
        lambda session, a, b: saved_replies.restore(session, a.tenant_id, their_key(b), actor="a"),
        NotFound,
    ),
    "naming.name": (lambda session, a, b: naming.name(session, a.vault, b.contact_id), naming.ERASED),
    "naming.find": (_found, []),
    "naming.find, as the other": (_found_as_theirs, []),
    "naming.learn": (_learn, None),
    "handoffs.entries.known": (_known, []),
    "handoffs.entries.be_heard": (_be_heard, Conflict),
    "handoffs.entries.cipher_of": (_cipher_of, NotFound),
    "handoffs.enclosing.begin": (_begin, NotFound),
    "naming.person": (lambda session, a, b: naming.person(session, b.contact_id), None),
    "naming.put_off": (lambda session, a, b: naming.put_off(session, [b.contact_id], timedelta(days=1)), None),
    "naming.want": (lambda session, a, b: naming.want(session, b.contact_id), None),
}
