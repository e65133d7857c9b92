"""F31: everything at once, as a seed decides it: ``python -m tests.faults.soak --messages 20000 --faults 500``.

People write in several businesses, agents take over and hand back, and whatever a message needs is killed, held,
emptied or made to fail. In the end nothing may be amiss.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from benchmarks.support.folder import say
from tests.faults import agents, breaking, schedule, secrets
from tests.faults.agents import Agents
from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.history import MARK, Word
from tests.faults.lab import MODEL, SECOND_MODEL, Lab, open_lab
from tests.faults.people import answer
from tests.faults.schedule import Schedule, Taking
from tests.faults.services import KONSTRUCT
from tests.support.model_doubles import Behaviour
from tests.support.processes import until
from tests.support.slack_double.server import SPOKEN

OFFICES: Final = 4
PEOPLE: Final = 120
CALLERS: Final = 3
"""One of so many people writes over WhatsApp."""
A_SECOND: Final = 8.0
WORDS_A_FAULT: Final = 40
MOST_WAITING: Final = 200
"""Words without an answer. People wait with more until there are fewer, or the machine could not catch up."""
WAITS_AT_MOST: Final = 120.0
"""Seconds; what is older waits for people, who may take as long as they like."""
PROGRESS_EVERY: Final = 5.0
SLOW_TOKEN: Final = 0.4
CATCHES_UP_WITHIN: Final = 900.0
AT_REST_WITHIN: Final = 900.0
KEEPS_EVERY_REPETITION: Final = ("tests.faults.broken.keeps_every_repetition",)


logger = logging.getLogger(__name__)


@dataclass
class Run:
    verdict: Verdict
    kinds: dict[str, int] = field(default_factory=dict)
    """How often there was each fault."""
    takeovers: int = 0
    refusals: list[str] = field(default_factory=list)
    """Of what agents did, which nobody was to refuse."""
    seconds: float = 0.0

    @property
    def amiss(self) -> dict[str, list[str]]:
        return self.verdict.amiss | ({"refusals": self.refusals} if self.refusals else {})

    def counts(self) -> dict[str, object]:
        return self.verdict.counts() | {
            "kinds": self.kinds,
            "takeovers": self.takeovers,
            "refusals": len(self.refusals),
            "seconds": round(self.seconds, 1),
        }


@dataclass
class Soak:
    lab: Lab
    desk: Agents
    plan: Schedule
    tells: bool
    """Whether progress is told."""
    said: int = 0
    takings: int = 0
    refusals: list[str] = field(default_factory=list)
    _answered: set[str] = field(default_factory=set)
    _sent: int = 0
    _past: int = 0
    """So many of the first words wait for nothing any more."""
    _held: dict[str, asyncio.Lock] = field(default_factory=dict)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        breaker = breaking.Breaker(self.lab)
        due: list[tuple[int, Callable[[], Coroutine[None, None, None]]]] = [
            *((fault.after, partial(breaker.break_, fault)) for fault in self.plan.faults),
            *((taking.after, partial(self._take, taking)) for taking in self.plan.takings),
        ]
        due.sort(key=lambda each: each[0], reverse=True)
        async with asyncio.TaskGroup() as group:
            async for _ in self._talk(group):
                while due and due[-1][0] <= self.said:
                    group.create_task(due.pop()[1]())
        await self.lab.all_ready()

    async def _talk(self, group: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Comes by after each saying."""
        pace = random.Random(f"{self.lab.history.seed}:pace")
        writers = self.lab.crowd.writers
        for number, saying in enumerate(self.plan.sayings):
            await until(lambda: self._waiting() <= MOST_WAITING, timeout=CATCHES_UP_WITHIN)
            if number in self.plan.slow:
                self.lab.models.next("anthropic", Behaviour(answer=answer, token_delay=SLOW_TOKEN))
            writer = writers[saying.person]
            if saying.words > 1:
                group.create_task(writer.say_at_once(saying.words, random.Random(pace.random())))
            else:
                group.create_task(writer.say(repeats=saying.repeats))
            async with self._moved:
                self.said += saying.words
                self._moved.notify_all()
            yield
            await asyncio.sleep(pace.expovariate(A_SECOND / saying.words))

    async def _take(self, taking: Taking) -> None:
        writer = self.lab.crowd.writers[taking.person]
        async with self._held.setdefault(writer.thread, asyncio.Lock()):
            if not writer.said:
                await writer.say()
            try:
                held = await self.desk.take_over(writer)
                self.takings += 1
                for _ in range(taking.replies):
                    await self.desk.reply(held)
                async with self._moved:
                    await self._moved.wait_for(lambda: self.said >= min(taking.until, self.plan.words))
                await self.desk.hand_back(held, at_once=taking.at_once)
            except agents.Refused as refusal:
                logger.info("refused: %s", refusal)
                self.refusals.append(f"{writer.thread}: {refusal}")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            self._look()
            if self.tells:
                history = self.lab.history
                taken = sum(word.taken_at is not None for word in history.words)
                say(
                    f"{time.monotonic() - began:6.0f} s: said {len(history.words)}, taken {taken},"
                    f" answered {len(self._answered)}, waiting {self._waiting()}, faults {len(history.faults)},"
                    f" takeovers {self.takings}"
                )

    def _look(self) -> None:
        """At what was answered since. The doubles would keep each call for ever, with all that was said before it."""
        lab, now = self.lab, time.monotonic()
        open_calls = []
        for call in lab.slack.calls:
            if call.answer is None and now - call.at < WAITS_AT_MOST:
                open_calls.append(call)
            elif call.method in SPOKEN and call.answer is not None and call.answer["ok"]:
                self._answered.update(_words_in(json.dumps(call.args)))
        lab.slack.calls[:] = open_calls
        for sent in lab.graph.world.sent[self._sent :]:
            self._answered.update(_words_in(sent.text))
        self._sent = len(lab.graph.world.sent)
        lab.graph.calls.clear()
        lab.models.calls[:] = [call for call in lab.models.calls if not call.over.is_set()]

    def _waiting(self) -> int:
        """Words of the last minutes without an answer that is known of; answers are looked for every few seconds."""
        words, now = self.lab.history.words, time.monotonic()
        while self._past < len(words) and self._is_past(words[self._past], now):
            self._past += 1
        return sum(not self._is_past(word, now) for word in words[self._past :])

    def _is_past(self, word: Word, now: float) -> bool:
        return word.mark in self._answered or now - word.said_at > WAITS_AT_MOST


