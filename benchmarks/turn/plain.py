"""The pipeline without durability, webhook and turns in one process: ``python -m benchmarks.turn.plain PORT``.

A message that was taken is lost with the process.
"""

import asyncio
import sys
from uuid import UUID

import uvloop

from benchmarks.turn.intake import opened_intake, serve
from benchmarks.turn.pipeline import NoTemporal, Pipeline, opened_pipeline
from konstruct import log
from konstruct.settings import Settings


class AtOnce(NoTemporal):
    """Begins the turn here, beside all others."""

    def __init__(self, pipeline: Pipeline, turns: asyncio.TaskGroup) -> None:
        self._pipeline = pipeline
        self._turns = turns

    async def hand_over(self, tenant_id: UUID, conversation_id: UUID, message_id: UUID) -> None:
        self._turns.create_task(self._pipeline.turn(tenant_id, conversation_id, message_id))


async def main(port: int) -> None:
    settings = Settings()
    log.configure(settings)
    async with opened_pipeline(settings) as pipeline, asyncio.TaskGroup() as turns:
        parts, here = pipeline.parts, AtOnce(pipeline, turns)
        async with opened_intake(settings, parts.database, parts.redis, parts.vault, here) as app:
            await serve(app, port)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
