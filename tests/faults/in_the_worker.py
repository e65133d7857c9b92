"""F3, F4 and F23: workers that are killed at their work, are late with it, or choke on what somebody said."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from konstruct import poison
from tests.faults.catalogue import Entry, Tally
from tests.faults.checker import Verdict
from tests.faults.dying import AFTER, BEFORE, KILLS, RAISES, deaths, dying, pointed, tries
from tests.faults.history import MARK, Word
from tests.faults.lab import Lab, open_lab
from tests.faults.late import has_begun, late, stands_still
from tests.faults.people import Person, answer
from tests.faults.services import KONSTRUCT
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour, Fault
from tests.support.processes import until

AT_ONCE: Final = 5
"""Turns that are under way when a worker is killed."""
SENDS_AT_ONCE: Final = 3
"""Of each kind; each kills the worker that the others are with, too."""
MOST_CALLS: Final = 2
"""Of a model for one word: the one that was cut off, and the one that was answered."""
MOST_TRIES: Final = 5

BEGUN_IS_DONE: Final = ("tests.faults.broken.begun_is_done",)
SENDS_BLINDLY: Final = ("tests.faults.broken.sends_blindly",)
FORGETS_WHAT_IT_SAYS: Final = ("tests.faults.broken.forgets_what_it_says",)
RETRIES_FOR_EVER: Final = ("tests.faults.broken.retries_for_ever",)


async def killed_while_it_thinks(count: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT) -> Tally:
    """So many calls of a model are cut off by the death of the worker that made them, some at a time. No short form, as
    with ``killed_while_it_sends``."""
    within = 180.0 if worker is KONSTRUCT else 40.0
    async with open_lab(seed, people=AT_ONCE, workers=(worker,)) as lab:
        for first in range(0, count, AT_ONCE):
            words = [f"held-{number:05}" for number in range(first, min(first + AT_ONCE, count))]
            hangs = Behaviour(answer=answer, fault=Fault.HANG_BEFORE_FIRST_TOKEN)
            for word in words:
                lab.models.when("anthropic", word, hangs)
            await _said(lab.crowd.people, words)
            await until(partial(_are_heard, lab, words), timeout=120)
            await lab.deployment.workers[0].kill()
            lab.note(f"the worker was killed with {len(words)} calls under way")
            await lab.come_to_rest(within)
        verdict = await lab.judged(within=within)
        calls = calls_of(lab)
        return Tally.beside(
            verdict,
            {"most_calls_for_a_word": max(calls.values(), default=0), "calls": calls.total()},
            {
                "unanswered": [f"{verdict.told} were only told"] if verdict.told else [],
                "too_many_calls": [mark for mark, many in calls.items() if many > MOST_CALLS],
            },
        )


def _are_heard(lab: Lab, words: Sequence[str]) -> bool:
    """Whether a model is asked about all of them by now."""
    asked = " ".join(str(call.messages[-1:]) for call in lab.models.calls)
    return all(word in asked for word in words)


def calls_of(lab: Lab) -> Counter[str]:
    """By mark, how often a model was asked about it."""
    return Counter(mark for call in lab.models.calls for mark in MARK.findall(answer(call.messages)))


async def _said(people: Sequence[Person], texts: Sequence[str]) -> list[Word]:
    return await asyncio.gather(*(person.say(text) for person, text in zip(people, texts, strict=False)))


@asynccontextmanager
async def _a_folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="konstruct-faults-") as made:
        yield Path(made)


async def killed_while_it_sends(
    count: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT, within: float = 180.0
) -> Tally:
    """Each of so many answers kills the worker that is about to hand it to Slack; and each of as many the one that has
    done so, and has not put it down yet.

    No short form: tests/acceptance has one of each, and a death takes long to be noticed.
    """
    async with _a_folder() as folder, open_lab(seed, people=2 * SENDS_AT_ONCE, workers=(dying(folder, worker),)) as lab:
        lab.models.always("anthropic", Behaviour(answer=pointed))
        for first in range(0, count, SENDS_AT_ONCE):
            many = min(SENDS_AT_ONCE, count - first)
            await _said(lab.crowd.people, [BEFORE] * many + [AFTER] * many)
            await lab.come_to_rest(within)
        for point in (BEFORE, AFTER):
            for _ in range(deaths(folder, point)):
                lab.note(f"the worker killed itself: {point}")
        verdict = await lab.judged(within=within)
        died = {point: deaths(folder, point) for point in (BEFORE, AFTER)}
        return Tally.beside(
            verdict,
            {"died_before": died[BEFORE], "died_after": died[AFTER]},
            {
                "unanswered": [f"{verdict.told} were only told"] if verdict.told else [],
                "untried": [f"{point}: {died[point]} of {count}" for point in died if died[point] < count],
            },
        )


async def begun_late(count: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT, within: float = 180.0) -> Tally:
    """In each of so many conversations: two words, of which the second cuts the turn of the first off before it has
    begun; it begins all the same, while Slack has the answer to both and has not said so. Then another word."""
    async with _a_folder() as folder, open_lab(seed, people=0, workers=(late(folder, worker),)) as lab:
        for first in range(0, count, AT_ONCE):
            many = range(first, min(first + AT_ONCE, count))
            people = [lab.crowd.person(lab.offices[number % len(lab.offices)]) for number in many]
            await asyncio.gather(*(_cut_off(lab, folder, person) for person in people))
            lab.note(f"{len(people)} turns began late")
        verdict = await lab.judged(within=within)
        return Tally.beside(verdict, {}, {"unanswered": [f"{verdict.told} were only told"] if verdict.told else []})


async def _cut_off(lab: Lab, folder: Path, person: Person) -> None:
    may_be_known = lab.slack.hold_next(f"chat.postMessage {person.channel}", accepted=True)
    await person.say()
    conversation_id = await lab.administrator.fetchval(
        "select id::text from conversations where channel = $1", person.channel
    )
    await until(stands_still(folder, conversation_id).exists, timeout=120)
    await person.say()
    await until(has_begun(folder, conversation_id).exists, timeout=120)
    may_be_known.set()
    await person.say()


async def poisoned(count: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT, waves_of: int = AT_ONCE) -> Tally:
    """People say what no worker can handle, every second time what ends its process; others talk all the while.

    The short form has only what fails, since each death takes as long as it is to be noticed.
    """
    async with _a_folder() as folder, open_lab(seed, people=6, workers=(dying(folder, worker),)) as lab:
        others, stop = list(lab.crowd.people), asyncio.Event()
        talking = asyncio.create_task(_chat(others, lab.chance, stop))
        said: list[Word] = []
        for first in range(0, count, waves_of):
            numbers = range(first, min(first + waves_of, count))
            people = [lab.crowd.person(lab.offices[number % len(lab.offices)]) for number in numbers]
            said += await _said(people, [KILLS if number % 2 else RAISES for number in numbers])
            lab.note(f"{len(numbers)} said what cannot be handled")
            await _set_aside(lab, folder, len(said))
        stop.set()
        await talking
        # What is tried for ever comes to no rest.
        verdict = await lab.judged(within=180.0 if worker is KONSTRUCT else 20.0)
        return await _judged(lab, verdict, folder, said, others)


async def _chat(people: Sequence[Person], chance: random.Random, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await chance.choice(people).say()
        await asyncio.sleep(chance.uniform(0.5, 1.5))


async def _set_aside(lab: Lab, folder: Path, count: int) -> None:
    """Until so many messages are set aside, or one was tried too often, or the time is over."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        many = await lab.administrator.fetchval("select count(*) from messages where state = 'quarantined'")
        if many >= count or max(Counter(tries(folder)).values(), default=0) > MOST_TRIES:
            return
        await asyncio.sleep(0.2)


