"""Trials of gateways on a lab of their own, or on one that several share, one after the other."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from tests.faults.catalogue import Outcome
from tests.faults.lab import Lab, open_lab
from tests.faults.services import KONSTRUCT

STRIPE_SECRET: Final = "whsec_of_the_fault_suite"
PEOPLE: Final = 10
CALLERS: Final = 10


def gateways_lab(
    seed: int, gateway: Sequence[str] = KONSTRUCT, *, gateways: int = 2
) -> AbstractAsyncContextManager[Lab]:
    return open_lab(seed, people=0, gateways=(gateway,) * gateways, stripe_webhook_secret=STRIPE_SECRET)


@dataclass(frozen=True)
class OnLab:
    """A trial whose gateways all run the same."""

    carry_out: Callable[[Lab, int], Awaitable[Outcome]]
    gateway: tuple[str, ...] = KONSTRUCT

    async def __call__(self, times: int, seed: int) -> Outcome:
        async with gateways_lab(seed, self.gateway) as lab:
            return await self.on(lab, times, seed)

    async def on(self, lab: Lab, times: int, seed: int) -> Outcome:
        """With people whom nobody knows yet; what earlier trials left is no part of this one."""
        lab.chance.seed(seed)
        lab.history.seed = seed
        for kept in (lab.history.words, lab.history.faults, lab.crowd.people, lab.crowd.callers):
            kept.clear()
        for number in range(PEOPLE):
            lab.crowd.person(lab.offices[number % len(lab.offices)])
        for number in range(CALLERS):
            lab.caller(lab.offices[number % len(lab.offices)])
        await gateways_become(lab, self.gateway)
        return await self.carry_out(lab, times)


async def gateways_become(lab: Lab, *commands: Sequence[str]) -> None:
    """From now on the first gateway is the first of these, and so on, in turn. Returns when they are."""
    changed = []
    for gateway, command in zip(lab.deployment.gateways, cycle(commands), strict=False):
        program = (sys.executable, "-m", *command, "gateway")
        if tuple(gateway.program.command) != program:
            gateway.become(program)
            changed.append(gateway)
    await asyncio.gather(*(gateway.kill() for gateway in changed))
    await lab.all_ready()
