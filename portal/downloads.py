"""Documents that are made while they go out, however large they are: a few at a time, and none for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from starlette.responses import StreamingResponse

from konstruct.errors import TooMany

AT_ONCE: Final = 4
LONGEST: Final = timedelta(hours=1)
_PIECE: Final = 32_000

_room: Final = asyncio.Semaphore(AT_ONCE)


def download(pieces: AsyncIterator[str], name: str, media_type: str) -> StreamingResponse:
    """Whatever goes wrong on the way cuts the document off, so that nobody takes it for whole. Raises TooMany."""
    if _room.locked():
        raise TooMany("Several exports are being made right now. Try again in a minute.", timedelta(minutes=1))
    headers = {"content-disposition": f'attachment; filename="{name}"', "x-accel-buffering": "no"}
    return StreamingResponse(_gathered(pieces), headers=headers, media_type=media_type)


async def _gathered(pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """In pieces that are worth their way."""
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
