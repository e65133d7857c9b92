"""F20 and F21: agents who take conversations over, at whatever moment of a turn, while programs are killed."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from tests.faults.agents import Agents, Held, at_work
from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.history import History
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Person, answer
from tests.faults.services import KONSTRUCT
from tests.support.model_doubles import Behaviour, Fault, Json
from tests.support.processes import until
from tests.support.slack_double.server import SPOKEN

AT_ONCE: Final = 8
"""Conversations side by side."""
KILL_EVERY: Final = 10
"""Trials. A gateway and a worker take turns."""
LONGEST_TURN: Final = 0.5
"""Seconds within which a short turn is over on a machine that is not busy, thinking and sending."""
LONGEST_RACE: Final = 0.1
SENDS_AFTER_TAKEOVER: Final = ("tests.faults.broken.sends_after_takeover",)

_TO_BE_SENT: Final = """
  select exists (select from messages m join conversations c on c.id = m.conversation_id
    where c.channel = $1 and m.direction = 'outbound' and m.state = 'pending')
"""

Trial = Callable[[Lab, Agents, Person, random.Random], Awaitable[None]]


@asynccontextmanager
async def opened(
    seed: int, people: int, *, machines: int = 2, worker: Sequence[str] = KONSTRUCT
) -> AsyncIterator[tuple[Lab, Agents]]:
    """``machines``: how many gateways, and how many workers."""
    async with (
        open_lab(seed, people=people, gateways=[KONSTRUCT] * machines, workers=[worker] * machines) as lab,
        at_work(lab) as agents,
    ):
        yield lab, agents


async def taken_over(times: int, seed: int) -> Verdict:
    async with opened(seed, times * len(TAKEOVERS)) as (lab, agents):
        await try_all(lab, agents, lab.crowd.people, TAKEOVERS)
        return await lab.judged()


async def unfenced(times: int, seed: int) -> Verdict:
    """With a worker that is wrong on purpose, and that waits where it has to be caught."""
    async with opened(seed, times, machines=1, worker=SENDS_AFTER_TAKEOVER) as (lab, agents):
        await try_all(lab, agents, lab.crowd.people, (before_it_is_sent,))
        return await lab.judged()


async def raced(times: int, seed: int) -> Verdict:
    """Without a program that is wrong on purpose: that of takeovers is wrong in this, too."""
    async with opened(seed, times) as (lab, agents):
        await try_all(lab, agents, lab.crowd.people, (race,))
        return await lab.judged()


async def try_all(lab: Lab, agents: Agents, people: Sequence[Person], trials: Sequence[Trial]) -> None:
    """One trial with each of the people, of each kind in turn."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, person: Person, chance: random.Random) -> None:
        async with room:
            if number % KILL_EVERY == KILL_EVERY - 1:
                await _kill_one(lab, number // KILL_EVERY, chance)
            await trials[number % len(trials)](lab, agents, person, chance)

    async with asyncio.TaskGroup() as trying:
        for number, person in enumerate(people):
            trying.create_task(one(number, person, random.Random(lab.chance.random())))
    await lab.all_ready()


async def _kill_one(lab: Lab, number: int, chance: random.Random) -> None:
    victim = chance.choice(lab.deployment.workers if number % 2 else lab.deployment.gateways)
    await victim.kill()
    lab.note(f"{victim.name} was killed")


async def while_it_thinks(lab: Lab, agents: Agents, person: Person, chance: random.Random) -> None:
    """What the model says after the takeover is said to nobody."""
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    def thought(messages: list[Json]) -> str:
        is_asked.set()
        return answer(messages)

    about = f"Think about {person.channel}."
    slow = Behaviour(thought, fault=Fault.HANG_BEFORE_FIRST_TOKEN, released=may_answer)
    lab.models.when("anthropic", about, slow)
    await person.say(about)
    await is_asked.wait()
    held = await agents.take_over(person)
    may_answer.set()
    await _dealt_with(agents, held)


async def while_it_sends(lab: Lab, agents: Agents, person: Person, chance: random.Random) -> None:
    """What is with the channel already is said; whoever takes over waits until it is known that nothing else begins."""
    posting = f"chat.postMessage {person.channel}"
    may_arrive = lab.slack.hold_next(posting, accepted=chance.random() < 0.5)
    await person.say()
    with suppress(TimeoutError):
        # On a machine that is very slow the takeover comes before that, which has to be as well.
        await until(partial(_is_spoken, lab, person), timeout=60)
    taking = asyncio.create_task(agents.take_over(person))
    await asyncio.sleep(chance.uniform(0, LONGEST_TURN))
    may_arrive.set()
    await _dealt_with(agents, await taking)


def _is_spoken(lab: Lab, person: Person) -> bool:
    """On a slow machine an answer is streamed instead, and is not held."""
    return any(call.args.get("channel") == person.channel and call.method in SPOKEN for call in lab.slack.calls)


async def at_any_moment(lab: Lab, agents: Agents, person: Person, chance: random.Random) -> None:
    """In the same millisecond as something else, when there are enough of them."""
    await person.say()
    await asyncio.sleep(chance.uniform(0, LONGEST_TURN))
    await _dealt_with(agents, await agents.take_over(person))


async def before_it_is_sent(lab: Lab, agents: Agents, person: Person, chance: random.Random) -> None:
    """For a worker that waits there until somebody does: it is over too soon to be met with others."""
    await person.say()

    async def is_to_be_sent() -> bool:
        found: bool = await lab.administrator.fetchval(_TO_BE_SENT, person.channel)
        return found

    await until(is_to_be_sent, timeout=120)
    await agents.take_over(person)


async def _dealt_with(agents: Agents, held: Held) -> None:
    """The agent answers what was asked, and what is asked then; the employee what is asked after that."""
    await agents.reply(held)
    await held.writer.say()
    await agents.reply(held)
    await agents.hand_back(held)
    await held.writer.say()


async def race(lab: Lab, agents: Agents, person: Person, chance: random.Random) -> None:
    """An agent's reply and the employee's; then word of the contact's just as the conversation is given back."""
    await person.say()
    held = await agents.take_over(person)
    await agents.reply(held)
    await asyncio.gather(_soon(agents.hand_back(held), chance), _soon(person.say(), chance))
    held = await agents.take_over(person)
    await asyncio.gather(_soon(agents.reply(held), chance), _soon(person.say(), chance))
    await agents.hand_back(held)
    await person.say()


async def _soon(doing: Awaitable[object], chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0, LONGEST_RACE))
    await doing


TAKEOVERS: Final[tuple[Trial, ...]] = (while_it_thinks, while_it_sends, at_any_moment)


def cut_off(history: History) -> int:
    """How many takeovers came before the employee had answered what was said until then."""
    answered = {mark: seen.at for seen in history.seen if not seen.is_notice for mark in seen.marks}
    return sum(
        any(
            word.thread == takeover.thread
            and word.said_at < takeover.acknowledged_at < answered.get(word.mark, math.inf)
            for word in history.words
        )
        for takeover in history.takeovers
    )


ENTRIES: Final = (
    Entry(
        "F20",
        "An agent takes over while the model thinks, while an answer is sent, and in the same millisecond",
        "Nothing of the employee's begins after the takeover is acknowledged; what the agent says is said once.",
        full=200,
        short=3,
        run=taken_over,
        twin=unfenced,
    ),
    Entry(
        "F21",
        "An agent and the employee answer at once; a takeover, a hand-back and a message within 100 ms",
        "Each turn has one author, and nothing of either is lost or said twice.",
        full=200,
        short=4,
        run=raced,
    ),
)
