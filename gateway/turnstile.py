"""How much of one tenant's a gateway works on at once, so that a flood of one waits for itself and not in front of all.

Messages of one conversation wait for each other in the database, each with a connection of its own: without this, a
tenant that is written to very often would soon have all of the process's connections waiting there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from konstruct.errors import Unavailable

AT_ONCE: Final = 3
LONGEST_WAIT: Final = 2.0
"""Seconds. Slack waits for three until it delivers again, and what is done after that is done for nobody."""


class Turnstile:
    def __init__(self, *, at_once: int = AT_ONCE, longest_wait: float = LONGEST_WAIT) -> None:
        self._at_once = at_once
        self._longest_wait = longest_wait
        self._rooms: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def passed(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Raises Unavailable when those before it take too long: the channel delivers it again."""
        room = self._rooms.setdefault(tenant_id, asyncio.Semaphore(self._at_once))
        try:
            async with asyncio.timeout(self._longest_wait):
                await room.acquire()
        except TimeoutError:
            raise Unavailable("More comes in for this business at once than can be kept; it may come again.") from None
        try:
            yield
        finally:
            room.release()
