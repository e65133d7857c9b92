"""How many calls a worker takes on: as many as it can make without keeping any of them waiting, and no more."""

import asyncio
from typing import Final

from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

ALWAYS: Final = 4
"""As many are under way whatever the loop says, since it may be others who keep the machine busy."""
KEEPS_UP: Final = 0.010
"""Seconds that a loop which keeps up is late at most. A thread that runs a workflow may hold the interpreter for five
milliseconds before the loop has it again."""
_LOOKS_FOR: Final = 0.005


class UnhurriedSlots(CustomSlotSupplier):
    """Takes on one more call when the event loop keeps up with those that are under way.

    They share the loop: with a hundred of one tenant under way, another tenant's is a hundred times slower. What is not
    taken on waits with the server, who lets all tenants have their turns. Those that wait for a model take nothing of
    the loop, so that many of them can be under way.
    """

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._reserved: set[SlotPermit] = set()
        self._under_way: set[SlotPermit] = set()
        self._line = asyncio.Lock()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        # One after the other, so that all who wait do not find room at once that is there for one.
        async with self._line:
            late: float | None = None
            while not self._has_room(late):
                late = await _lateness()
            permit = SlotPermit()
            self._reserved.add(permit)
            return permit

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """None: this is for what comes along with the answer to a workflow's task, and no call of ours does."""
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self._under_way.add(ctx.permit)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self._under_way.discard(ctx.permit)
        self._reserved.discard(ctx.permit)

    def _has_room(self, late: float | None) -> bool:
        """``late``: None where nobody has looked yet."""
        if len(self._reserved) >= self._at_most:
            return False
        return len(self._under_way) < ALWAYS or (late is not None and late < KEEPS_UP)


async def _lateness() -> float:
    """Seconds after the moment at which the loop was to come back here."""
    loop = asyncio.get_running_loop()
    due = loop.time() + _LOOKS_FOR
    await asyncio.sleep(_LOOKS_FOR)
    return loop.time() - due


def tuner(*, workflow_tasks: int, calls: int) -> WorkerTuner:
    """At most so many at once, of each."""
    none = FixedSizeSlotSupplier(1)
    return WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(workflow_tasks),
        activity_supplier=UnhurriedSlots(calls),
        local_activity_supplier=none,
        nexus_supplier=none,
    )
