"""People of whom much is remembered, each memory with a made-up vector, and what is recalled of them by meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import numpy as np
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import memory
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.memory import Question
from konstruct.searching import EXACT_UP_TO
from konstruct.tables import Contact, Memory, MemoryVector
from konstruct.tables.base import utc_now
from tests.support.crowds import DIMENSIONS
from tests.support.office import Office

MODEL: Final = "made/up"
AT_MOST: Final = 10
AT_ONCE: Final = 2_000
"""Rows of one statement."""


@dataclass(frozen=True)
class Person:
    office: Office
    contact_id: UUID
    ids: list[UUID]
    vectors: Any

    def nearest(self, vector: Any) -> set[UUID]:
        order = np.argsort(-(self.vectors @ vector))[:AT_MOST]
        return {self.ids[number] for number in order}


async def part_of(administrator: asyncpg.Connection, office: Office) -> int:
    """Who has the same is a neighbour in one index."""
    query = (
        "select number from generate_series(0, 15) number"
        " where satisfies_hash_partition('memory_vectors'::regclass, 16, number, $1::uuid)"
    )
    return int(await administrator.fetchval(query, office.tenant_id))


async def learn(office: Office, contact: str, vectors: Any) -> Person:
    """Somebody with a fact for each vector, all learned from one message."""
    asked = await office.say("Hello", contact=contact, root=contact)
    async with office.session() as session:
        contact_id = (await session.scalars(select(Contact.id).where(Contact.external_id == contact))).one()
    ids = [new_id() for _ in vectors]
    for first in range(0, len(ids), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        async with office.session() as session:
            await _keep(session, office, contact_id, asked, ids[part], vectors[part], first)
    return Person(office, contact_id, ids, vectors)


async def _keep(
    session: AsyncSession,
    office: Office,
    contact_id: UUID,
    asked: Accepted,
    ids: Sequence[UUID],
    vectors: Any,
    first: int,
) -> None:
    cipher, now = await office.vault.cipher(session, office.tenant_id, contact_id), utc_now()
    memories = [
        {
            "tenant_id": office.tenant_id,
            "id": memory_id,
            "contact_id": contact_id,
            "kind": "fact",
            "speaker": "contact",
            "conversation_id": asked.conversation_id,
            "message_id": asked.message_id,
            "seq": 1,
            "sealed": cipher.seal("memory", memory_id, f"Fact {number}"),
            "words": "",
            "length": 0,
            "happened_at": now,
            "embedded_with": MODEL,
        }
        for number, memory_id in enumerate(ids, first)
    ]
    await session.execute(insert(Memory), memories)
    placed = [
        {
            "tenant_id": office.tenant_id,
            "memory_id": memory_id,
            "contact_id": contact_id,
            "model": MODEL,
            "dimensions": DIMENSIONS,
            "vector": vector.tolist(),
        }
        for memory_id, vector in zip(ids, vectors, strict=True)
    ]
    await session.execute(insert(MemoryVector), placed)


async def recalled(session: AsyncSession, person: Person, vector: Any, exact_up_to: int = EXACT_UP_TO) -> list[UUID]:
    # Words that are in every text say nothing: what is found is found by its meaning alone.
    question = Question(person.contact_id, "the", {MODEL: vector.tolist()})
    found = await memory.recall(
        session, person.office.vault, person.office.tenant_id, question, at_most=AT_MOST, exact_up_to=exact_up_to
    )
    return [each.memory_id for each in found]


def agreement(person: Person, vector: Any, found: Sequence[UUID]) -> float:
    """Of the ten nearest, how many were found. Nobody gets fewer than ten, nor anything of somebody else."""
    assert len(set(found)) == AT_MOST
    assert set(found) <= set(person.ids)
    return len(person.nearest(vector) & set(found)) / AT_MOST
