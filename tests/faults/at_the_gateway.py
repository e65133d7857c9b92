"""F1 and F2: gateways that die while people write, at any moment and at those that matter most."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from tests.faults.catalogue import Entry, Outcome, Tally
from tests.faults.lab import Lab
from tests.faults.sharing import OnLab
from tests.faults.stopping import POINTS, Point, falling

A_SECOND: Final = 12.0
MEANWHILE_A_SECOND: Final = 2.0
MOST_WORDS: Final = 100_000
MANY: Final = 20
"""From so many kills on there are as many words to each as the catalogue wants."""
FALLS_AT_ONCE: Final = 2
"""Two that are at it in the same process fall together, and that is one fall."""
KEEPS_FIRST: Final = ("tests.faults.stopping", "konstruct")
ACKNOWLEDGES_FIRST: Final = ("tests.faults.stopping", "tests.faults.broken.acknowledges_first")
DEDUPLICATES_IN_REDIS: Final = ("tests.faults.stopping", "tests.faults.broken.deduplicates_in_redis")


async def killed(lab: Lab, kills: int) -> Outcome:
    words_a_kill = 200 if kills >= MANY else 30
    talking = asyncio.create_task(lab.crowd.talk(kills * words_a_kill, lab.chance, a_second=A_SECOND))
    for _ in range(kills):
        await _kill_one(lab, words_a_kill / A_SECOND)
    await talking
    await lab.all_ready()
    return await lab.judged()


async def _kill_one(lab: Lab, seconds: float) -> None:
    await asyncio.sleep(lab.chance.uniform(0.2, 0.8) * seconds)
    victim = lab.chance.choice(lab.deployment.gateways)
    await victim.kill()
    lab.note(f"{victim.name} was killed")


async def fell(lab: Lab, times: int, points: Sequence[Point] = POINTS) -> Outcome:
    """Each word kills the gateway that it comes to first, ``times`` at each point; others talk meanwhile."""
    deaths = _deaths(lab)
    falls = [falling(point) for point in points for _ in range(times)]
    lab.chance.shuffle(falls)
    waiting = iter(falls)

    async def say_some() -> None:
        for words in waiting:
            await lab.chance.choice(lab.crowd.writers).say(words)
            lab.note(words)

    are_over = asyncio.Event()
    talking = asyncio.create_task(lab.crowd.talk(MOST_WORDS, lab.chance, a_second=MEANWHILE_A_SECOND, stop=are_over))
    await asyncio.gather(*(say_some() for _ in range(FALLS_AT_ONCE)))
    are_over.set()
    await talking
    await lab.all_ready()
    verdict = await lab.judged()
    fallen = _deaths(lab) - deaths
    stood = [] if fallen * FALLS_AT_ONCE >= len(falls) else [f"{fallen} gateways fell for {len(falls)} words"]
    return Tally.beside(verdict, {"points": len(points), "gateways_fallen": fallen}, {"stood": stood})


# What is not durable when it falls is all that these two lose.
fell_before_commit: Final = partial(fell, points=("before_commit",))


def _deaths(lab: Lab) -> int:
    return sum(gateway.deaths for gateway in lab.deployment.gateways)


ENTRIES: Final = (
    Entry(
        "F1",
        "A gateway is killed at a random moment while people write, and a tenth of what they write comes several times",
        "Nothing that was acknowledged is lost, and nothing is answered twice.",
        full=50,
        short=1,
        run=OnLab(killed),
        # Killed at random, it might happen to be at nothing each time.
        twin=OnLab(fell_before_commit, ACKNOWLEDGES_FIRST),
    ),
    Entry(
        "F2",
        "A gateway dies with a message written and not committed; committed, and nobody told; told, and the channel not"
        " answered; answered, and nobody told",
        "Nothing that was acknowledged is lost, and nothing is answered twice.",
        full=200,
        short=1,
        run=OnLab(fell, KEEPS_FIRST),
        twin=OnLab(fell_before_commit, DEDUPLICATES_IN_REDIS),
    ),
)
