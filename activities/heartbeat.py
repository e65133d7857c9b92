"""Signs of life while an activity waits for the outside world."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

PERIOD_SECONDS = 1.0


@asynccontextmanager
async def heartbeat() -> AsyncIterator[None]:
    """Heartbeats from now on: a worker's death is noticed by their absence, a cancellation comes back with one."""

    async def beat() -> None:
        # Work that is done within a period costs the server no heartbeat.
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
