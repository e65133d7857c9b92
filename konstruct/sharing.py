"""What is much work for the database is done a few at a time for each tenant, so that none keeps the others waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from konstruct.errors import TooMany

AT_ONCE: Final = 3
"""Of one tenant in one process; each holds a connection of the pool."""
LONGEST_WAIT: Final = timedelta(seconds=10)

_rooms: Final[WeakValueDictionary[UUID, asyncio.Semaphore]] = WeakValueDictionary()


@asynccontextmanager
async def one_of_few(tenant_id: UUID, *, longest_wait: timedelta = LONGEST_WAIT) -> AsyncIterator[None]:
    """Waits for its turn, before a connection is taken. Raises TooMany for whom it does not come."""
    room = _rooms.setdefault(tenant_id, asyncio.Semaphore(AT_ONCE))
    try:
        async with asyncio.timeout(longest_wait.total_seconds()):
            await room.acquire()
    except TimeoutError:
        says = "Several reports or searches of this business are being made right now. Try again in a moment."
        raise TooMany(says, timedelta(seconds=5)) from None
    try:
        yield
    finally:
        room.release()
