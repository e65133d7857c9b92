"""What searches by vectors have in common: how vectors are kept, which indexes there are, one scale for scores."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import TextClause
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.db import Database

Found = TypeVar("Found")

# A generic plan, which Postgres makes at the sixth execution, would forget which tenant is meant.
PREPARE: Final = sql(
    "select set_config('plan_cache_mode', 'force_custom_plan', true),"
    " set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '200', true),"
    " set_config('hnsw.max_scan_tuples', '100000', true)"
)

INDEXED: Final = (384, 768, 1024, 1536, 3072)
"""Lengths of vectors that have an index. It is used only by a query that names the same length."""

EXACT_UP_TO: Final = 20_000
"""Vectors that are compared one by one, which misses none. Above, the index answers in time."""


def vector_text(vector: Sequence[float]) -> str:
    """As pgvector reads it."""
    return f"[{','.join(format(value, '.6g') for value in vector)}]"


def spread(scores: Mapping[Found, float]) -> dict[Found, float]:
    """From 0, the worst of them, to 1, the best."""
    if not scores:
        return {}
    worst, best = min(scores.values()), max(scores.values())
    return {found: (score - worst) / (best - worst) if best > worst else 1.0 for found, score in scores.items()}


async def without_vector(database: Database, look_up: TextClause, model: str, at_most: int) -> list[tuple[UUID, UUID]]:
    """(tenant, id) of all tenants that have no vector of ``model``; those without any come first."""
    async with database.system_session() as session:
        rows = await session.execute(look_up, {"model": model, "at_most": at_most})
        return [(tenant_id, found) for tenant_id, found in rows]


async def keep_vectors(
    session: AsyncSession, statement: TextClause, tenant_id: UUID, model: str, vectors: Mapping[UUID, Sequence[float]]
) -> None:
    """Each by ``statement``, in one order for everybody, so that no two wait for each other."""
    for named, vector in sorted(vectors.items()):
        values = {"id": named, "model": model, "dimensions": len(vector), "vector": vector_text(vector)}
        await session.execute(statement, {"tenant_id": tenant_id, **values})
