"""Giving vectors to what waits for one, whatever it is, some at a time and not for too long at once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from activities.heartbeat import heartbeat
from konstruct.db import Database
from konstruct.errors import EmbeddingUnavailable
from konstruct.ports import Embedder, Embedders

EMBEDDED_AT_ONCE: Final = 32
EMBED_FOR: Final = timedelta(seconds=60)
"""After this an embedding run ends, and the next one goes on."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Kind:
    """``find``: (tenant, id) of some that have no vector of a model; ``read``: the texts of those of these that have
    none yet; ``keep``: their vectors.
    """

    name: str
    find: Callable[[Database, str, int], Awaitable[list[tuple[UUID, UUID]]]]
    read: Callable[[AsyncSession, str, Sequence[UUID]], Awaitable[Mapping[UUID, str]]]
    keep: Callable[[AsyncSession, UUID, str, Mapping[UUID, Sequence[float]]], Awaitable[None]]


async def embed_waiting(database: Database, embedders: Embedders, model: str, kind: Kind) -> int:
    """How many got their vector: new ones first, then those whose vector is of another model."""
    embedder = embedders.get(model)
    if embedder is None:
        log.warning("no_embedder", model=model)
        return 0
    ends_at = asyncio.get_running_loop().time() + EMBED_FOR.total_seconds()
    total = 0
    async with heartbeat():
        while asyncio.get_running_loop().time() < ends_at:
            try:
                done = await _embed_some(database, embedder, kind)
            except EmbeddingUnavailable as error:
                log.warning("embedding_failed", model=model, reason=str(error))
                break
            if not done:
                break
            total += done
            log.info(f"{kind.name}_embedded", model=model, count=total)
    return total


async def _embed_some(database: Database, embedder: Embedder, kind: Kind) -> int:
    by_tenant: dict[UUID, list[UUID]] = defaultdict(list)
    for tenant_id, found in await kind.find(database, embedder.name, EMBEDDED_AT_ONCE):
        by_tenant[tenant_id].append(found)
    done = 0
    for tenant_id, ids in by_tenant.items():
        async with database.tenant_session(tenant_id) as session:
            waiting = await kind.read(session, embedder.name, ids)
        vectors = await embedder.embed(list(waiting.values()), purpose="passage")
        async with database.tenant_session(tenant_id) as session:
            await kind.keep(session, tenant_id, embedder.name, dict(zip(waiting, vectors, strict=True)))
        done += len(waiting)
    return done
