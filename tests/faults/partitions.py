"""F34: hosts that are cut off from each other, each two of them, in three ways."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tests.faults.catalogue import Entry, Tally
from tests.faults.hosts import Hosts, apart, can_be_made
from tests.faults.lab import Lab, open_lab
from tests.faults.people import Person, answer
from tests.faults.services import KONSTRUCT
from tests.faults.tries import WAIT, all_well, answered_otherwise, answers, statuses, talking
from tests.support.model_doubles import Behaviour
from tests.support.processes import until

A_SECOND: Final = 5.0
LONG: Final = 20.0
"""Seconds; what does not look for silence waits for a quarter of an hour."""
WELL_WITHIN: Final = 60.0
THINKS_FOR: Final = 3.0
"""Seconds, so that models are still at something when they are cut off."""
WIRES: Final = (
    ("gateway", "postgres"),
    ("worker", "postgres"),
    ("gateway", "temporal"),
    ("worker", "temporal"),
    ("gateway", "valkey"),
    ("worker", "slack"),
    ("worker", "models"),
)

Cut = Callable[[Lab, Hosts, str, str], Awaitable[None]]


async def gone(lab: Lab, hosts: Hosts, side: str, server: str) -> None:
    """Nothing arrives, and what was at the other end has forgotten all of it when something does again."""
    hosts.silence(side, server)
    await asyncio.sleep(LONG)
    if server == "postgres":
        await lab.deployment.postgres.kill()
        await lab.deployment.postgres.ready()
    else:
        hosts.reset()
    hosts.heal(side, server)


async def silent(lab: Lab, hosts: Hosts, side: str, server: str) -> None:
    """Nothing arrives for a while, and then all of it does."""
    hosts.silence(side, server)
    await asyncio.sleep(LONG)
    hosts.heal(side, server)


async def ended(lab: Lab, hosts: Hosts, side: str, server: str) -> None:
    """Every connection is ended at once."""
    if server != "postgres":
        hosts.reset()
        return
    async with lab.administrator.acquire() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'konstruct_app'"
        )


CUTS: Final[tuple[Cut, ...]] = (gone, silent, ended)


async def cut_off(times: int, seed: int) -> Tally:
    """Wire by wire, in one way; then in the next. Not in `make test`, since it takes root, and half a minute a time.

    Without a program that is wrong on purpose: one that does not look for silence is well again as soon as it sends
    something over each of its connections, and under load it soon has. That it looks for silence is kept by
    `tests/konstruct/test_db.py`."""
    if not can_be_made():
        return Tally({"not_run": "only root can make network namespaces, with ip and nsenter"}, {})
    late: list[str] = []
    waiting: list[Person] = []
    async with open_lab(seed, gateways=(KONSTRUCT, KONSTRUCT)) as lab, apart(lab) as hosts:
        lab.models.always("anthropic", Behaviour(answer=answer, first_token_delay=THINKS_FOR))
        async with talking(lab, a_second=A_SECOND):
            for number in range(times):
                side, server = WIRES[number % len(WIRES)]
                cut = CUTS[number // len(WIRES) % len(CUTS)]
                await answers(lab, 200, at_least=5)
                waiting.append(await _ask_and_wait(lab))
                lab.note(f"{side} and {server}: {cut.__name__}")
                await cut(lab, hosts, side, server)
                try:
                    await all_well(lab, WELL_WITHIN)
                    await until(lambda: not hosts.half_open(side, server), WELL_WITHIN)  # noqa: B023
                except TimeoutError:
                    left = len(hosts.half_open(side, server))
                    late.append(f"{side} and {server}, {cut.__name__}: {left} connections that are none")
                await answers(lab, 200, at_least=5)
        lab.crowd.people += waiting
        verdict = await lab.judged(within=WAIT * 2)
        broken = {"answered_otherwise": answered_otherwise(lab), "late": late}
        return Tally.beside(verdict, {"statuses": statuses(lab)}, broken)


async def _ask_and_wait(lab: Lab) -> Person:
    """Returns when a model thinks about it. Of those who talk, each soon says more, for which a model is asked anew and
    what it was cut off from is let go."""
    person = lab.crowd.person(lab.offices[0])
    lab.crowd.people.remove(person)
    word = await person.say()
    await until(lambda: any(word.mark in str(call.messages[-1:]) for call in lab.models.calls), WAIT)
    return person


ENTRIES: Final = (
    Entry(
        "F34",
        "Hosts are cut off from each other: silence, silence and a restart behind it, ended connections",
        "Each end notices by its own time limits within a minute, nothing is lost, and all is well again.",
        full=21,
        short=0,
        run=cut_off,
    ),
)
