"""Ingesting: what is at a source of knowledge is found, read and indexed, in steps that can be redone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Final, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.client import Client

from activities.embedding import Kind, embed_waiting
from activities.heartbeat import heartbeat
from konstruct import temporal
from konstruct.contracts.knowledge import ChunksEmbedded, Progress, Started, SyncRequest
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound, Unavailable, Unreadable, WebError
from konstruct.knowledge import documents, embedding, indexing, pages, syncs
from konstruct.knowledge.chunking import chunks
from konstruct.knowledge.indexing import Content, Outcome
from konstruct.knowledge.pages import Page, Visit
from konstruct.knowledge.syncs import Sync, Task
from konstruct.ports import Embedders
from konstruct.settings import Settings
from konstruct.source_ports import DocumentReader, Web

READ_FOR: Final = timedelta(seconds=60)
"""After this no further document is begun, and the next attempt goes on."""
TASKS_AT_ONCE: Final = 20
AWAY_AFTER: Final = 5
"""Pages in a row that cannot be reached: then it is the site, and the rest is not tried."""
STARTED_AT_ONCE: Final = 100
NOTED_AT_ONCE: Final = 500

log = structlog.get_logger(__name__)


class Ingesting:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        client: Client,
        web: Web,
        reader: DocumentReader,
        embedders: Embedders,
        *,
        pause: float = pages.PAUSE,
        waits: tuple[float, ...] = pages.WAITS,
    ) -> None:
        """``pause``, ``waits``: seconds, as a Visit has them."""
        self._settings = settings
        self._database = database
        self._client = client
        self._web = web
        self._reader = reader
        self._embedders = embedders
        self._pause = pause
        self._waits = waits
        # By itself within this process: in others it does no harm to anybody here.
        self._alone = asyncio.Lock()

    @activity.defn(name="start_syncs")
    async def start_syncs(self) -> Started:
        """Starts what is due, and again what was started and may have died."""
        started = 0
        for tenant_id, source_id in await syncs.claim_due(self._database, STARTED_AT_ONCE):
            try:
                await temporal.start_sync(self._client, tenant_id, source_id)
                started += 1
            except Unavailable as error:
                # One that cannot be started must not hold up the others; it comes up again.
                log.warning("sync_not_started", source_id=str(source_id), error=str(error))
        return Started(started)

    @activity.defn(name="list_source")
    async def list_source(self, request: SyncRequest) -> Progress:
        """Finds all that is there, which is then waiting to be read."""
        async with self._database.tenant_session(request.tenant_id) as session:
            sync = await syncs.begin(session, request.source_id, request.sync_id)
        if sync is None:
            return Progress(is_over=True)
        try:
            async with heartbeat():
                found = await self._list(sync)
        except Conflict:
            return Progress(is_over=True)
        except (Unreadable, WebError) as error:
            await self._fail(request, str(error))
            return Progress(is_over=True)
        log.info("sync_listed", tenant_id=str(sync.tenant_id), source=sync.key, found=found)
        return Progress(is_over=False)

    async def _list(self, sync: Sync) -> int:
        reason = None
        if sync.kind != "files":
            urls: tuple[str, ...] = (sync.url,)
            if sync.kind == "sitemap":
                listing = await self._visit().listing(sync.url)
                urls, reason = listing.urls, listing.reason
            for first in range(0, len(urls), NOTED_AT_ONCE):
                async with self._database.tenant_session(sync.tenant_id) as session:
                    await syncs.note_found(session, sync, urls[first : first + NOTED_AT_ONCE])
        async with self._database.tenant_session(sync.tenant_id) as session:
            return await syncs.note_listed(session, sync, reason)

    @activity.defn(name="read_documents")
    async def read_documents(self, request: SyncRequest) -> Progress:
        """Reads some of what waits, each document in a transaction of its own, and ends when there is no more."""
        ends_at = asyncio.get_running_loop().time() + READ_FOR.total_seconds()
        visit, away = self._visit(), 0
        try:
            async with heartbeat():
                while True:
                    async with self._database.tenant_session(request.tenant_id) as session:
                        sync = await syncs.resume(session, request.source_id, request.sync_id)
                        waiting = await syncs.tasks(session, sync, TASKS_AT_ONCE)
                        if not waiting and await syncs.finish(session, sync):
                            break
                    for task in waiting:
                        async with self._alone if task.tries >= syncs.ALONE_FROM else nullcontext():
                            away = away + 1 if await self._settle(sync, visit, task) else 0
                        if away == AWAY_AFTER:
                            raise WebError(f"{AWAY_AFTER} pages in a row could not be reached; the rest was not tried.")
                        if asyncio.get_running_loop().time() > ends_at:
                            return Progress(is_over=False)
        except Conflict:
            return Progress(is_over=True)
        except WebError as error:
            await self._fail(request, str(error))
        else:
            log.info("sync_finished", tenant_id=str(sync.tenant_id), source=sync.key)
        return Progress(is_over=True)

    async def _settle(self, sync: Sync, visit: Visit, task: Task) -> bool:
        """Whether it could not be reached, for which its site may be to blame."""
        is_away = False
        try:
            if task.tries >= syncs.MOST_TRIES:
                outcome = await self._set_aside(sync, task)
            else:
                async with self._counted(sync, task):
                    content = await self._content(sync, visit, task)
                    async with self._database.tenant_session(sync.tenant_id) as session:
                        outcome = await _keep(session, sync, task, content)
        except NotFound:
            # Taken away while it was being looked at.
            return False
        except (Unreadable, WebError) as error:
            outcome, is_away = await self._fail_document(sync, task, str(error)), error.retryable
        except (Conflict, Unavailable):
            raise
        except Exception as error:
            # What nobody thought of is in this one document, and must not hold up the others.
            log.exception("document_not_read", document_id=str(task.document_id))
            reason = f"It could not be read, for an error of ours ({type(error).__name__}); the log says more."
            outcome = await self._fail_document(sync, task, reason)
        log.info("document_settled", source=sync.key, document_id=str(task.document_id), outcome=outcome)
        if outcome == "gone" and sync.kind == "page":
            raise WebError("The page is not there any more, and is no longer found.")
        return is_away

    async def _content(self, sync: Sync, visit: Visit, task: Task) -> Content | Literal["unchanged", "gone"]:
        if sync.kind == "files":
            async with self._database.tenant_session(sync.tenant_id) as session:
                handed_in = await documents.content_of(session, task.document_id)
            page = Page(handed_in, task.media_type, "", None, None)
        else:
            found = await visit.page(task)
            if not isinstance(found, Page):
                return found
            page = found
        read = await self._reader.read(page.content, name=task.name, media_type=page.media_type)
        # A large document takes seconds.
        cut = await asyncio.to_thread(chunks, read)
        if not cut:
            raise Unreadable("There is no text in it.")
        return Content(
            read.title, read.media_type, cut, len(page.content), page.link or None, page.etag, page.last_modified
        )

    @asynccontextmanager
    async def _counted(self, sync: Sync, task: Task) -> AsyncIterator[None]:
        """For as long as nobody knows how it ends: an attempt that ends the whole process stays counted."""
        async with self._database.tenant_session(sync.tenant_id) as session:
            await syncs.count_try(session, sync, task)
        try:
            yield
        except (Conflict, Unavailable, asyncio.CancelledError):
            # One that cannot be taken off is one too many until the document is settled.
            with suppress(NotFound, Unavailable):
                async with self._database.tenant_session(sync.tenant_id) as session:
                    await syncs.uncount_try(session, sync, task)
            raise

    async def _set_aside(self, sync: Sync, task: Task) -> Outcome:
        log.error("document_set_aside", source=sync.key, document_id=str(task.document_id))
        async with self._database.tenant_session(sync.tenant_id) as session:
            return await indexing.set_aside(session, sync, task)

    async def _fail_document(self, sync: Sync, task: Task, reason: str) -> Outcome:
        async with self._database.tenant_session(sync.tenant_id) as session:
            return await indexing.fail(session, sync, task, reason)

    @activity.defn(name="fail_sync")
    async def fail_sync(self, request: SyncRequest) -> None:
        """Ends one that nothing could be made of, however often it was tried."""
        await self._fail(request, "It broke off for an error of ours; the log says more.")

    async def _fail(self, request: SyncRequest, reason: str) -> None:
        log.warning("sync_failed", source_id=str(request.source_id), reason=reason)
        async with self._database.tenant_session(request.tenant_id) as session:
            await syncs.fail(session, request.source_id, request.sync_id, reason)

    @activity.defn(name="embed_chunks")
    async def embed_chunks(self) -> ChunksEmbedded:
        """Gives chunks their vectors."""
        kind = Kind("chunks", embedding.without_vector, embedding.to_embed, embedding.keep_vectors)
        model = self._settings.embedding_model
        return ChunksEmbedded(await embed_waiting(self._database, self._embedders, model, kind))

    def _visit(self) -> Visit:
        return Visit(self._web, pause=self._pause, waits=self._waits)


async def _keep(
    session: AsyncSession, sync: Sync, task: Task, content: Content | Literal["unchanged", "gone"]
) -> Outcome:
    match content:
        case "unchanged":
            return await indexing.confirm(session, sync, task)
        case "gone":
            return await indexing.drop(session, sync, task)
        case _:
            return await indexing.write(session, sync, task, content)
