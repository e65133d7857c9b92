"""F1: gateways that are killed while people write."""

import asyncio
from functools import partial
from typing import Final

from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.lab import Lab, open_lab
from tests.faults.services import KONSTRUCT

WORDS_A_FAULT: Final = 40
A_SECOND: Final = 12.0
ACKNOWLEDGES_FIRST: Final = ("tests.faults.broken.acknowledges_first",)


async def killed(kills: int, seed: int, *, gateway: tuple[str, ...] = KONSTRUCT) -> Verdict:
    async with open_lab(seed, gateways=(gateway, gateway)) as lab:
        talking = asyncio.create_task(lab.crowd.talk(kills * WORDS_A_FAULT, lab.chance, a_second=A_SECOND))
        for _ in range(kills):
            await _kill_one(lab)
        await talking
        await lab.all_ready()
        return await lab.judged()


async def _kill_one(lab: Lab) -> None:
    await asyncio.sleep(lab.chance.uniform(0.2, 0.8) * WORDS_A_FAULT / A_SECOND)
    victim = lab.chance.choice(lab.deployment.gateways)
    await victim.kill()
    lab.note(f"{victim.name} was killed")


ENTRIES: Final = (
    Entry(
        "F1",
        "A gateway is killed at a random moment while people write",
        "Nothing that was acknowledged is lost, and nothing is answered twice.",
        full=50,
        short=4,
        run=killed,
        twin=partial(killed, gateway=ACKNOWLEDGES_FIRST),
    ),
)