def _words_in(text: str) -> list[str]:
    """Marks of contacts' words, without those of what agents say."""
    return [mark for mark in MARK.findall(text) if mark.startswith("m")]


async def soaked(
    words: int,
    seed: int,
    *,
    faults: int | None = None,
    offices: int = OFFICES,
    people: int = PEOPLE,
    tells: bool = True,
    gateway: Sequence[str] = KONSTRUCT,
) -> Run:
    count = faults if faults is not None else words // WORDS_A_FAULT
    plan = schedule.drawn(seed, words=words, faults=count, people=people)
    began = time.monotonic()
    async with (
        open_lab(
            seed,
            offices=offices,
            people=people - people // CALLERS,
            callers=people // CALLERS,
            gateways=[gateway] * 2,
            workers=[KONSTRUCT] * 2,
            background=True,
            models=(MODEL, SECOND_MODEL),
        ) as lab,
        agents.at_work(lab) as desk,
    ):
        soak = Soak(lab, desk, plan, tells)
        try:
            async with soak.watched():
                await soak.run()
                await lab.come_to_rest(AT_REST_WITHIN)
            verdict = await lab.judged(within=AT_REST_WITHIN)
        except BaseException:
            await lab.keep()
            raise
        canaries = {f"a bot token of {office.slug}": office.workspace.bot_token for office in lab.offices}
        canaries |= {f"a WhatsApp token of {office.slug}": office.number.token for office in lab.offices}
        canaries |= {f"API key {number}": key for number, key in enumerate(desk.keys)}
        verdict.secrets_found += await secrets.scan(lab.deployment, canaries, [word.mark for word in lab.history.words])
        kinds = Counter(fault.what for fault in lab.history.faults)
        return Run(verdict, dict(kinds), soak.takings, soak.refusals, time.monotonic() - began)


ENTRIES: Final = (
    Entry(
        "F31",
        f"Everything at once as a seed decides it, so many messages and a fault for every {WORDS_A_FAULT} of them",
        "Nothing lost, doubled, out of order or in wrong hands; every trail verifies, and nothing secret lies open.",
        full=20_000,
        short=60,
        run=soaked,
        # Something comes again in any run, while a few faults may find nothing of what they would show.
        twin=partial(soaked, gateway=KEEPS_EVERY_REPETITION),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--faults", type=int, help=f"one for every {WORDS_A_FAULT} messages by default")
    parser.add_argument("--people", type=int, default=PEOPLE, help="conversations")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="drawn by default")
    options = parser.parse_args()
    say(f"Seed {options.seed}.")
    run = asyncio.run(soaked(options.messages, options.seed, faults=options.faults, people=options.people))
    say(json.dumps(run.counts(), indent=2))
    for kind, found in run.amiss.items():
        say(f"{kind}: {', '.join(found[:20])}")
    say(f"Seed {options.seed}: {'something' if run.amiss else 'nothing'} is amiss.")
    return 1 if run.amiss else 0


if __name__ == "__main__":
    sys.exit(main())
