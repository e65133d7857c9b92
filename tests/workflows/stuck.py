"""A program whose Temporal never comes to the end of its shutdown: ``python -m tests.workflows.stuck HOW konstruct …``.

A few seconds stand for the time that a worker has, so that nobody needs to wait for all of it.
"""

import asyncio
import sys
import time
from datetime import timedelta
from typing import Any, Final

from temporalio.bridge.worker import Worker

from konstruct import ending
from tests.faults.wrapping import go_on

SECONDS: Final = 8.0


async def waits(worker: Any) -> None:
    """As it was seen."""
    await asyncio.Event().wait()


async def blocks(worker: Any) -> None:
    """The event loop, too."""
    while True:
        time.sleep(3600)  # noqa: ASYNC251 # That is the defect.


if __name__ == "__main__":
    Worker.finalize_shutdown = {"waits": waits, "blocks": blocks}[sys.argv[1]]  # type: ignore[method-assign, assignment]
    ending.WORKER_ENDS_WITHIN = timedelta(seconds=SECONDS)  # type: ignore[misc]
    go_on(sys.argv[2:])
