"""Documents that are made while they go out, however large they are: a few at a time, and none for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from konstruct.errors import TooMany

AT_ONCE: Final = 8
"""In one process; each may hold a connection to the database as long as somebody reads."""
OF_ONE: Final = 3
"""Of these, so many for one tenant, so that none keeps the others from theirs."""
LONGEST: Final = timedelta(hours=1)
SLOWEST: Final = timedelta(minutes=1)
"""For one piece: who takes longer to read it does not read any more."""
_PIECE: Final = 32_000
"""Characters that are worth their way."""

_room: Final = asyncio.Semaphore(AT_ONCE)
_rooms: Final[WeakValueDictionary[UUID, asyncio.Semaphore]] = WeakValueDictionary()


def begun(tenant_id: UUID, pieces: AsyncIterator[str], *, slowest: timedelta = SLOWEST) -> AsyncIterator[bytes]:
    """What goes wrong on the way cuts the document off, so that nobody takes it for whole. Raises TooMany."""
    own = _rooms.setdefault(tenant_id, asyncio.Semaphore(OF_ONE))
    if own.locked() or _room.locked():
        raise TooMany("Several exports are being made right now. Try again in a minute.", timedelta(minutes=1))
    return _gathered(own, pieces, slowest.total_seconds())


async def _gathered(own: asyncio.Semaphore, pieces: AsyncIterator[str], slowest: float) -> AsyncIterator[bytes]:
    async with own, _room, asyncio.timeout(LONGEST.total_seconds()):
        waiting: list[str] = []
        size = 0
        async for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= _PIECE:
                # It is for as long as the last piece is on its way that this stands still.
                async with asyncio.timeout(slowest):
                    yield "".join(waiting).encode()
                waiting, size = [], 0
        yield "".join(waiting).encode()
