"""Vectors of memories: which are still missing for the model in use, and keeping those that were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import bindparam
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import searching
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.memory.keeping import MEMORY
from konstruct.tables import Memory
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

_LOOK_UP = sql("select * from memories_to_embed(:model, :at_most)")
_WAITING = (
    select(Memory)
    .where(col(Memory.id).in_(bindparam("memory_ids", expanding=True)), col(Memory.superseded_at).is_(None))
    .where(col(Memory.embedded_with).is_distinct_from(bindparam("model")))
)
# A memory that was forgotten or replaced meanwhile gets no vector: the row that would say so is gone, or locked.
_KEEP = sql(
    """
    with embedded as (
      update memories set embedded_with = :model
      where tenant_id = :tenant_id and id = :id and superseded_at is null
      returning tenant_id, id, contact_id
    )
    insert into memory_vectors (tenant_id, memory_id, contact_id, model, dimensions, vector)
    select tenant_id, id, contact_id, :model, :dimensions, cast(cast(:vector as text) as halfvec) from embedded
    on conflict (tenant_id, memory_id) do update
      set model = excluded.model, dimensions = excluded.dimensions, vector = excluded.vector
    """
)


@dataclass(frozen=True)
class Unembedded:
    memory_id: UUID
    text: str


async def without_vector(database: Database, model: str, at_most: int) -> list[tuple[UUID, UUID]]:
    """(tenant, memory) of all tenants that have no vector of ``model``; those without any come first."""
    return await searching.without_vector(database, _LOOK_UP, model, at_most)


async def to_embed(session: AsyncSession, vault: Vault, model: str, memory_ids: Sequence[UUID]) -> list[Unembedded]:
    """Those of these memories that have no vector of ``model`` yet, opened; what cannot be is passed over for good."""
    rows = list(await session.scalars(_WAITING, {"memory_ids": list(memory_ids), "model": model}))
    ciphers = await vault.ciphers(session, {row.contact_id for row in rows})
    opened = []
    for row in rows:
        try:
            opened.append(Unembedded(row.id, ciphers[row.contact_id].open(MEMORY, row.id, row.sealed)))
        except (KeyError, Misconfigured):
            # One that cannot be read must not hold up all others, of all tenants, for ever.
            log.warning("memory_unreadable", tenant_id=str(row.tenant_id), memory_id=str(row.id))
            row.embedded_with = model
    return opened


async def keep_vectors(
    session: AsyncSession, tenant_id: UUID, model: str, vectors: Mapping[UUID, Sequence[float]]
) -> None:
    """Each takes the place of the vector that the memory had of another model."""
    await searching.keep_vectors(session, _KEEP, tenant_id, model, vectors)
