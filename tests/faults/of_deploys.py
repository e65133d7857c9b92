"""F22: workers that are restarted, replaced, rolled back and lost while people write."""

import asyncio
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.faults import tasks
from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Person, answer
from tests.faults.services import KONSTRUCT
from tests.faults.tasks import Tasks
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour, Fault

NEXT: Final = ("tests.faults.builds.next_build",)
UNGATED: Final = ("tests.faults.broken.ungated_build",)
ROAMING: Final = ("tests.faults.broken.roaming_build",)
Command = tuple[str, ...]
MANY: Final = 10
"""From so many faults on there are a thousand people, as is promised; for fewer, a few."""
A_SECOND: Final = 12.0
MOST_WORDS: Final = 100_000
AT_ONCE: Final = 20
PATIENCE: Final = 10.0
"""Seconds between two looks at whether somebody is stuck."""


@dataclass
class Deployed:
    verdict: Verdict
    failed_tasks: list[str]
    split_turns: list[str]
    runs_of: Counter[str]

    @property
    def amiss(self) -> dict[str, list[str]]:
        own = {"failed_tasks": self.failed_tasks, "split_turns": self.split_turns}
        return self.verdict.amiss | {name: found for name, found in own.items() if found}

    def counts(self) -> dict[str, object]:
        return self.verdict.counts() | {
            "failed_tasks": len(self.failed_tasks),
            "split_turns": len(self.split_turns),
            "runs_of_builds": dict(self.runs_of),
        }


async def restarted(restarts: int, seed: int, *, becomes: Command = KONSTRUCT) -> Deployed:
    """One worker after the other ends as it is told to, and comes back."""
    people = 1_000 if restarts >= MANY else 8
    async with open_lab(seed, people=people, workers=(KONSTRUCT, KONSTRUCT)) as lab:
        await _all_speak(lab)
        talking = asyncio.create_task(lab.crowd.talk(3 * people, lab.chance, a_second=A_SECOND))
        for number in range(restarts):
            worker = lab.deployment.workers[number % 2]
            worker.become((sys.executable, "-m", *becomes, "worker"))
            await worker.kill(signal.SIGTERM)
            lab.note(f"{worker.name} was restarted")
            await worker.ready()
        await talking
        if becomes != KONSTRUCT:
            # What the others still know by heart, this one has to go on with.
            for worker in lab.deployment.workers:
                await worker.stop()
            await lab.deployment.add_worker(becomes)
        await _all_speak(lab)
        return await _judged(lab)


async def replaced(deploys: int, seed: int, *, first: Command = KONSTRUCT, other: Command = NEXT) -> Deployed:
    """A build is started beside the one before, which is left, and ended. Every second one is gone back from."""
    async with open_lab(seed, people=8, workers=()) as lab:
        commands, current = {"b0": first}, "b0"
        await _start(lab, "b0", first)
        await _all_speak(lab)
        are_over = asyncio.Event()
        talking = asyncio.create_task(lab.crowd.talk(MOST_WORDS, lab.chance, a_second=A_SECOND / 4, stop=are_over))
        for number in range(1, deploys + 1):
            fresh = f"b{number}"
            commands[fresh] = other if commands[current] is first else first
            await _start(lab, fresh, commands[fresh])
            lab.note(f"{fresh} took the place of {current}")
            left = current
            if number % 2 == 0:
                await _deploy(lab, "rollback")
                lab.note(f"{fresh} was gone back from")
                left = fresh
            else:
                current = fresh
            await _deploy(lab, "drain", left)
            await _end(lab, left)
            # Each has something to say to the one that is left.
            await _all_speak(lab)
        are_over.set()
        await talking
        return await _judged(lab)


async def gone(times: int, seed: int, *, is_noticed: bool = True) -> Deployed:
    """A build disappears while conversations are in the middle of a turn with it.

    In the long form the sweep notices every second one by itself, after a minute. Nobody at all who notices is what is
    wrong on purpose.
    """
    async with open_lab(seed, people=8, workers=()) as lab:
        await _start(lab, "b0", KONSTRUCT)
        await _all_speak(lab)
        for number in range(1, times + 1):
            lost, fresh = f"b{number - 1}", f"b{number}"
            await lab.come_to_rest()
            lab.models.always("anthropic", Behaviour(fault=Fault.HANG_BEFORE_HEADERS))
            calls = len(lab.models.calls)
            await _all_speak(lab)
            await lab.models.wait_for_call(calls + 1, timeout=60)
            await _end(lab, lost, signal.SIGKILL)
            lab.note(f"{lost} disappeared")
            lab.models.always("anthropic", Behaviour(answer=answer))
            await _start(lab, fresh, NEXT if number % 2 else KONSTRUCT)
            await _all_speak(lab)
            if is_noticed and number % 2:
                await _deploy(lab, "drain", lost, "--gone")
        return await _judged(lab, within=180.0 if is_noticed else 5.0)


async def _all_speak(lab: Lab) -> None:
    """Each says a word, a few of them at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def speak(person: Person) -> None:
        async with room:
            await person.say()

    await asyncio.gather(*map(speak, lab.crowd.people))


async def _start(lab: Lab, build_id: str, command: Command) -> None:
    """Returns when what is new is this build's."""
    await lab.deployment.add_worker(command, build_id=build_id)
    await _deploy(lab, "promote", build_id)


async def _end(lab: Lab, build_id: str, number: signal.Signals = signal.SIGTERM) -> None:
    """For good."""
    [worker] = [each for each in lab.deployment.workers if each.name == build_id]
    lab.deployment.workers.remove(worker)
    await worker.end(number)


async def _deploy(lab: Lab, *arguments: str) -> None:
    done = await konstruct("deploy", *arguments, env=lab.deployment.env)
    assert done.status == 0, (arguments, done)


async def _judged(lab: Lab, *, within: float = 180.0) -> Deployed:
    """Waits no longer once a conversation is stuck."""
    deadline, found = time.monotonic() + within, Tasks()
    while not found.failed and time.monotonic() < deadline:
        before = time.monotonic()
        await lab.come_to_rest(PATIENCE)
        found = await tasks.read(lab.deployment.temporal_address)
        if time.monotonic() - before < PATIENCE:
            break
    verdict = await lab.judged(within=0)
    return Deployed(verdict, found.failed, found.split, found.runs_of)


ENTRIES: Final = (
    Entry(
        "F22",
        "Workers are restarted one after the other while people write",
        "No conversation gets stuck, and nothing is lost or answered twice.",
        full=10,
        short=1,
        run=restarted,
        twin=partial(restarted, becomes=UNGATED),
    ),
    Entry(
        "F22-builds",
        "A build takes the place of another beside it, and is gone back from, while people write",
        "Conversations move when a turn is over; none gets stuck, and nothing is lost or answered twice.",
        full=10,
        short=2,
        run=replaced,
        twin=partial(replaced, first=ROAMING, other=UNGATED),
    ),
    Entry(
        "F22-gone",
        "A build disappears while conversations are in the middle of a turn with it",
        "They go on with the current build, and nothing is lost or answered twice.",
        full=4,
        short=1,
        run=gone,
        twin=partial(gone, is_noticed=False),
    ),
)
