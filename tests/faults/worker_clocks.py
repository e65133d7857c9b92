"""F12, of workers: two of them whose clocks are wrong, each by an hour and the other way."""

import asyncio
from collections import Counter
from functools import partial
from typing import Final

from tests.faults.catalogue import Entry, Tally
from tests.faults.in_the_worker import calls_of
from tests.faults.lab import open_lab
from tests.faults.off_clock import off_by
from tests.faults.services import KONSTRUCT

HOUR: Final = 3600.0
REFUSES_WHAT_SEEMS_OLD: Final = ("tests.faults.broken.refuses_what_seems_old", "konstruct")


async def clock_off(words: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT) -> Tally:
    """One worker is an hour early and one an hour late, and now and then either is killed.

    No short form: it shows something only over many words.
    """
    within = 180.0 if worker is KONSTRUCT else 40.0
    async with open_lab(seed, workers=(off_by(HOUR, worker), off_by(-HOUR, worker))) as lab:
        talking = asyncio.create_task(lab.crowd.talk(words, lab.chance, a_second=8.0))
        for _ in range(words // 50):
            await asyncio.sleep(lab.chance.uniform(3.0, 6.0))
            victim = lab.chance.choice(lab.deployment.workers)
            await victim.kill()
            lab.note(f"{victim.name} was killed, whose clock is off")
        await talking
        await lab.all_ready()
        verdict = await lab.judged(within=within)
        calls = calls_of(lab)
        spent = Counter(call.outcome for call in lab.models.calls)
        # Each word is asked about once; and whatever was cut off, once more.
        storm = calls.total() > 3 * words
        return Tally.beside(
            verdict,
            {"calls": len(lab.models.calls), "calls_by_outcome": dict(spent)},
            {
                "unanswered": [f"{verdict.told} were only told"] if verdict.told else [],
                "storm": [f"{calls.total()} calls for {words} words"] if storm else [],
            },
        )


ENTRIES: Final = (
    Entry(
        "F12-worker",
        "The clocks of two workers are an hour early and an hour late",
        "Nothing is lost, nothing is answered twice, and nothing is done over and over.",
        full=500,
        short=0,
        run=clock_off,
        twin=partial(clock_off, worker=REFUSES_WHAT_SEEMS_OLD),
        # A word or two might each come to the worker whose clock is late.
        twin_times=20,
    ),
)
