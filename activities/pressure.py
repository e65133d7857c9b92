"""How busy this worker is: what can wait looks before it begins."""

import asyncio
from typing import Final

LOOK_SECONDS: Final = 0.05
BUSY_SECONDS: Final = 0.15
"""A loop that comes to a timer so late has no time to give away."""


async def is_busy() -> bool:
    """Whether the event loop comes late to what is due."""
    loop = asyncio.get_running_loop()
    due = loop.time() + LOOK_SECONDS
    await asyncio.sleep(LOOK_SECONDS)
    return loop.time() - due > BUSY_SECONDS
