"""Vectors of chunks: which are still missing for the model in use, and keeping those that were made."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import searching
from konstruct.db import Database, among
from konstruct.knowledge.chunking import Chunk, embeddable
from konstruct.tables import KnowledgeChunk, KnowledgeDocument

_LOOK_UP = sql("select * from chunks_to_embed(:model, :at_most)")
# A chunk that was replaced meanwhile gets no vector: the row that would say so is gone.
_KEEP = sql(
    """
    with embedded as (
      update knowledge_chunks set embedded_with = :model
      where tenant_id = :tenant_id and id = :id
      returning tenant_id, id, source_id
    )
    insert into knowledge_vectors (tenant_id, chunk_id, source_id, model, dimensions, vector)
    select tenant_id, id, source_id, :model, :dimensions, cast(cast(:vector as text) as halfvec) from embedded
    on conflict (tenant_id, chunk_id) do update
      set model = excluded.model, dimensions = excluded.dimensions, vector = excluded.vector
    """
)


async def without_vector(database: Database, model: str, at_most: int) -> list[tuple[UUID, UUID]]:
    """(tenant, chunk) of all tenants that have no vector of ``model``; those without any come first."""
    return await searching.without_vector(database, _LOOK_UP, model, at_most)


async def to_embed(session: AsyncSession, model: str, chunk_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Of those of these chunks that have no vector of ``model`` yet, the texts that it is made of."""
    rows = await session.execute(
        select(KnowledgeChunk, col(KnowledgeDocument.title))
        .join(KnowledgeDocument, col(KnowledgeDocument.id) == col(KnowledgeChunk.document_id))
        .where(among(col(KnowledgeChunk.id), chunk_ids))
        .where(col(KnowledgeChunk.embedded_with).is_distinct_from(model))
    )
    return {
        row.id: embeddable(Chunk(row.position, tuple(row.headings), row.text, row.page), title) for row, title in rows
    }


async def keep_vectors(
    session: AsyncSession, tenant_id: UUID, model: str, vectors: Mapping[UUID, Sequence[float]]
) -> None:
    """Each takes the place of the vector that the chunk had of another model."""
    await searching.keep_vectors(session, _KEEP, tenant_id, model, vectors)
