"""Search by meaning among many: each tenant gets its full number of its own passages, whoever has how many beside."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.identity import new_id
from konstruct.knowledge.search import Query, search
from konstruct.tables import KnowledgeChunk, KnowledgeDocument, KnowledgeVector
from konstruct.vault import Vault
from tests.support.crowds import DIMENSIONS, World, statements
from tests.support.library import add
from tests.support.office import Office, open_office

MODEL = "made/up"
SIZES = (30, 300, 3_000)
AT_MOST = 10
EXACTLY, BY_INDEX = 10**9, 0
QUESTIONS = 8
"""At the sixth execution Postgres would go over to a plan that has forgotten whom it is for."""


@dataclass(frozen=True)
class Shelf:
    office: Office
    ids: list[UUID]
    vectors: Any

    def agreement(self, vector: Any, found: Sequence[UUID]) -> float:
        """Of the ten nearest, how many were found. Nobody gets fewer than ten, nor anything of somebody else."""
        assert len(set(found)) == AT_MOST
        assert set(found) <= set(self.ids)
        nearest = {self.ids[number] for number in np.argsort(-(self.vectors @ vector))[:AT_MOST]}
        return len(nearest & set(found)) / AT_MOST


@dataclass(frozen=True)
class Crowd:
    shelves: list[Shelf]
    questions: Any
    database: Database
    """With one connection, whose statements are all prepared before long."""


@pytest.fixture(scope="module")
async def crowd(database: Database, vault: Vault, postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Crowd]:
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    world = World(7)
    shelves: list[Shelf] = []
    for size in SIZES:
        office = await open_office(database, vault)
        # Neighbours in one index, and not by luck in several.
        while shelves and await _part(administrator, office) != await _part(administrator, shelves[0].office):
            office = await open_office(database, vault)
        shelves.append(await _shelf(office, world.vectors(size)))
    await administrator.execute("analyze knowledge_chunks, knowledge_vectors")
    alone = Database(SecretStr(postgres.app_url), pool_size=1)
    yield Crowd(shelves, world.vectors(QUESTIONS), alone)
    await alone.close()
    # Another test's run would embed them all anew, with its own model.
    for shelf in shelves:
        await administrator.execute("delete from knowledge_documents where tenant_id = $1", shelf.office.tenant_id)
    await administrator.close()


async def _part(administrator: Any, office: Office) -> int:
    query = (
        "select number from generate_series(0, 15) number"
        " where satisfies_hash_partition('knowledge_vectors'::regclass, 16, number, $1::uuid)"
    )
    return int(await administrator.fetchval(query, office.tenant_id))


async def _shelf(office: Office, vectors: Any) -> Shelf:
    source_id, document_id = await add(office, "files"), new_id()
    ids = [new_id() for _ in vectors]
    of_document = {"tenant_id": office.tenant_id, "source_id": source_id}
    chunks = [
        {
            **of_document,
            "id": chunk_id,
            "document_id": document_id,
            "position": number,
            "text": f"Passage {number}",
            "digest": chunk_id.bytes,
            "words": f"'{number}' 'passag' 'passa*'",
            "length": 2,
            "embedded_with": MODEL,
        }
        for number, chunk_id in enumerate(ids)
    ]
    placed = [
        {**of_document, "chunk_id": chunk_id, "model": MODEL, "dimensions": DIMENSIONS, "vector": vector.tolist()}
        for chunk_id, vector in zip(ids, vectors, strict=True)
    ]
    async with office.session() as session:
        session.add(
            KnowledgeDocument(
                tenant_id=office.tenant_id, source_id=source_id, id=document_id, name="a", title="A", status="indexed"
            )
        )
        await session.flush()
        await session.execute(insert(KnowledgeChunk), chunks)
        await session.execute(insert(KnowledgeVector), placed)
    return Shelf(office, ids, vectors)


@pytest.mark.parametrize(("exact_up_to", "uses_index"), [(EXACTLY, False), (BY_INDEX, True)])
@pytest.mark.parametrize("keys", [None, ["files"]])
async def test_each_tenant_finds_its_own_nearest_by_the_index_where_it_is_meant_to(
    crowd: Crowd, exact_up_to: int, uses_index: bool, keys: list[str] | None
) -> None:
    right: dict[UUID, list[float]] = {shelf.office.tenant_id: [] for shelf in crowd.shelves}
    for vector in crowd.questions:
        for shelf in crowd.shelves:
            # Words that are in no text say nothing: what is found is found by its meaning alone.
            query = Query("the", {MODEL: vector.tolist()}, keys)
            async with crowd.database.tenant_session(shelf.office.tenant_id) as session:
                # The planner itself would rather compare so few one by one.
                await session.execute(text("set local enable_sort = off"))
                with statements(crowd.database) as ran:
                    found = await search(
                        session,
                        shelf.office.tenant_id,
                        query,
                        at_most=AT_MOST,
                        floor=0.0,
                        exact_up_to=exact_up_to,
                    )
                [near] = [each for each in ran if "<=>" in each[0] and "order by" in each[0]]
                connection = await session.connection()
                # In the same transaction, with all that is set for it.
                plan = "\n".join((await connection.exec_driver_sql(f"explain {near[0]}", near[1])).scalars())
                mode = await session.scalar(text("select current_setting('plan_cache_mode')"))
            assert mode == "force_custom_plan"
            by_index = re.search(r"Index Scan using \w+ on knowledge_vectors_\d+ v .*\n +Order By", plan)
            assert (by_index is not None) == uses_index, plan
            right[shelf.office.tenant_id].append(shelf.agreement(vector, [each.chunk_id for each in found]))
    for shelf in crowd.shelves:
        assert np.mean(right[shelf.office.tenant_id]) >= (0.95 if uses_index else 0.99), len(shelf.ids)


async def test_words_are_looked_for_in_each_tenants_own(crowd: Crowd) -> None:
    for shelf in crowd.shelves:
        async with crowd.database.tenant_session(shelf.office.tenant_id) as session:
            for number in (7, len(shelf.ids) - 1):
                found = await search(session, shelf.office.tenant_id, Query(f"passage {number}"), at_most=AT_MOST)
                assert len(found) == AT_MOST
                assert found[0].chunk_id == shelf.ids[number]
                assert {each.chunk_id for each in found} <= set(shelf.ids)
