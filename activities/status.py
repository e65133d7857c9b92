"""What a channel shows while an employee thinks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from konstruct.ports import ChannelAccount, Messenger, Thread

# A reply that comes soon needs no sign that somebody is at work; each sign costs four calls to the channel.
STATUS_AFTER_SECONDS = 0.5


@dataclass
class Status:
    is_shown: bool = False


@asynccontextmanager
async def thinking_shown(messenger: Messenger, account: ChannelAccount, thread: Thread) -> AsyncIterator[Status]:
    """Shows in the channel that somebody is at work, unless the answer is there at once."""
    status = Status()

    async def show() -> None:
        await asyncio.sleep(STATUS_AFTER_SECONDS)
        status.is_shown = True
        await messenger.show_thinking(account, thread)

    showing = asyncio.create_task(show())
    try:
        yield status
    finally:
        if status.is_shown:
            # Not cancelled half-way: a status that arrives after the reply would stay.
            await asyncio.wait([showing])
        else:
            showing.cancel()
