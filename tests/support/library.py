"""A tenant's knowledge for a test: sources, documents that are read as they are written here, and what is found."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from konstruct.identity import new_id
from konstruct.knowledge import documents, embedding, indexing, search, sources, syncs
from konstruct.knowledge.chunking import chunks
from konstruct.knowledge.indexing import Content, Outcome
from konstruct.knowledge.search import Passage, Query
from konstruct.knowledge.sources import SourceSettings
from konstruct.knowledge.syncs import Sync
from konstruct.source_ports import ReadDocument, Section
from konstruct.tables import KnowledgeChunk, KnowledgeDocument, KnowledgeSource
from tests.support.office import Office

FILES = SourceSettings("files")
SITE = "https://example.com"
SITEMAP = SourceSettings("sitemap", url=f"{SITE}/sitemap.xml")


def document(*texts: str, title: str = "Handbook", headings: tuple[str, ...] = ()) -> ReadDocument:
    """Each text under a heading of its own, and so a chunk of its own if it is long enough."""
    sections = tuple(Section((*headings, f"Part {number}"), text) for number, text in enumerate(texts))
    return ReadDocument(title, "text/plain", sections)


def content(*texts: str, title: str = "Handbook", link: str | None = None, etag: str | None = None) -> Content:
    read = document(*texts, title=title)
    return Content(title, read.media_type, chunks(read), sum(map(len, texts)), link, etag)


def long(text: str) -> str:
    """So long that it is a chunk of its own."""
    return f"{text} " + "Blah di blah, and so on and on. " * 15


async def add(office: Office, key: str, settings: SourceSettings = FILES) -> UUID:
    async with office.session() as session:
        await sources.put(session, office.tenant_id, key, settings, "test")
        return await sources.find_id(session, key)


async def upload(office: Office, key: str, name: str, text: bytes = b"Something") -> UUID:
    async with office.session() as session:
        put = await documents.put(session, office.tenant_id, key, name, text, actor="test")
    return put.document_id


async def begin(office: Office, source_id: UUID, urls: Sequence[str] = ()) -> Sync:
    async with office.session() as session:
        sync = await syncs.begin(session, source_id, new_id())
        assert sync is not None
        if sync.kind != "files":
            await syncs.note_found(session, sync, urls)
        await syncs.note_listed(session, sync)
    return sync


async def read(office: Office, sync: Sync, contents: Mapping[str, Content | str | None]) -> dict[str, Outcome]:
    """Settles what waits, by its name: with what it holds, with a sentence why not, or as gone."""
    async with office.session() as session:
        waiting = await syncs.tasks(session, sync, 1_000)
    outcomes: dict[str, Outcome] = {}
    for task in waiting:
        if task.name not in contents:
            continue
        async with office.session() as session:
            match contents[task.name]:
                case Content() as holds:
                    outcomes[task.name] = await indexing.write(session, sync, task, holds)
                case str() as reason:
                    outcomes[task.name] = await indexing.fail(session, sync, task, reason)
                case None:
                    outcomes[task.name] = await indexing.drop(session, sync, task)
    return outcomes


async def finish(office: Office, sync: Sync) -> bool:
    async with office.session() as session:
        return await syncs.finish(session, sync)


async def fill(office: Office, key: str, contents: Mapping[str, Content], *, settings: SourceSettings = FILES) -> UUID:
    """The source with these documents, all read."""
    source_id = await add(office, key, settings)
    if settings.kind == "files":
        for name in contents:
            await upload(office, key, name, name.encode())
    sync = await begin(office, source_id, list(contents))
    await read(office, sync, contents)
    assert await finish(office, sync)
    return source_id


async def find(
    office: Office,
    text: str,
    vectors: Mapping[str, Sequence[float]] | None = None,
    *,
    keys: Sequence[str] | None = None,
    at_most: int = 8,
    exact_up_to: int = 20_000,
    floor: float = 0.0,
) -> list[Passage]:
    async with office.session() as session:
        return await search.search(
            session,
            office.tenant_id,
            Query(text, vectors or {}, keys),
            at_most=at_most,
            exact_up_to=exact_up_to,
            floor=floor,
        )


async def place(office: Office, model: str, vectors: Mapping[UUID, Sequence[float]]) -> None:
    async with office.session() as session:
        await embedding.keep_vectors(session, office.tenant_id, model, vectors)


async def source(office: Office, key: str) -> KnowledgeSource:
    [row] = [row for row in await office.rows(KnowledgeSource) if row.key == key]
    return row


async def states(office: Office) -> dict[str, str]:
    return {row.name: row.status for row in await office.rows(KnowledgeDocument)}


async def chunk_ids(office: Office) -> dict[str, UUID]:
    """By the first word of each."""
    return {row.text.split()[0]: row.id for row in await office.rows(KnowledgeChunk)}
