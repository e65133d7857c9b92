"""How long recall takes among many memories, and what the index loses against comparing one by one.

Vectors and words are made up, in topics: 32 directions spread over 384 dimensions with noise, and words by Zipf's law.
"""

import random
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from benchmarks.memory.office import Office
from konstruct import memory
from konstruct.identity import new_id
from konstruct.memory import Question
from konstruct.memory.keeping import MEMORY
from konstruct.searching import vector_text

MODEL = "made/up"
DIMENSIONS, LATENT, TOPICS = 384, 32, 50
VOCABULARY, WORDS_EACH = 5_000, 12
AT_MOST = 10
EXACTLY = 10**9


@dataclass(frozen=True)
class Measured:
    memories: int
    of_contact: int
    agreement: float
    """Of the ten that are recalled when all are compared, how many are recalled by the product's own choice."""
    fewest: int
    p50: float
    p95: float
    """Milliseconds, the database's transaction and the opening of ten texts included."""


class World:
    """Where memories and questions come from; one seed, one world."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        self._spread = self._numbers.normal(size=(LATENT, DIMENSIONS))
        self._topics = self._numbers.normal(size=(TOPICS, LATENT))
        self._weights = [1 / rank for rank in range(1, VOCABULARY + 1)]

    def vectors(self, count: int) -> Any:
        topics = self._topics[self._numbers.integers(TOPICS, size=count)]
        latent = topics + 0.7 * self._numbers.normal(size=(count, LATENT))
        vectors = latent @ self._spread + 0.3 * self._numbers.normal(size=(count, DIMENSIONS))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def words(self) -> list[str]:
        return [f"word{number}" for number in self._random.choices(range(VOCABULARY), self._weights, k=WORDS_EACH)]

    def asked(self) -> str:
        return " ".join(f"word{self._random.randrange(VOCABULARY)}" for _ in range(6))


async def fill(administrator: asyncpg.Connection, office: Office, contact_id: UUID, world: World, count: int) -> None:
    """Past row security and foreign keys, since no one could wait until so much was said."""
    async with office.database.tenant_session(office.tenant_id) as session:
        cipher = await office.vault.cipher(session, office.tenant_id, contact_id)
    now, conversation_id = datetime.now(UTC), new_id()
    vectors = world.vectors(count)
    memories, placed = [], []
    for number in range(count):
        memory_id, words = new_id(), world.words()
        hidden = " ".join(f"'{cipher.hide(word)}':{place}" for place, word in enumerate(words, 1))
        sealed = cipher.seal(MEMORY, memory_id, " ".join(words))
        memories.append((memory_id, 2 * number, sealed, hidden))
        placed.append((memory_id, vector_text(vectors[number].tolist())))
    await administrator.execute("set session_replication_role = replica")
    for start in range(0, count, 5_000):
        await administrator.executemany(
            "insert into memories (tenant_id, id, contact_id, kind, speaker, conversation_id, message_id, seq, sealed,"
            " words, length, confidence, happened_at, embedded_with, created_at)"
            " values ($1, $2, $3, 'said', 'contact', $4, $2, $5, $6, $7::text::tsvector, $8, 1, $9, $10, $9)",
            [
                (office.tenant_id, memory_id, contact_id, conversation_id, seq, sealed, words, WORDS_EACH, now, MODEL)
                for memory_id, seq, sealed, words in memories[start : start + 5_000]
            ],
        )
        await administrator.executemany(
            "insert into memory_vectors values ($1, $2, $3, $4, $5, $6::text::halfvec)",
            [
                (office.tenant_id, memory_id, contact_id, MODEL, DIMENSIONS, vector)
                for memory_id, vector in placed[start : start + 5_000]
            ],
        )
    await administrator.execute("set session_replication_role = origin")


async def measure(
    office: Office, contact_id: UUID, world: World, memories: int, of_contact: int, asked: int
) -> Measured:
    agreements, counts, times = [], [], []
    for vector in world.vectors(asked):
        question = Question(contact_id, world.asked(), {MODEL: vector.tolist()})
        started = time.perf_counter()
        found = await _recalled(office, question)
        times.append((time.perf_counter() - started) * 1000)
        exact = await _recalled(office, question, exact_up_to=EXACTLY)
        agreements.append(len(set(found) & set(exact)) / len(exact))
        counts.append(len(found))
    return Measured(
        memories,
        of_contact,
        round(statistics.mean(agreements), 3),
        min(counts),
        round(statistics.median(times), 1),
        round(statistics.quantiles(times, n=20)[-1], 1),
    )


async def _recalled(office: Office, question: Question, **options: int) -> list[UUID]:
    async with office.database.tenant_session(office.tenant_id) as session:
        found = await memory.recall(session, office.vault, office.tenant_id, question, at_most=AT_MOST, **options)
    return [each.memory_id for each in found]
