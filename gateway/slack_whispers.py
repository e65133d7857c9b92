"""What one person alone is told, after Slack was answered: a card or a thread is everybody's."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Whispers:
    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, whisper: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(whisper)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
