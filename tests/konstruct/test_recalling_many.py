"""Recall by meaning among many: everybody gets their full number of results, and the right ones, whoever has how many
memories beside them; the statements are planned anew each time, and use the index where they are meant to."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, text

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.tables import Memory
from konstruct.vault import Vault
from tests.support.crowds import World, statements
from tests.support.memories import Person, agreement, learn, part_of, recalled
from tests.support.office import open_office

SIZES = (20, 200, 2_000, 6_000)
EXACTLY, BY_INDEX = 10**9, 0
EXECUTIONS = 12
"""At the sixth Postgres would go over to a plan that has forgotten whom it is for."""

GENERIC_PLANS = """
    select sum(generic_plans) from pg_prepared_statements
    where statement like '%order by%)) + 0%' and parameter_types <> '{}'
"""


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
    while await part_of(administrator, other) != await part_of(administrator, one):
        other = await open_office(database, vault)
    for office, sizes in ((one, SIZES), (other, SIZES[:2])):
        for size in sizes:
            people.append(await learn(office, f"U{size}", world.vectors(size)))
    await administrator.execute("analyze memories, memory_vectors")
    await administrator.close()
    alone = Database(SecretStr(postgres.app_url), pool_size=1)
    yield Crowd(people, world.vectors(EXECUTIONS), alone)
    await alone.close()
    # Another test's run would embed them all anew, with its own model.
    for office in (one, other):
        async with office.session() as session:
            await session.execute(delete(Memory))


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
