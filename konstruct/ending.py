"""A process that was asked to end ends: what it still does has its time, and then it is over.

Temporal's library has been seen to wait for ever in its shutdown. Nothing is lost with whoever is ended here: a message
is durable before it is acknowledged, Temporal has what nobody tells of tried again, and another process takes over.
"""

import _thread
import asyncio
import faulthandler
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Final

import structlog

WORKER_ENDS_WITHIN: Final = timedelta(seconds=45)
"""Calls have five seconds, and what is put down of them then waits up to thirty for the database."""
EDGE_ENDS_WITHIN: Final = timedelta(seconds=15)
"""Of gateway and portal, whose requests have five seconds."""
STATUS: Final = 124
"""With which a process ends that did not do so in time, as commands do below `timeout`."""
_LINE_WITHIN: Final = timedelta(seconds=2)
logger = structlog.get_logger(__name__)


def end_within(bound: timedelta, loop: asyncio.AbstractEventLoop) -> None:
    """Ends this process with a line in its log when it has not ended by then, whatever its loop is at.

    For handlers of signals, which come in between whatever else is under way: no lock is waited for here, as
    ``threading`` would. A library that keeps all of Python waiting is found by ``faulthandler``, which needs none of
    it: then the stack of each thread takes the line's place, and the status is 1.
    """
    faulthandler.dump_traceback_later((bound + 2 * _LINE_WITHIN).total_seconds(), exit=True)
    _thread.start_new_thread(_end_after, (bound, loop))


def _end_after(bound: timedelta, loop: asyncio.AbstractEventLoop) -> None:
    time.sleep(bound.total_seconds())
    telling = Thread(target=_tell, args=(bound, loop), daemon=True)
    telling.start()
    # Nobody may be there to take the line.
    telling.join(_LINE_WITHIN.total_seconds())
    os._exit(STATUS)


def _tell(bound: timedelta, loop: asyncio.AbstractEventLoop) -> None:
    logger.error("ended_by_force", seconds=bound.total_seconds(), unfinished=unfinished(loop))


def unfinished(loop: asyncio.AbstractEventLoop) -> list[str]:
    """What each task of the loop waits for, by the names of coroutines: the task's own first, the innermost last.

    Any thread may ask.
    """
    return sorted({" > ".join(_awaited(task.get_coro())) for task in asyncio.all_tasks(loop)})


def _awaited(coroutine: object) -> Iterator[str]:
    while name := getattr(coroutine, "__qualname__", None):
        yield name
        coroutine = getattr(coroutine, "cr_await", None)
