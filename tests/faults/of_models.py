"""F8: models that hang, refuse, break off, or answer what cannot be used; and a neighbour who is not to notice."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Final

from tests.faults.catalogue import Entry, Tally
from tests.faults.history import History, Word
from tests.faults.lab import SECOND_MODEL, Lab, open_lab
from tests.faults.people import Person, answer
from tests.faults.services import KONSTRUCT
from tests.support.model_doubles import Behaviour, Fault, Json

EMPLOYEE: Final = {"name": "Ada", "role": "Front desk", "system_prompt": "Be helpful."}
TOLD_WITHIN: Final = 60.0
SLOWED_BY: Final = 1.2
FALLS_SILENT: Final = ("tests.faults.broken.falls_silent",)
AT_ONCE: Final = 10
HUGE: Final = 5 * 2**20


def _huge(messages: list[Json]) -> str:
    return answer(messages) + " and so on" * (HUGE // 10)


WELL: Final = "answers"
"""What the others are held against: as many write at once, and nothing is wrong with their model."""
FAULTS: Final[dict[str, Behaviour]] = {
    "hangs": Behaviour(answer=answer, fault=Fault.HANG_BEFORE_HEADERS),
    "turns-away": Behaviour(answer=answer, fault=Fault.RATE_LIMITED),
    "breaks": Behaviour(answer=answer, fault=Fault.SERVER_ERROR),
    "is-cut": Behaviour(answer=answer, fault=Fault.CUT),
    "runs-on": Behaviour(answer=_huge),
    "calls-nonsense": Behaviour(answer=answer, calls=[("current_time", "{not json")]),
}


async def of_models(count: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT) -> Tally:
    """Each of the six faults so many times, some at a time, while a neighbour with another model is answered.

    No short form: each of these is tried on its own in tests/acceptance, and here they take their time.
    """
    within = 180.0 if worker is KONSTRUCT else 60.0
    async with open_lab(seed, offices=0, people=0, workers=(worker,)) as lab:
        office = await lab.new_office(employees={"front": EMPLOYEE | {"tools": [{"name": "current_time"}]}})
        neighbour = await lab.new_office(models=[SECOND_MODEL])
        theirs = [lab.crowd.person(office) for _ in range(AT_ONCE)]
        others = [lab.crowd.person(neighbour) for _ in range(AT_ONCE)]
        heard = defaultdict[str, list[float]](list)
        for first in range(0, count, AT_ONCE):
            many = min(AT_ONCE, count - first)
            # By turns, so that what grows with time, as the neighbours' conversations do, weighs on all of them alike.
            for name, behaviour in {WELL: Behaviour(answer=answer), **FAULTS}.items():
                troubled = _troubled(lab, theirs[:many], name, behaviour, within)
                heard[name] += await _while(lab, others, troubled)
        verdict = await lab.judged(within=within)
        told = _seconds(lab.history, office.slug)
        late = [f"{mark} after {seconds:.0f} s" for mark, seconds in told.items() if seconds > TOLD_WITHIN]
        neighbours = {name: _ninety_fifth(each) for name, each in heard.items()}
        slowed = [name for name, seconds in neighbours.items() if seconds > SLOWED_BY * neighbours[WELL]]
        stuck = [f"{verdict.told} were only told"] if verdict.told else []
        return Tally.beside(
            verdict,
            {f"neighbour_95th_{name}": seconds for name, seconds in neighbours.items()},
            {"told_too_late": late, "stuck": stuck, "neighbour_slowed": slowed},
        )


async def _troubled(lab: Lab, people: Sequence[Person], name: str, behaviour: Behaviour, within: float) -> None:
    """The next call about each of their words goes so; the ones after it go well."""
    words = [f"{name}-{lab.chance.randrange(10**9):09}" for _ in people]
    for word in words:
        lab.models.when("anthropic", word, behaviour)
        if name != WELL:
            lab.note(f"a model {name}")
    await asyncio.gather(*(person.say(word) for person, word in zip(people, words, strict=True)))
    await lab.come_to_rest(within)


async def _while(lab: Lab, neighbours: Sequence[Person], going_on: Coroutine[object, object, None]) -> list[float]:
    """How long each word of the neighbours' took meanwhile, from when it was said to when its answer stood there."""
    stop, said = asyncio.Event(), list[Word]()
    talking = asyncio.create_task(_talk(neighbours, lab.chance, stop, said))
    try:
        await going_on
    finally:
        stop.set()
        await talking
    await lab.come_to_rest(60)
    answered = _answered_at(lab.history)
    return [answered[word.mark] - word.said_at for word in said if word.mark in answered]


async def _talk(people: Sequence[Person], chance: random.Random, stop: asyncio.Event, said: list[Word]) -> None:
    while not stop.is_set():
        said.append(await chance.choice(people).say())
        await asyncio.sleep(chance.uniform(0.2, 0.6))


def _answered_at(history: History) -> dict[str, float]:
    at: dict[str, float] = {}
    for seen in history.seen:
        for mark in () if seen.is_notice else seen.marks:
            at[mark] = min(at.get(mark, seen.at), seen.at)
    return at


def _seconds(history: History, tenant: str) -> dict[str, float]:
    """By mark, until the contact was answered, or told that it takes longer."""
    answered = _answered_at(history)
    found = {}
    for word in history.words:
        if word.tenant == tenant and word.taken_at is not None:
            notices = [
                seen.at
                for seen in history.seen
                if seen.is_notice and seen.thread == word.thread and seen.at > word.taken_at
            ]
            ends = [*notices, *([answered[word.mark]] if word.mark in answered else [])]
            found[word.mark] = min(ends, default=float("inf")) - word.taken_at
    return found


def _ninety_fifth(seconds: Sequence[float]) -> float:
    ordered = sorted(seconds)
    return round(ordered[int(len(ordered) * 0.95)], 3) if ordered else 0.0


ENTRIES: Final = (
    Entry(
        "F8",
        "A model hangs, turns away, breaks, is cut off, answers 5 MB, or calls a tool with what is no JSON",
        "All is answered, whoever waits is told within a minute, and a neighbour hardly notices.",
        full=100,
        short=0,
        run=of_models,
        twin=partial(of_models, worker=FALLS_SILENT),
    ),
)
