"""What one tenant may try on another's knowledge; the test of crossing runs it."""

from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import searching
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.knowledge import documents, embedding, indexing, search, sources, syncs, words
from konstruct.knowledge.chunking import Chunk
from konstruct.knowledge.indexing import Content
from konstruct.knowledge.search import Query
from konstruct.knowledge.sources import SourceSettings
from konstruct.knowledge.syncs import Task
from konstruct.knowledge.words import Words
from konstruct.tables import KnowledgeSource
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

STOLEN = Content("Not yours", "text/plain", [Chunk(0, (), "Not yours", None)], 9)


async def _source_of(b: Furnished) -> KnowledgeSource:
    async with b.session() as theirs:
        return await sources.called(theirs, "files")


def _task(b: Furnished) -> Task:
    return Task(b.document_id, "canary.md", None, utc_now(), None, None, None)


async def _named(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Both have a source of this name."""
    return (await sources.called(session, "files")).tenant_id == a.tenant_id


async def _listing(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return {row.tenant_id for row in await sources.listing(session)} == {a.tenant_id}


async def _documents(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return {row.tenant_id for row in await documents.listing(session, "files", after=b.document_id)} - {a.tenant_id}


async def _called(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Both have a document of this name, too."""
    async with b.session() as theirs:
        name = (await documents.get(theirs, b.document_id)).name
    return [row.id for row in await documents.called(session, ["files"], name) if row.tenant_id != a.tenant_id]


async def _search(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await search.search(session, b.tenant_id, Query("canary", {"local/words": [1.0, 0.0]}), floor=0.0)


async def _keep_vectors(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await searching.keep_vectors(session, embedding._KEEP, b.tenant_id, "local/other", {b.chunk_id: [1.0]})


async def _read_again(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await syncs.read_again(session, await _source_of(b), [b.document_id])


async def _leave(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await syncs.leave(session, await _source_of(b), [b.document_id])


async def _count_done(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await syncs.count_done(session, await _source_of(b))


ON_KNOWLEDGE: dict[str, tuple[Attempt, object]] = {
    "knowledge.sources.put": (
        lambda s, a, b: sources.put(s, b.tenant_id, "more", SourceSettings("files"), "a"),
        DBAPIError,
    ),
    "knowledge.sources.remove": (lambda s, a, b: sources.remove(s, b.tenant_id, "unknown", "a"), NotFound),
    "knowledge.sources.remove of b": (lambda s, a, b: sources.remove(s, b.tenant_id, "files", "a"), ValueError),
    "knowledge.sources.called": (_named, True),
    "knowledge.sources.find_id": (lambda s, a, b: sources.find_id(s, "unknown"), NotFound),
    "knowledge.sources.held": (lambda s, a, b: sources.held(s, b.sync.source_id), NotFound),
    "knowledge.sources.listing": (_listing, True),
    "knowledge.sources.request_sync": (lambda s, a, b: sources.request_sync(s, b.tenant_id, "files", "a"), ValueError),
    "knowledge.syncs.begin": (lambda s, a, b: syncs.begin(s, b.sync.source_id, new_id()), None),
    "knowledge.syncs.resume": (lambda s, a, b: syncs.resume(s, b.sync.source_id, b.sync.sync_id), Conflict),
    "knowledge.syncs.note_found": (lambda s, a, b: syncs.note_found(s, b.sync, ["https://example.com/"]), Conflict),
    "knowledge.syncs.note_listed": (lambda s, a, b: syncs.note_listed(s, b.sync), Conflict),
    "knowledge.syncs.tasks": (lambda s, a, b: syncs.tasks(s, b.sync, 10), Conflict),
    "knowledge.syncs.count_try": (lambda s, a, b: syncs.count_try(s, b.sync, _task(b)), Conflict),
    "knowledge.syncs.count_try as a": (lambda s, a, b: syncs.count_try(s, a.sync, _task(b)), None),
    "knowledge.syncs.uncount_try": (lambda s, a, b: syncs.uncount_try(s, b.sync, _task(b)), NotFound),
    "knowledge.syncs.uncount_try as a": (lambda s, a, b: syncs.uncount_try(s, a.sync, _task(b)), None),
    "knowledge.syncs.finish": (lambda s, a, b: syncs.finish(s, b.sync), Conflict),
    "knowledge.syncs.fail": (lambda s, a, b: syncs.fail(s, b.sync.source_id, b.sync.sync_id, "x"), None),
    "knowledge.syncs.current": (lambda s, a, b: syncs.current(s, b.sync), Conflict),
    "knowledge.syncs.count_done": (_count_done, None),
    "knowledge.syncs.leave": (_leave, None),
    "knowledge.syncs.read_again": (_read_again, None),
    "knowledge.documents.put": (
        lambda s, a, b: documents.put(s, b.tenant_id, "files", "stolen.md", b"x", actor="a"),
        DBAPIError,
    ),
    "knowledge.documents.remove": (
        lambda s, a, b: documents.remove(s, b.tenant_id, "files", "unknown", "a"),
        NotFound,
    ),
    "knowledge.documents.get": (lambda s, a, b: documents.get(s, b.document_id), NotFound),
    "knowledge.documents.listing": (_documents, set()),
    "knowledge.documents.called": (_called, []),
    "knowledge.documents.content_of": (lambda s, a, b: documents.content_of(s, b.document_id), NotFound),
    "knowledge.indexing.write": (lambda s, a, b: indexing.write(s, b.sync, _task(b), STOLEN), Conflict),
    "knowledge.indexing.write into a": (lambda s, a, b: indexing.write(s, a.sync, _task(b), STOLEN), "superseded"),
    "knowledge.indexing.confirm": (lambda s, a, b: indexing.confirm(s, a.sync, _task(b)), "superseded"),
    "knowledge.indexing.drop": (lambda s, a, b: indexing.drop(s, a.sync, _task(b)), "superseded"),
    "knowledge.indexing.fail": (lambda s, a, b: indexing.fail(s, a.sync, _task(b), "x"), "superseded"),
    "knowledge.indexing.set_aside": (lambda s, a, b: indexing.set_aside(s, a.sync, _task(b)), "superseded"),
    "knowledge.embedding.to_embed": (lambda s, a, b: embedding.to_embed(s, "local/other", [b.chunk_id]), {}),
    "knowledge.embedding.keep_vectors": (
        lambda s, a, b: embedding.keep_vectors(s, b.tenant_id, "local/other", {b.chunk_id: [1.0]}),
        None,
    ),
    "searching.keep_vectors": (_keep_vectors, None),
    "knowledge.search.known_models": (lambda s, a, b: search.known_models(s, b.tenant_id), []),
    "knowledge.search.search": (_search, []),
    # It reads no row of anybody's.
    "knowledge.words.words": (lambda s, a, b: words.words(s, [""]), [Words(())]),
}
