"""F24: one business is written to many times as often as it may be, and the others must not feel it."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.history import Seen, Word
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Office, Person
from tests.faults.services import KONSTRUCT

TIMES_THE_LIMIT: Final = 50
A_SECOND: Final = 1.0
"""What the noisy business may be written to, and what the others are."""
WINDOW: Final = 20.0
"""Seconds of the limit: a refused person is told once in that time, at most."""
SENDERS: Final = 10
"""Of the noisy business. Others: two offices with as many between them."""
REFUSED: Final = "I could not take your message"
SLACK_OF_TIME: Final = 1.0
"""Seconds by which two sentences may come closer together than they were written."""
REFUSES_SILENTLY: Final = ("tests.faults.broken.refuses_silently",)


@dataclass
class Flood:
    """What the checker counts, and how those who were refused were told."""

    verdict: Verdict
    refused: int = 0
    told: int = 0
    calm_p95: float = 0.0
    """Seconds from a word of the others' to its answer, before the flood."""
    flooded_p95: float = 0.0
    untold: list[str] = field(default_factory=list)
    """People of whose words some were refused, and who never heard of it."""
    told_too_often: list[str] = field(default_factory=list)

    @property
    def amiss(self) -> dict[str, list[str]]:
        own = {"untold": self.untold, "told_too_often": self.told_too_often}
        return self.verdict.amiss | {name: found for name, found in own.items() if found}

    def counts(self) -> dict[str, object]:
        ratio = self.flooded_p95 / self.calm_p95 if self.calm_p95 else 0.0
        return self.verdict.counts() | {
            "refused": self.refused,
            "told": self.told,
            "others_p95_calm": round(self.calm_p95, 3),
            "others_p95_flooded": round(self.flooded_p95, 3),
            "others_p95_ratio": round(ratio, 2),
        }


async def flooded(seconds: int, seed: int, *, gateway: Sequence[str] = KONSTRUCT) -> Flood:
    """``seconds`` of calm, then as many of the flood."""
    async with open_lab(seed, people=SENDERS, gateways=(gateway,)) as lab:
        limits = {"contact": "100000/second", "connection": "100000/second"}
        most = round(A_SECOND * WINDOW)
        noisy = await lab.new_office(limits=limits | {"tenant": f"{most}/{WINDOW:.0f} seconds"})
        others = list(lab.crowd.people)
        # Caches are warm, and everybody's conversation is known.
        await asyncio.gather(*(person.say() for person in others))
        calm = await _talk(lab, others, seconds, random.Random(lab.chance.random()))
        flood = asyncio.create_task(_flood(lab, noisy, seconds))
        busy = await _talk(lab, others, seconds, random.Random(lab.chance.random()))
        await flood
        outcome = Flood(await lab.judged(within=180.0 + seconds))
        outcome.calm_p95, outcome.flooded_p95 = _p95(lab, calm), _p95(lab, busy)
        _count_refusals(lab, noisy, outcome)
        return outcome


async def _talk(lab: Lab, people: Sequence[Person], seconds: float, chance: random.Random) -> list[Word]:
    ends = time.monotonic() + seconds
    async with asyncio.TaskGroup() as saying:
        said = []
        while time.monotonic() < ends:
            said.append(saying.create_task(chance.choice(people).say()))
            await asyncio.sleep(chance.expovariate(A_SECOND))
    return [each.result() for each in said]


async def _flood(lab: Lab, noisy: Office, seconds: float) -> None:
    """At a steady pace, whatever becomes of it; each person's words one after the other."""
    senders = [lab.crowd.person(noisy) for _ in range(SENDERS)]
    lab.note(f"{noisy.slug} is written to {TIMES_THE_LIMIT} times as often as it may be")
    words = round(seconds * A_SECOND * TIMES_THE_LIMIT)
    began = time.monotonic()
    async with asyncio.TaskGroup() as saying:
        for number in range(words):
            saying.create_task(senders[number % SENDERS].say())
            due = began + (number + 1) / (A_SECOND * TIMES_THE_LIMIT)
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def _p95(lab: Lab, words: Sequence[Word]) -> float:
    answered = {mark: seen.at for seen in lab.history.seen if not seen.is_notice for mark in seen.marks}
    took = sorted(answered[word.mark] - word.said_at for word in words if word.mark in answered)
    return took[min(len(took) - 1, int(len(took) * 0.95))] if took else 0.0


def _count_refusals(lab: Lab, noisy: Office, outcome: Flood) -> None:
    answered = {mark for seen in lab.history.seen if not seen.is_notice for mark in seen.marks}
    refused: defaultdict[str, list[Word]] = defaultdict(list)
    for word in lab.history.words:
        if word.tenant == noisy.slug and word.taken_at is not None and word.mark not in answered:
            refused[word.thread].append(word)
    notices: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in sorted(lab.history.seen, key=lambda each: each.at):
        if seen.is_notice and REFUSED in seen.text:
            notices[seen.thread].append(seen)
    outcome.refused, outcome.told = sum(map(len, refused.values())), sum(map(len, notices.values()))
    outcome.untold = [thread for thread in refused if thread not in notices]
    for thread, told in notices.items():
        first_refused = min((word.said_at for word in refused[thread]), default=told[0].at)
        # As many as windows have begun since: how long each was on its way is not known.
        windows = 1 + int((told[-1].at - first_refused + SLACK_OF_TIME) / WINDOW)
        if len(told) > windows:
            outcome.told_too_often.append(f"{thread}: {len(told)} times in {windows} windows")


ENTRIES: Final = (
    Entry(
        "F24",
        f"A business is written to {TIMES_THE_LIMIT} times as often as it may be, for so many seconds",
        "Whoever is refused is told once a window, nothing that was taken is lost, and others wait little longer.",
        full=600,
        short=5,
        run=flooded,
        twin=partial(flooded, gateway=REFUSES_SILENTLY),
        twin_times=2,
    ),
)
