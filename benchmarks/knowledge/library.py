"""The labelled set as a tenant's knowledge: its documents read, cut and embedded as the product does it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from benchmarks.knowledge import labelled
from benchmarks.memory.office import open_office, running_database
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.knowledge import documents, embedding, indexing, search, sources, syncs
from konstruct.knowledge.chunking import chunks
from konstruct.knowledge.indexing import Content
from konstruct.knowledge.search import Passage, Query
from konstruct.knowledge.sources import SourceSettings
from konstruct.ports import Embedder

SOURCE: Final = "files"


class Vectors:
    """What was embedded once is known for good when there is a file to keep it in: it takes minutes."""

    def __init__(self, embedder: Embedder, kept_in: Path | None) -> None:
        self._embedder = embedder
        self._kept_in = kept_in
        self._known: dict[str, Sequence[float]] = {}
        if kept_in is not None and kept_in.exists():
            with np.load(kept_in) as kept:
                self._known = dict(zip(kept["texts"].tolist(), kept["vectors"].tolist(), strict=True))

    async def of(self, texts: Sequence[str], purpose: str) -> list[Sequence[float]]:
        is_query = purpose == "query"
        new = [text for text in dict.fromkeys(texts) if f"{purpose}:{text}" not in self._known]
        for vector, text in zip(
            await self._embedder.embed(new, purpose="query" if is_query else "passage"), new, strict=True
        ):
            self._known[f"{purpose}:{text}"] = vector
        if new and self._kept_in is not None:
            np.savez(self._kept_in, texts=np.array(list(self._known)), vectors=np.array(list(self._known.values())))
        return [self._known[f"{purpose}:{text}"] for text in texts]


@dataclass(frozen=True)
class Library:
    database: Database
    tenant_id: UUID
    names: Mapping[UUID, str]
    """Of documents."""
    chunks: int

    async def search(
        self, text: str, vectors: Mapping[str, Sequence[float]], *, at_most: int = 10, floor: float = 0.0
    ) -> list[Passage]:
        async with self.database.tenant_session(self.tenant_id) as session:
            query = Query(text, vectors)
            return await search.search(session, self.tenant_id, query, at_most=at_most, floor=floor)


@asynccontextmanager
async def open_library(embedder: Embedder, vectors: Vectors) -> AsyncIterator[Library]:
    async with running_database() as running:
        office = await open_office(running.database, running.vault, "library")
        names = await _fill(running.database, office.tenant_id)
        total = 0
        while waiting := await embedding.without_vector(running.database, embedder.name, 10_000):
            ids = [chunk_id for _, chunk_id in waiting]
            async with running.database.tenant_session(office.tenant_id) as session:
                texts = await embedding.to_embed(session, embedder.name, ids)
            placed = dict(zip(texts, await vectors.of(list(texts.values()), "passage"), strict=True))
            async with running.database.tenant_session(office.tenant_id) as session:
                await embedding.keep_vectors(session, office.tenant_id, embedder.name, placed)
            total += len(placed)
        yield Library(running.database, office.tenant_id, names, total)


async def _fill(database: Database, tenant_id: UUID) -> dict[UUID, str]:
    reader = SubprocessReader()
    files = sorted(labelled.DOCUMENTS.iterdir())
    read = await asyncio.gather(*(reader.read(file.read_bytes(), name=file.name) for file in files))
    contents = {file.name: each for file, each in zip(files, read, strict=True)}
    async with database.tenant_session(tenant_id) as session:
        await sources.put(session, tenant_id, SOURCE, SourceSettings("files"), "benchmark")
        for file in files:
            await documents.put(session, tenant_id, SOURCE, file.name, file.read_bytes(), actor="benchmark")
        source_id = await sources.find_id(session, SOURCE)
        sync = await syncs.begin(session, source_id, new_id())
    assert sync is not None
    async with database.tenant_session(tenant_id) as session:
        waiting = await syncs.tasks(session, sync, len(files))
        for task in waiting:
            document = contents[task.name]
            content = Content(document.title, document.media_type, chunks(document), 0)
            await indexing.write(session, sync, task, content)
        await syncs.finish(session, sync)
    return {task.document_id: task.name for task in waiting}
