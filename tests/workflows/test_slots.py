"""What a worker takes on: as much as its loop keeps up with, so that the queue decides whose turn it is."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from workflows.slots import ALWAYS, KEEPS_UP, UnhurriedSlots

ASKED: Any = None
"""By whom and for what is no matter to these slots."""


def about(permit: object) -> Any:
    return SimpleNamespace(permit=permit)


async def taken_on(slots: UnhurriedSlots, count: int) -> list[object]:
    permits: list[object] = [await slots.reserve_slot(ASKED) for _ in range(count)]
    for permit in permits:
        slots.mark_slot_used(about(permit))
    return permits


async def test_more_is_taken_on_when_the_loop_keeps_up_again() -> None:
    slots, has_looked, is_busy = UnhurriedSlots(100), asyncio.Semaphore(0), True

    async def keep_busy() -> None:
        while is_busy:
            time.sleep(3 * KEEPS_UP)  # noqa: ASYNC251  # It is to hold the loop up.
            has_looked.release()
            await asyncio.sleep(0)

    busy = asyncio.create_task(keep_busy())
    await taken_on(slots, ALWAYS)
    assert slots.try_reserve_slot(ASKED) is None
    one_more = asyncio.create_task(slots.reserve_slot(ASKED))
    for _ in range(20):
        await has_looked.acquire()
    assert not one_more.done()

    is_busy = False
    await busy
    assert await one_more is not None


async def test_a_few_are_always_taken_on_and_never_more_than_may_be() -> None:
    slots = UnhurriedSlots(ALWAYS + 1)
    permits = await taken_on(slots, ALWAYS)
    assert await slots.reserve_slot(ASKED) is not None
    waiting = asyncio.create_task(slots.reserve_slot(ASKED))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done

    # What was reserved and never used, and what was used, are both free again.
    slots.release_slot(about(permits.pop()))
    assert await waiting is not None
