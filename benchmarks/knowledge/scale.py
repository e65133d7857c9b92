"""How long a search takes among many chunks, by size of the tenant, and how quickly documents become chunks.

Vectors are made up in topics and texts by Zipf's law; words are cut, documents are read and indexed by the product.
"""

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

import asyncpg

from benchmarks.memory.office import Office
from benchmarks.memory.scale import DIMENSIONS, EXACTLY, MODEL, World
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.identity import new_id
from konstruct.knowledge import documents, indexing, search, sources, syncs
from konstruct.knowledge.chunking import chunks
from konstruct.knowledge.indexing import Content
from konstruct.knowledge.search import Query
from konstruct.knowledge.sources import SourceSettings
from konstruct.knowledge.words import words
from konstruct.searching import vector_text

SOURCE: Final = "files"
WORDS_EACH: Final = 130
VOCABULARY: Final = 30_000
AT_MOST: Final = 10
AT_ONCE: Final = 2_000


@dataclass(frozen=True)
class Searched:
    chunks: int
    way: str
    p50: float
    p95: float
    """Milliseconds of the database's transaction."""
    agreement: float
    """Of the ten that are found when all vectors are compared, how many are found by the product's own choice."""


@dataclass(frozen=True)
class Ingested:
    chunks_before: int
    documents: int
    chunks: int
    seconds: float
    """To read, cut and index them; vectors are another's work."""


class Texts:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._vocabulary = [
            "".join(self._random.choices(letters, k=self._random.randint(3, 11))) for _ in range(VOCABULARY)
        ]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))

    def passage(self) -> str:
        return " ".join(self._random.choices(self._vocabulary, cum_weights=self._weights, k=WORDS_EACH))

    def question(self) -> str:
        """Half of it common words, as questions are."""
        rare = self._random.choices(self._vocabulary[100:], k=4)
        return " ".join([*rare, *self._random.choices(self._vocabulary, cum_weights=self._weights, k=4)])

    def document(self, sections: int) -> str:
        return "\n\n".join(f"# Part {number}\n\n{self.passage()}." for number in range(sections))


async def fill(administrator: asyncpg.Connection, office: Office, world: World, texts: Texts, count: int) -> UUID:
    """Straight into the tables, past row security; gives the source."""
    async with office.database.tenant_session(office.tenant_id) as session:
        await sources.put(session, office.tenant_id, SOURCE, SourceSettings("files"), "benchmark")
        source_id = await sources.find_id(session, SOURCE)
    document_id = new_id()
    await administrator.execute(
        "insert into knowledge_documents (tenant_id, id, source_id, name, title, size, status, chunks, created_at,"
        " updated_at) values ($1, $2, $3, 'made up', 'Made up', 1, 'indexed', $4, now(), now())",
        *(office.tenant_id, document_id, source_id, count),
    )
    for start in range(0, count, AT_ONCE):
        passages = [texts.passage() for _ in range(min(AT_ONCE, count - start))]
        async with office.database.tenant_session(office.tenant_id) as session:
            cut = await words(session, passages)
        ids = [new_id() for _ in passages]
        of_chunk = (office.tenant_id, document_id, source_id)
        await administrator.executemany(
            "insert into knowledge_chunks (tenant_id, document_id, source_id, id, position, headings, text, digest,"
            " words, length, embedded_with) values ($1, $2, $3, $4, $5, '[]', $6, 'x', $7::text::tsvector, $8, $9)",
            [
                (*of_chunk, chunk_id, start + place, passage, each.vector, each.length, MODEL)
                for place, (chunk_id, passage, each) in enumerate(zip(ids, passages, cut, strict=True))
            ],
        )
        vectors = world.vectors(len(ids)).tolist()
        await administrator.executemany(
            "insert into knowledge_vectors values ($1, $2, $3, $4, $5, $6::text::halfvec)",
            [
                (office.tenant_id, chunk_id, source_id, MODEL, DIMENSIONS, vector_text(vector))
                for chunk_id, vector in zip(ids, vectors, strict=True)
            ],
        )
    return source_id


async def measure(office: Office, world: World, texts: Texts, count: int, asked: int) -> list[Searched]:
    measured = []
    for way in ("words", "meaning", "both"):
        times, agreements = [], []
        for vector in world.vectors(asked):
            text = texts.question() if way != "meaning" else ""
            query = Query(text, {MODEL: vector.tolist()} if way != "words" else {}, [SOURCE])
            started = time.perf_counter()
            found = await _found(office, query)
            times.append((time.perf_counter() - started) * 1000)
            exact = await _found(office, query, exact_up_to=EXACTLY)
            agreements.append(len(set(found) & set(exact)) / len(exact) if exact else 1.0)
        measured.append(
            Searched(
                count,
                way,
                round(statistics.median(times), 1),
                round(statistics.quantiles(times, n=20)[-1], 1),
                round(statistics.mean(agreements), 3),
            )
        )
    return measured


async def _found(office: Office, query: Query, **options: int) -> list[UUID]:
    async with office.database.tenant_session(office.tenant_id) as session:
        passages = await search.search(session, office.tenant_id, query, at_most=AT_MOST, floor=0.0, **options)
    return [each.chunk_id for each in passages]


async def ingest(office: Office, texts: Texts, before: int, count: int, sections: int) -> Ingested:
    """One document after the other, as the background worker reads those of one source."""
    reader = SubprocessReader()
    files: Sequence[tuple[str, bytes]] = [
        (f"new-{number}.md", texts.document(sections).encode()) for number in range(count)
    ]
    async with office.database.tenant_session(office.tenant_id) as session:
        for name, content in files:
            await documents.put(session, office.tenant_id, SOURCE, name, content, actor="benchmark")
        sync = await syncs.begin(session, await sources.find_id(session, SOURCE), new_id())
    assert sync is not None
    contents: dict[str, bytes] = dict(files)
    total = 0
    started = time.perf_counter()
    async with office.database.tenant_session(office.tenant_id) as session:
        tasks: list[Any] = list(await syncs.tasks(session, sync, count))
    for task in tasks:
        read = await reader.read(contents[task.name], name=task.name)
        cut = chunks(read)
        total += len(cut)
        async with office.database.tenant_session(office.tenant_id) as session:
            await indexing.write(
                session, sync, task, Content(read.title, read.media_type, cut, len(contents[task.name]))
            )
    return Ingested(before, count, total, round(time.perf_counter() - started, 2))
