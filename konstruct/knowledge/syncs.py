"""Synchronisations: which are due, what one found at its source, how far it is, and what has left when it is over.

A document that is still to be read in a synchronisation is ``waiting`` and was ``seen_in`` it; that is all the progress
there is, so that whoever goes on after a crash goes on with the rest. What a document said before stays searchable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.db import Database, among
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.knowledge import sources
from konstruct.tables import KnowledgeDocument, KnowledgeSource
from konstruct.tables.base import utc_now

STARTED_AGAIN_AFTER: Final = timedelta(minutes=2)
"""So long after it was started a synchronisation is started again, in case its workflow has died: while that lives,
nothing comes of it."""

MOST_TRIES: Final = 4
"""What was tried so often, and ended whoever read it without a word, is tried once a synchronisation from then on."""
ALONE_FROM: Final = 2
"""What was tried so often is read by itself: what dies beside it, and is not to blame, would be set aside with it."""

_FOUND = sql(
    """
    insert into knowledge_documents (tenant_id, id, source_id, name, title, link, size, status, chunks, seen_in,
      created_at, updated_at)
    select :tenant_id, found.id, :source_id, found.url, found.url, found.url, 0, 'waiting', 0, :sync_id, :now, :now
    from unnest(cast(:ids as uuid[]), cast(:urls as text[])) found (id, url)
    on conflict (tenant_id, source_id, name) do update set status = 'waiting', seen_in = :sync_id, updated_at = :now
      where knowledge_documents.seen_in is distinct from :sync_id
    """
)


@dataclass(frozen=True)
class Sync:
    """One synchronisation of one source, as it was when it began."""

    tenant_id: UUID
    source_id: UUID
    sync_id: UUID
    key: str
    kind: str
    url: str


@dataclass(frozen=True)
class Task:
    """A document that is to be read. ``version``: of which content; a newer one is another task."""

    document_id: UUID
    name: str
    link: str | None
    version: datetime
    media_type: str | None
    etag: str | None
    last_modified: str | None
    tries: int = 0
    """That ended without a word."""


async def claim_due(database: Database, at_most: int) -> list[tuple[UUID, UUID]]:
    """(tenant, source) of all tenants that are to be started now, none of which another claim has."""
    async with database.system_session() as session:
        due = (await session.execute(sql("select * from sources_to_sync(:at_most)"), {"at_most": at_most})).all()
    claimed = []
    for tenant_id, source_id in due:
        async with database.tenant_session(tenant_id) as session:
            row = await session.scalar(
                select(KnowledgeSource)
                .where(col(KnowledgeSource.id) == source_id, col(KnowledgeSource.next_sync_at) <= utc_now())
                .with_for_update(key_share=True, skip_locked=True)
            )
            if row is not None:
                row.next_sync_at = utc_now() + STARTED_AGAIN_AFTER
                if row.status in ("idle", "failed"):
                    sources.turn(row, "waiting")
                claimed.append((tenant_id, source_id))
    return claimed


async def begin(session: AsyncSession, source_id: UUID, sync_id: UUID) -> Sync | None:
    """The same again when it has begun already; None when the source is gone."""
    try:
        row = await sources.held(session, source_id)
    except NotFound:
        return None
    if (row.status, row.sync_id) != ("syncing", sync_id):
        row.sync_id = sync_id
        row.found = row.done = 0
        row.next_sync_at = utc_now() + STARTED_AGAIN_AFTER
        sources.turn(row, "syncing")
        if row.kind == "files":
            await _take_in(session, row)
    return Sync(row.tenant_id, row.id, sync_id, row.key, row.kind, row.url or "")


async def resume(session: AsyncSession, source_id: UUID, sync_id: UUID) -> Sync:
    """One that has begun; raises Conflict when it is over."""
    row = await _current(session, source_id, sync_id)
    return Sync(row.tenant_id, row.id, sync_id, row.key, row.kind, row.url or "")


async def note_found(session: AsyncSession, sync: Sync, urls: Sequence[str]) -> None:
    """Some of the pages that are there; told again, it changes nothing."""
    await current(session, sync)
    distinct = list(dict.fromkeys(urls))
    await session.execute(
        _FOUND,
        {
            "tenant_id": sync.tenant_id,
            "source_id": sync.source_id,
            "sync_id": sync.sync_id,
            "now": utc_now(),
            # Those that are listed first are read first.
            "ids": sorted(new_id() for _ in distinct),
            "urls": distinct,
        },
    )


async def note_listed(session: AsyncSession, sync: Sync, reason: str | None = None) -> int:
    """All that is there was found; ``reason``: why not quite. How many there are."""
    row = await current(session, sync)
    row.found = await _count(session, col(KnowledgeDocument.seen_in) == sync.sync_id, row)
    row.status_reason = reason
    await count_done(session, row)
    return row.found


async def tasks(session: AsyncSession, sync: Sync, at_most: int) -> list[Task]:
    """What is still to be read, oldest first."""
    await current(session, sync)
    rows = await session.scalars(
        select(KnowledgeDocument).where(*_to_read(sync)).order_by(col(KnowledgeDocument.id)).limit(at_most)
    )
    return [
        Task(row.id, row.name, row.link, row.updated_at, row.media_type, row.etag, row.last_modified, row.tries)
        for row in rows
    ]


async def count_try(session: AsyncSession, sync: Sync, task: Task) -> None:
    """An attempt begins; settling the document takes all of them off."""
    await current(session, sync)
    await _add_tries(session, task, 1)


async def uncount_try(session: AsyncSession, sync: Sync, task: Task) -> None:
    """It ended in a way that somebody foresaw, and settled nothing."""
    await sources.held(session, sync.source_id)
    await _add_tries(session, task, -1)


async def _add_tries(session: AsyncSession, task: Task, many: int) -> None:
    await session.execute(
        update(KnowledgeDocument)
        .where(col(KnowledgeDocument.id) == task.document_id, col(KnowledgeDocument.tries) + many >= 0)
        .values(tries=col(KnowledgeDocument.tries) + many)
        .execution_options(synchronize_session=False)
    )


async def finish(session: AsyncSession, sync: Sync) -> bool:
    """Ends it, when all was read: what it did not find leaves. False when there is still something to read."""
    row = await current(session, sync)
    if row.kind == "files":
        await _take_in(session, row)
    else:
        unseen = select(col(KnowledgeDocument.id)).where(
            col(KnowledgeDocument.source_id) == row.id, col(KnowledgeDocument.seen_in).is_distinct_from(sync.sync_id)
        )
        await leave(session, row, list(await session.scalars(unseen)))
    if await _count(session, _is_waiting(sync.sync_id), row):
        return False
    failed = await _count(session, col(KnowledgeDocument.status) == "failed", row)
    reasons = [row.status_reason or ""]
    if failed:
        reasons.append(f"{failed} of its documents could not be read.")
    sources.turn(row, "idle", " ".join(filter(None, reasons)) or None)
    row.synced_at = utc_now()
    row.next_sync_at = _next(row)
    audit.record(
        session,
        tenant_id=row.tenant_id,
        actor="knowledge",
        action="knowledge.synced",
        source=row.key,
        found=row.found,
        failed=failed,
    )
    return True


async def fail(session: AsyncSession, source_id: UUID, sync_id: UUID, reason: str) -> None:
    """Ends it with nothing changed but what was read already; ``reason`` is a sentence for the operator."""
    try:
        row = await sources.held(session, source_id)
    except NotFound:
        return
    if row.sync_id == sync_id and row.status == "syncing":
        sources.turn(row, "failed", reason)
        row.next_sync_at = _next(row)
        audit.record(
            session, tenant_id=row.tenant_id, actor="knowledge", action="knowledge.sync_failed", source=row.key
        )


async def current(session: AsyncSession, sync: Sync) -> KnowledgeSource:
    """Its source, held; raises Conflict when another synchronisation has taken over, or the source is gone."""
    return await _current(session, sync.source_id, sync.sync_id)


async def _current(session: AsyncSession, source_id: UUID, sync_id: UUID) -> KnowledgeSource:
    try:
        row = await sources.held(session, source_id)
    except NotFound as error:
        raise Conflict(str(error)) from None
    if row.status != "syncing" or row.sync_id != sync_id:
        raise Conflict("This synchronisation is over.")
    return row


async def count_done(session: AsyncSession, row: KnowledgeSource) -> None:
    """Counted anew each time, since what was done may have to be done again."""
    if row.sync_id is not None:
        await session.flush()
        row.done = max(0, row.found - await _count(session, _is_waiting(row.sync_id), row))


async def leave(session: AsyncSession, row: KnowledgeSource, document_ids: Sequence[UUID]) -> None:
    """Deletes documents of a source that is held. What was only listed for being the same is read in their place."""
    await read_again(session, row, document_ids)
    await session.execute(delete(KnowledgeDocument).where(among(col(KnowledgeDocument.id), document_ids)))


async def read_again(session: AsyncSession, row: KnowledgeSource, originals: Sequence[UUID]) -> None:
    """Has the duplicates of these documents read, since these no longer say the same."""
    again = await session.execute(
        update(KnowledgeDocument)
        .where(among(col(KnowledgeDocument.duplicate_of), originals))
        # Another version: whoever is about to ask whether it changed would be told that it did not.
        .values(status="waiting", duplicate_of=None, digest=None, etag=None, last_modified=None, updated_at=utc_now())
        .execution_options(synchronize_session="fetch")
    )
    if again.rowcount and row.kind == "files":  # type: ignore[attr-defined]  # An update's result has one.
        sources.ask(row)


async def _take_in(session: AsyncSession, row: KnowledgeSource) -> None:
    """Files that were handed in since."""
    await session.flush()
    new = await session.execute(
        update(KnowledgeDocument)
        .where(col(KnowledgeDocument.source_id) == row.id, col(KnowledgeDocument.status) == "waiting")
        .where(col(KnowledgeDocument.seen_in).is_distinct_from(row.sync_id))
        .values(seen_in=row.sync_id)
        .execution_options(synchronize_session=False)
    )
    row.found += new.rowcount  # type: ignore[attr-defined]  # An update's result has one.


def _is_waiting(sync_id: UUID) -> Any:
    return (col(KnowledgeDocument.status) == "waiting") & (col(KnowledgeDocument.seen_in) == sync_id)


def _to_read(sync: Sync) -> list[Any]:
    return [col(KnowledgeDocument.source_id) == sync.source_id, _is_waiting(sync.sync_id)]


async def _count(session: AsyncSession, which: Any, row: KnowledgeSource) -> int:
    of_source = select(func.count()).select_from(KnowledgeDocument).where(col(KnowledgeDocument.source_id) == row.id)
    return await session.scalar(of_source.where(which)) or 0


def _next(row: KnowledgeSource) -> datetime | None:
    return utc_now() + timedelta(seconds=row.sync_every_seconds) if row.sync_every_seconds else None
