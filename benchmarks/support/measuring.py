"""How what is compared is driven and what is noted of it; what that is is not known here."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from benchmarks.support.processes import TICKS_A_SECOND, cpu_ticks

PAUSE_SECONDS: Final = 0.1
"""Between the turns of a lone conversation: a person reads first, and what ends a turn is not the next one's time."""


class Conversation(Protocol):
    async def turn(self) -> float:
        """Says one thing and waits for the end of the turn; gives the seconds in between."""
        ...


class Side(Protocol):
    @property
    def name(self) -> str: ...

    def conversation(self) -> Conversation: ...


@dataclass
class Measured:
    """All rounds of one side under one load together."""

    latencies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """Turns a second, one for each round."""
    cpu: Counter[str] = field(default_factory=Counter)
    """Ticks by process."""

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def percentile(self, percent: int) -> float:
        """In milliseconds."""
        return 1000 * statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]

    def cpu_ms(self) -> dict[str, float]:
        """Milliseconds a turn, the greatest first; what is below a tenth is left out."""
        per_tick = 1000 / TICKS_A_SECOND / len(self.latencies)
        each = {name: ticks * per_tick for name, ticks in self.cpu.most_common()}
        return {name: round(ms, 1) for name, ms in each.items() if ms >= 0.1}


async def alone(side: Side, turns: int, into: Measured) -> None:
    """One conversation, one turn after the other."""
    conversation = side.conversation()
    for _ in range(3):
        await conversation.turn()
    await one_by_one(conversation.turn, turns, into)


async def one_by_one(turn: Callable[[], Awaitable[float]], turns: int, into: Measured) -> None:
    began, before = time.monotonic(), cpu_ticks()
    for _ in range(turns):
        await asyncio.sleep(PAUSE_SECONDS)
        into.latencies.append(await turn())
    into.rates.append(turns / (time.monotonic() - began))
    into.cpu += cpu_ticks() - before


async def together(side: Side, conversations: int, seconds: float, into: Measured) -> None:
    """Each conversation goes on as soon as it has its answer. Counted from when as many turns as there are
    conversations have ended, so that all of them are under way, over a time that ends while they still are; longer on a
    machine that is too busy for as many turns in that time."""
    ended: list[float] = []
    is_warm, is_over = asyncio.Event(), False

    async def talk() -> None:
        conversation = side.conversation()
        while not is_over:
            ended.append(await conversation.turn())
            if len(ended) >= conversations:
                is_warm.set()

    async with asyncio.TaskGroup() as talking:
        for _ in range(conversations):
            talking.create_task(talk())
        await is_warm.wait()
        began, before, first = time.monotonic(), cpu_ticks(), len(ended)
        await asyncio.sleep(seconds)
        while len(ended) < first + conversations:  # noqa: ASYNC110  # What is waited for is counted, and is no event.
            await asyncio.sleep(0.1)
        latencies = ended[first:]
        into.latencies += latencies
        into.rates.append(len(latencies) / (time.monotonic() - began))
        into.cpu += cpu_ticks() - before
        is_over = True
