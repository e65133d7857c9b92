"""Where a question lies in the spaces of embedding models: for whoever searches, and never waited for long."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from konstruct.errors import EmbeddingUnavailable
from konstruct.ports import Cooldowns, Embedders

EMBEDDING_SECONDS: Final = 3.0
"""A question that takes longer to embed is looked for by its words alone."""
LONGEST_LOCATED: Final = 300
"""Characters of it that are embedded: the built-in model takes a second for the longest that it reads."""
EMBEDDER_COOLS_FOR: Final = timedelta(seconds=30)
"""So long nobody waits for an embedder that failed or hung."""

log = structlog.get_logger(__name__)


class Locator:
    def __init__(self, embedders: Embedders, cooldowns: Cooldowns) -> None:
        self._embedders = embedders
        self._cooldowns = cooldowns

    async def locate(self, asked: str, names: Sequence[str]) -> dict[str, list[float]]:
        """A vector of each model that makes one in time."""
        vectors = {}
        keys = {name: f"embedding:{name}" for name in names}
        cooling = await self._cooldowns.cooling(list(keys.values()))
        for name, key in keys.items():
            embedder = self._embedders.get(name)
            if embedder is None or key in cooling:
                continue
            try:
                async with asyncio.timeout(EMBEDDING_SECONDS):
                    [vectors[name]] = await embedder.embed([asked[:LONGEST_LOCATED]], purpose="query")
            except (EmbeddingUnavailable, TimeoutError) as error:
                log.warning("search_without_meaning", model=name, reason=type(error).__name__)
                await self._cooldowns.cool(key, EMBEDDER_COOLS_FOR)
        return vectors
