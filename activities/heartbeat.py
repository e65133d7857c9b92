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
        while True:
            activity.heartbeat()
            await asyncio.sleep(PERIOD_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
