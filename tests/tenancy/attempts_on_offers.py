"""What one tenant may try on another's knowledge and tools; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.contracts.knowledge import QuestionToLocate
from konstruct.designs import using
from konstruct.errors import Misconfigured, NotFound
from konstruct.identity import new_id
from konstruct.knowledge import documents, sources, trying
from konstruct.knowledge.sources import SourceSettings
from konstruct.tables import Tool
from konstruct.tools import defining, editing, looking
from konstruct.vault import Vault
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Furnished
from tests.tenancy.attempts_on_tools import SERVER, own_key, token_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

_REQUEST: Final = {"description": "Not yours", "url": "https://thief.example.com/orders"}


def _vault() -> Vault:
    """One that has not yet opened anything for them, as in a process that serves us alone."""
    return Vault((ENCRYPTION_KEY,))


async def _tool_of(b: Furnished) -> Tool:
    async with b.session() as theirs:
        return await defining.called(theirs, SERVER)


async def _put(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await editing.put(
        *(session, _vault(), b.tenant_id, "stolen", "http", _REQUEST), secret=None, is_new=True, actor="a"
    )


async def _put_over_theirs(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """A tool of theirs is not there to be altered."""
    return await editing.put(
        *(session, a.vault, a.tenant_id, own_key(b), "http", _REQUEST), secret=None, is_new=False, actor="a"
    )


async def _judge(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await editing.judge(session, a.vault, own_key(b), {"find_customer": "harmless"}, actor="a")


async def _last_four(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        assert await editing.last_four(theirs, b.vault, await _tool_of(b)) == token_of(b)[-4:]
    return await editing.last_four(session, _vault(), await _tool_of(b))


async def _listing(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return {tool.tenant_id for tool in await defining.listing(session)} == {a.tenant_id}


async def _users(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        assert (await using.users(theirs)).of_tool(own_key(b))
    return (await using.users(session)).of_tool(own_key(b))


async def _counts(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return set(await documents.counts(session)) & {b.sync.source_id}


async def _opened(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    question_id = new_id()
    async with b.session() as theirs:
        words = {"words": SecretStr("Canary")}
        sealed = await b.vault.seal(theirs, b.tenant_id, "question", question_id, words)
    return await trying.opened(session, _vault(), QuestionToLocate(b.tenant_id, question_id, sealed))


async def _sealed_vectors(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    asked = QuestionToLocate(b.tenant_id, new_id(), "")
    return await trying.sealed_vectors(session, _vault(), asked, {"local/words": [1.0]})


ON_OFFERS: Final[dict[str, tuple[Attempt, object]]] = {
    "designs.using.users": (_users, []),
    "knowledge.documents.counts": (_counts, set()),
    "knowledge.documents.counts of a source of b": (lambda s, a, b: documents.counts(s, b.sync.source_id), {}),
    "knowledge.documents.passages": (lambda s, a, b: documents.passages(s, b.document_id), []),
    "knowledge.documents.read_again": (
        lambda s, a, b: documents.read_again(s, b.tenant_id, b.document_id, "a"),
        NotFound,
    ),
    "knowledge.documents.several": (lambda s, a, b: documents.several(s, [b.document_id]), []),
    "knowledge.sources.add": (
        lambda s, a, b: sources.add(s, b.tenant_id, SourceSettings("files", "More"), "a"),
        NoResultFound,
    ),
    "knowledge.trying.opened": (_opened, Misconfigured),
    "knowledge.trying.sealed_vectors": (_sealed_vectors, DBAPIError),
    "tools.defining.listing": (_listing, True),
    "tools.editing.judge": (_judge, NotFound),
    "tools.editing.last_four": (_last_four, Misconfigured),
    "tools.editing.put": (_put, NoResultFound),
    "tools.editing.put over a tool of b": (_put_over_theirs, NotFound),
    "tools.looking.request": (lambda s, a, b: looking.request(s, own_key(b)), NotFound),
}
