"""A process that is asked to end, and is at something then: ``python -m tests.konstruct.ending_process WHAT``."""

import asyncio
import ctypes
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from konstruct import ending, log, serving
from konstruct.ending import end_within
from konstruct.settings import Settings

BOUND = timedelta(seconds=0.5)
"""In which whoever is not stuck has long ended."""


async def ends() -> None:
    """In time."""


async def waits() -> None:
    await asyncio.Event().wait()


async def computes() -> None:
    while True:
        pass


async def blocks() -> None:
    """In a library that lets others have Python."""
    while True:
        time.sleep(3600)  # noqa: ASYNC251 # That is what hinders it.


async def keeps_python_waiting() -> None:
    """In a library that lets nobody have it."""
    ctypes.PyDLL(None).sleep(3600)


async def leaves_a_thread() -> None:
    """Its loop waits for whatever runs in its threads."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)


async def serve() -> None:
    """As gateway and portal do."""
    ending.EDGE_ENDS_WITHIN = BOUND  # type: ignore[misc]
    await serving.Server(serving.configured(_never_ends, port=0)).serve()


async def _never_ends(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    signal.raise_signal(signal.SIGTERM)
    await receive()
    await asyncio.Event().wait()


WHAT: dict[str, Callable[[], Awaitable[None]]] = {
    each.__name__: each for each in (ends, waits, computes, blocks, keeps_python_waiting, leaves_a_thread)
}


async def main(what: str) -> None:
    log.configure(Settings(log_format="json"))
    if what == serve.__name__:
        await serve()
        return
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: end_within(BOUND, loop))
    signal.raise_signal(signal.SIGTERM)
    await WHAT[what]()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
