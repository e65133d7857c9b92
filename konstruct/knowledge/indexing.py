"""What becomes of a document that was looked at: its chunks replaced where they changed, or a sentence why not.

Each function settles one task of a synchronisation that is under way, in one transaction; a task that was settled, or
whose document has changed since, is left as it is.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.billing import enforcing
from konstruct.db import among
from konstruct.errors import OverPlan
from konstruct.identity import new_id
from konstruct.knowledge import syncs
from konstruct.knowledge.chunking import Chunk, embeddable
from konstruct.knowledge.syncs import Sync, Task
from konstruct.knowledge.words import words
from konstruct.tables import KnowledgeChunk, KnowledgeDocument, KnowledgeSource
from konstruct.tables.base import utc_now

Outcome = Literal["indexed", "unchanged", "duplicate", "failed", "gone", "superseded"]

LONGEST_TITLE: Final = 300
SET_ASIDE: Final = (
    "Whoever read it ended without a word, each time, so it is set aside. The log of the worker says more."
)
ADDED_AT_ONCE: Final = 200
"""Chunks, between which others have their turn: cutting words takes its time."""

_ADD = sql(
    """
    insert into knowledge_chunks (tenant_id, id, document_id, source_id, position, headings, text, page, digest, words,
      length)
    select :tenant_id, new.id, :document_id, :source_id, new.position, cast(new.headings as jsonb), new.text, new.page,
      new.digest, cast(new.words as tsvector), new.length
    from unnest(cast(:ids as uuid[]), cast(:positions as integer[]), cast(:headings as text[]), cast(:texts as text[]),
      cast(:pages as integer[]), cast(:digests as bytea[]), cast(:words as text[]), cast(:lengths as integer[]))
      new (id, position, headings, text, page, digest, words, length)
    """
)
_MOVE = sql(
    """
    update knowledge_chunks c set position = moved.position, page = moved.page
    from unnest(cast(:ids as uuid[]), cast(:positions as integer[]), cast(:pages as integer[]))
      moved (id, position, page)
    where c.tenant_id = :tenant_id and c.id = moved.id
      and (c.position, c.page) is distinct from (moved.position, moved.page)
    """
)


@dataclass(frozen=True)
class Content:
    """A document as it was read. ``size``: bytes of what it was read from."""

    title: str
    media_type: str
    chunks: Sequence[Chunk]
    size: int
    link: str | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def digest(self) -> bytes:
        """Of what can be found in it, whatever it is called and wherever it lies."""
        return hashlib.sha256("".join(chunk.digest for chunk in self.chunks).encode()).digest()


async def write(session: AsyncSession, sync: Sync, task: Task, content: Content) -> Outcome:
    """Has this found from now on, and what the document said before no more. Chunks that stay keep their vectors."""
    row = await syncs.current(session, sync)
    document = await _open(session, task)
    if document is None:
        return "superseded"
    title = content.title.strip()[:LONGEST_TITLE] or document.name
    digest = content.digest
    was_searched = document.chunks > 0
    is_same = document.digest == digest and document.title == title
    original = await _original(session, document, digest)
    chunks = [] if original else content.chunks
    text_bytes = sum(len(chunk.text.encode()) for chunk in chunks)
    try:
        await enforcing.require_text(session, document.tenant_id, text_bytes - document.text_bytes)
    except OverPlan as error:
        return await _fail(session, row, document, str(error))
    document.title, document.media_type, document.size = title, content.media_type, content.size
    document.link = content.link or document.link
    document.etag, document.last_modified = content.etag, content.last_modified
    outcome: Outcome = "unchanged"
    if not (is_same and (was_searched or document.duplicate_of)):
        if was_searched and document.digest != digest:
            await syncs.read_again(session, row, [document.id])
        document.digest, document.duplicate_of = digest, original
        outcome = "duplicate" if original else "indexed"
        await _replace(session, document, chunks)
        document.chunks, document.text_bytes, document.indexed_at = len(chunks), text_bytes, utc_now()
    await _settle(session, row, document, "duplicate" if document.duplicate_of else "indexed")
    return outcome


async def confirm(session: AsyncSession, sync: Sync, task: Task) -> Outcome:
    """Its source says that it is as it was when it was last read."""
    row = await syncs.current(session, sync)
    document = await _open(session, task)
    if document is None:
        return "superseded"
    await _settle(session, row, document, "duplicate" if document.duplicate_of else "indexed")
    return "unchanged"


async def drop(session: AsyncSession, sync: Sync, task: Task) -> Outcome:
    """It is no longer at its source."""
    row = await syncs.current(session, sync)
    if await _open(session, task) is None:
        return "superseded"
    await syncs.leave(session, row, [task.document_id])
    await syncs.count_done(session, row)
    return "gone"


async def fail(session: AsyncSession, sync: Sync, task: Task, reason: str) -> Outcome:
    """It could not be read, for a reason that is a sentence. What it said before is found as long as it is there."""
    row = await syncs.current(session, sync)
    document = await _open(session, task)
    if document is None:
        return "superseded"
    return await _fail(session, row, document, reason)


async def set_aside(session: AsyncSession, sync: Sync, task: Task) -> Outcome:
    """Reading it ended whoever read it, too often."""
    row = await syncs.current(session, sync)
    document = await _open(session, task)
    if document is None:
        return "superseded"
    outcome = await _fail(session, row, document, SET_ASIDE)
    # One attempt more, in case that its source or we have changed.
    document.tries = syncs.MOST_TRIES - 1
    return outcome


async def _fail(session: AsyncSession, row: KnowledgeSource, document: KnowledgeDocument, reason: str) -> Outcome:
    # It is not known any more whether it still says the same as what is found of it.
    document.etag = document.last_modified = None
    await _settle(session, row, document, "failed", reason)
    return "failed"


async def _open(session: AsyncSession, task: Task) -> KnowledgeDocument | None:
    document = await session.scalar(
        select(KnowledgeDocument)
        .where(col(KnowledgeDocument.id) == task.document_id, col(KnowledgeDocument.status) == "waiting")
        .with_for_update()
    )
    return document if document is not None and document.updated_at == task.version else None


async def _settle(
    session: AsyncSession, row: KnowledgeSource, document: KnowledgeDocument, status: str, error: str | None = None
) -> None:
    document.status, document.error, document.updated_at, document.tries = status, error, utc_now(), 0
    await syncs.count_done(session, row)


async def _original(session: AsyncSession, document: KnowledgeDocument, digest: bytes) -> UUID | None:
    """What is searched in its place: the first of the same source that says the same.

    Not of another source, which somebody else may write, and which an employee may not be allowed to search.
    """
    return await session.scalar(
        select(col(KnowledgeDocument.id))
        .where(
            col(KnowledgeDocument.source_id) == document.source_id,
            col(KnowledgeDocument.digest) == digest,
            col(KnowledgeDocument.id) != document.id,
            col(KnowledgeDocument.chunks) > 0,
        )
        .order_by(col(KnowledgeDocument.id))
        .limit(1)
    )


async def _replace(session: AsyncSession, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> None:
    known = (
        await session.execute(
            select(col(KnowledgeChunk.digest), col(KnowledgeChunk.id))
            .where(col(KnowledgeChunk.document_id) == document.id)
            .order_by(col(KnowledgeChunk.position).desc())
        )
    ).all()
    kept: dict[bytes, list[UUID]] = defaultdict(list)
    for digest, chunk_id in known:
        kept[digest].append(chunk_id)
    digests = [_digest(chunk, document.title) for chunk in chunks]
    moved: list[tuple[UUID, Chunk]] = []
    new: list[tuple[bytes, Chunk]] = []
    for digest, chunk in zip(digests, chunks, strict=True):
        if kept[digest]:
            moved.append((kept[digest].pop(), chunk))
        else:
            new.append((digest, chunk))
    left = [chunk_id for chunk_ids in kept.values() for chunk_id in chunk_ids]
    await session.flush()
    await session.execute(delete(KnowledgeChunk).where(among(col(KnowledgeChunk.id), left)))
    await session.execute(
        _MOVE,
        {
            "tenant_id": document.tenant_id,
            "ids": [chunk_id for chunk_id, _ in moved],
            "positions": [chunk.position for _, chunk in moved],
            "pages": [chunk.page for _, chunk in moved],
        },
    )
    for first in range(0, len(new), ADDED_AT_ONCE):
        await _add(session, document, new[first : first + ADDED_AT_ONCE])


async def _add(session: AsyncSession, document: KnowledgeDocument, new: Sequence[tuple[bytes, Chunk]]) -> None:
    found = await words(session, [embeddable(chunk, document.title) for _, chunk in new])
    values: dict[str, Any] = {
        "tenant_id": document.tenant_id,
        "document_id": document.id,
        "source_id": document.source_id,
        "ids": [new_id() for _ in new],
        "positions": [chunk.position for _, chunk in new],
        "headings": [json.dumps(chunk.headings) for _, chunk in new],
        "texts": [chunk.text for _, chunk in new],
        "pages": [chunk.page for _, chunk in new],
        "digests": [digest for digest, _ in new],
        "words": [each.vector for each in found],
        "lengths": [each.length for each in found],
    }
    await session.execute(_ADD, values)


def _digest(chunk: Chunk, title: str) -> bytes:
    """Of all that its words and its vector are made of."""
    return hashlib.sha256(f"{chunk.digest}{title}".encode()).digest()
