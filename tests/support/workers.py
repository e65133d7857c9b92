"""Temporal's workers in the process of the tests: each ends within its time, or it is said what it hangs at.

Temporal's library has been seen to wait for ever in its shutdown, beside an activity that was just about to tell how it
ended. The product's own workers are ended by ``konstruct.ending`` then; here, other tests want to go on.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio.worker import Worker

from konstruct.ending import unfinished

ENDS_WITHIN: Final = timedelta(seconds=30)
"""Calls have up to five seconds; the rest is for a machine with much else to do."""


@asynccontextmanager
async def polling(worker: Worker, ends_within: timedelta = ENDS_WITHIN) -> AsyncIterator[None]:
    """As the worker itself, but that it raises AssertionError when it does not come to an end."""
    await worker.__aenter__()
    try:
        yield
    finally:
        why = sys.exc_info()
        try:
            async with asyncio.timeout(ends_within.total_seconds()) as patience:
                await worker.__aexit__(*why)
        except TimeoutError:
            if not patience.expired():
                raise
            raise AssertionError(
                f"Temporal's worker of {worker.task_queue} did not end within {ends_within.total_seconds():.0f} s of "
                f"being told to. What has not ended: {', '.join(unfinished(asyncio.get_running_loop()))}."
            ) from None
