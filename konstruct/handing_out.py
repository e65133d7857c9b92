"""Documents that are made while they go out, however large they are: a few at a time, and none for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from konstruct.errors import TooMany

AT_ONCE: Final = 4
"""In one process; each may hold a connection to the database as long as somebody reads."""
LONGEST: Final = timedelta(hours=1)
_PIECE: Final = 32_000
"""Characters that are worth their way."""

_room: Final = asyncio.Semaphore(AT_ONCE)


def begun(pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """What goes wrong on the way cuts the document off, so that nobody takes it for whole. Raises TooMany."""
    if _room.locked():
        raise TooMany("Several exports are being made right now. Try again in a minute.", timedelta(minutes=1))
    return _gathered(pieces)


async def _gathered(pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async with _room, asyncio.timeout(LONGEST.total_seconds()):
        waiting: list[str] = []
        size = 0
        async for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= _PIECE:
                yield "".join(waiting).encode()
                waiting, size = [], 0
        yield "".join(waiting).encode()