async def _judged(lab: Lab, verdict: Verdict, folder: Path, said: Sequence[Word], others: Sequence[Person]) -> Tally:
    rows = await lab.administrator.fetch(
        "select t.slug, count(*) from messages m join tenants t on t.id = m.tenant_id where m.state = 'quarantined'"
        " group by t.slug"
    )
    aside = {row[0]: row[1] for row in rows}
    events = await lab.administrator.fetchval("select count(*) from audit_events where action = 'message.quarantined'")
    told = {seen.thread for seen in lab.history.seen if poison.TOLD in seen.text}
    examined = await konstruct("doctor", env=lab.deployment.env)
    shown = {line for line in examined.said.splitlines() if "set aside since" in line}
    by_mark = Counter(tries(folder))
    threads = {person.channel for person in others}
    answered = {mark for seen in lab.history.seen if not seen.is_notice for mark in seen.marks}
    counted = {
        "set_aside": sum(aside.values()),
        "tries": by_mark.total(),
        "most_tries": max(by_mark.values(), default=0),
        "deaths_of_the_worker": lab.deployment.workers[0].deaths,
    }
    found = {
        "tried_too_often": [mark for mark, many in by_mark.items() if many > MOST_TRIES],
        "not_set_aside": [f"{sum(aside.values())} of {len(said)}"] if sum(aside.values()) != len(said) else [],
        "not_in_the_trail": [f"{events} of {len(said)}"] if events != len(said) else [],
        "not_told": [word.mark for word in said if word.thread not in told],
        "not_shown": [
            slug
            for slug, many in aside.items()
            if not any(slug in line and f"{many} set aside" in line for line in shown)
        ],
        "others_unanswered": [
            word.mark
            for word in lab.history.words
            if word.thread in threads and word.taken_at is not None and word.mark not in answered
        ],
    }
    return Tally.beside(verdict, counted, found)


ENTRIES: Final = (
    Entry(
        "F3",
        "A worker is killed while models think about what it asked",
        "All of it is answered once, and no model is asked about it more than twice.",
        full=100,
        short=0,
        run=killed_while_it_thinks,
        twin=partial(killed_while_it_thinks, worker=BEGUN_IS_DONE),
    ),
    Entry(
        "F4",
        "A worker is killed before an answer reaches Slack, and after it did and before that is put down",
        "Nothing is lost; nothing is sent again without a look, and what may be a repetition says so.",
        full=100,
        short=0,
        run=killed_while_it_sends,
        twin=partial(killed_while_it_sends, worker=SENDS_BLINDLY, within=60.0),
    ),
    Entry(
        "F4-late",
        "A turn that was cut off before it began does so while the next one's answer is being sent",
        "Nothing is lost, and nothing is thought of again that is being answered.",
        full=50,
        short=2,
        run=begun_late,
        twin=partial(begun_late, worker=FORGETS_WHAT_IT_SAYS, within=40.0),
    ),
    Entry(
        "F23",
        "A message fails whatever works on it, or ends the whole process, every time",
        "It is set aside after five tries at most, said so to the contact and shown; all others are answered.",
        full=50,
        short=1,
        run=poisoned,
        twin=partial(poisoned, worker=RETRIES_FOR_EVER),
    ),
)
