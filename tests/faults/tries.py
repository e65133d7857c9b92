"""What entries about servers that go away have in common: what is counted beside the verdict, and what is awaited."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from konstruct.embedded.loopback import http_answers
from tests.faults.checker import Verdict
from tests.faults.lab import Lab
from tests.support.processes import until

AT_LEISURE: Final = 5
"""Tries from which on moments are judged as well. Fewer are tried beside other tests, where moments say nothing."""
LONGEST_ACKNOWLEDGEMENT: Final = 1.0
LONGEST_RECOVERY: Final = 30.0
REFUSED_FOR_NOW: Final = 503
WAIT: Final = 120.0
"""Seconds for what has to come, on a machine that has other things to do."""


@asynccontextmanager
async def talking(lab: Lab, *, a_second: float) -> AsyncIterator[None]:
    """People write meanwhile; at the end all of it was taken, or given up."""
    stop = asyncio.Event()
    talk = asyncio.create_task(lab.crowd.talk(1_000_000, lab.chance, a_second=a_second, stop=stop))
    try:
        yield
        stop.set()
        await talk
    finally:
        talk.cancel()


def answered_otherwise(lab: Lab) -> list[str]:
    """Answers to tries other than that it was taken, that it is to come again, or none at all."""
    told = Counter(status for word in lab.history.words for status in word.statuses)
    return [f"{times} times {status}" for status, times in told.items() if status not in (200, REFUSED_FOR_NOW, None)]


def statuses(lab: Lab) -> dict[str, int]:
    told = Counter(str(status) for word in lab.history.words for status in word.statuses)
    return dict(sorted(told.items()))


def slow(verdict: Verdict) -> list[str]:
    """Whether more than one answer of the gateway in a hundred came late, whatever it was."""
    late = verdict.slowest_answers[1]
    return [f"one in a hundred took {late} s"] if late >= LONGEST_ACKNOWLEDGEMENT else []


async def all_well(lab: Lab, within: float = WAIT) -> None:
    """Until all gateways say that messages can be taken. Raises TimeoutError."""
    for url in lab.deployment.gateway_urls:
        await until(partial(http_answers, f"{url}/health/ready"), within)


async def answers(lab: Lab, *wanted: int, at_least: int = 1) -> None:
    """Until so many more tries were answered so."""

    def count() -> int:
        return sum(status in wanted for word in lab.history.words for status in word.statuses)

    known = count()
    await until(lambda: count() >= known + at_least, WAIT)
