"""Recall by meaning among many: everybody gets their full number of results, and the right ones, whoever has how many
memories beside them; the statements are planned anew each time, and use the index where they are meant to."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import memory
from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.identity import new_id
from konstruct.memory import Question
from konstruct.tables import Contact, Memory, MemoryVector
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.crowds import DIMENSIONS, World, statements
from tests.support.office import Office, open_office

MODEL = "made/up"
SIZES = (20, 200, 2_000, 6_000)
AT_MOST = 10
EXACTLY, BY_INDEX = 10**9, 0
EXECUTIONS = 12
"""At the sixth Postgres would go over to a plan that has forgotten whom it is for."""

GENERIC_PLANS = """
    select sum(generic_plans) from pg_prepared_statements
    where statement like '%order by%)) + 0%' and parameter_types <> '{}'
"""


@dataclass(frozen=True)
class Person:
    office: Office
    contact_id: UUID
    ids: list[UUID]
    vectors: Any

    def nearest(self, vector: Any) -> set[UUID]:
        order = np.argsort(-(self.vectors @ vector))[:AT_MOST]
        return {self.ids[number] for number in order}


@dataclass(frozen=True)
class Crowd:
    people: list[Person]
    questions: Any
    database: Database
    """With one connection, whose statements are all prepared before long."""

    @property
    def largest(self) -> Person:
        return max(self.people, key=lambda person: len(person.ids))


@pytest.fixture(scope="module")
async def crowd(database: Database, vault: Vault, postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Crowd]:
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    world = World(7)
    people: list[Person] = []
    one = await open_office(database, vault)
    other = await open_office(database, vault)
    # Neighbours in one index, and not by luck in two.
    while await _part(administrator, other) != await _part(administrator, one):
        other = await open_office(database, vault)
    for office, sizes in ((one, SIZES), (other, SIZES[:2])):
        for size in sizes:
            people.append(await _person(office, f"U{size}", world.vectors(size)))
    await administrator.execute("analyze memories, memory_vectors")
    await administrator.close()
    alone = Database(SecretStr(postgres.app_url), pool_size=1)
    yield Crowd(people, world.vectors(EXECUTIONS), alone)
    await alone.close()
    # Another test's run would embed them all anew, with its own model.
    for office in (one, other):
        async with office.session() as session:
            await session.execute(delete(Memory))


async def _part(administrator: Any, office: Office) -> int:
    query = (
        "select number from generate_series(0, 15) number"
        " where satisfies_hash_partition('memory_vectors'::regclass, 16, number, $1::uuid)"
    )
    return int(await administrator.fetchval(query, office.tenant_id))


async def _person(office: Office, contact: str, vectors: Any) -> Person:
    """With a fact for each vector, all learned from one message."""
    asked = await office.say("Hello", contact=contact, root=contact)
    now = utc_now()
    async with office.session() as session:
        contact_id = (await session.scalars(select(Contact.id).where(Contact.external_id == contact))).one()
        cipher = await office.vault.cipher(session, office.tenant_id, contact_id)
        ids = [new_id() for _ in vectors]
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
            for number, memory_id in enumerate(ids)
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
    return Person(office, contact_id, ids, vectors)


async def recalled(session: AsyncSession, person: Person, vector: Any, exact_up_to: int) -> list[UUID]:
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


async def test_everybody_is_told_of_their_own_nearest_at_each_execution(crowd: Crowd) -> None:
    right: dict[UUID, list[float]] = {person.contact_id: [] for person in crowd.people}
    for vector in crowd.questions:
        for person in crowd.people:
            async with crowd.database.tenant_session(person.office.tenant_id) as session:
                found = await recalled(session, person, vector, EXACTLY)
                used = await session.execute(text(GENERIC_PLANS))
                mode = await session.scalar(text("select current_setting('plan_cache_mode')"))
            right[person.contact_id].append(agreement(person, vector, found))
            # As long as it looks better to it, Postgres plans for the given values all the same; here it has to.
            assert (used.scalar_one(), mode) == (0, "force_custom_plan")
    for person in crowd.people:
        assert np.mean(right[person.contact_id]) >= 0.99, len(person.ids)


@pytest.mark.parametrize(("exact_up_to", "uses_index"), [(EXACTLY, False), (BY_INDEX, True)])
async def test_the_index_is_used_where_it_is_meant_to_and_finds_nearly_all_even_of_the_few(
    crowd: Crowd, exact_up_to: int, uses_index: bool
) -> None:
    right: dict[UUID, list[float]] = {person.contact_id: [] for person in crowd.people}
    for vector in crowd.questions:
        for person in crowd.people:
            async with crowd.database.tenant_session(person.office.tenant_id) as session:
                # The planner itself would rather compare so few one by one.
                await session.execute(text("set local enable_sort = off"))
                with statements(crowd.database) as ran:
                    found = await recalled(session, person, vector, exact_up_to)
                right[person.contact_id].append(agreement(person, vector, found))
                [near] = [each for each in ran if "<=>" in each[0]]
                connection = await session.connection()
                # In the same transaction, with all that is set for it.
                plan = "\n".join((await connection.exec_driver_sql(f"explain {near[0]}", near[1])).scalars())
            by_index = re.search(r"Index Scan using \w+ on memory_vectors_\d+ v .*\n +Order By", plan)
            assert (by_index is not None) == uses_index
    for person in crowd.people:
        assert np.mean(right[person.contact_id]) >= 0.95, len(person.ids)
