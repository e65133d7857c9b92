"""F5, F6, F7: Postgres, Temporal and Valkey are restarted, killed and held while people write."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import httpx

from konstruct.adapters.redis import connect
from tests.faults import records
from tests.faults.catalogue import Entry, Tally
from tests.faults.lab import NO_LIMIT, Lab, open_lab
from tests.faults.services import KONSTRUCT
from tests.faults.tries import (
    AT_LEISURE,
    LONGEST_RECOVERY,
    WAIT,
    all_well,
    answered_otherwise,
    answers,
    slow,
    statuses,
    talking,
)
from tests.support.processes import until

A_SECOND: Final = 8.0
AWAY: Final = 60.0
"""Seconds that Temporal is stopped, where there is time for it."""
CACHES_FIRST: Final = ("tests.faults.broken.caches_first",)
NEVER_SWEEPS: Final = ("tests.faults.broken.never_sweeps",)
WAITS_FOR_REDIS: Final = ("tests.faults.broken.waits_for_redis",)
UNSWEPT: Final = 15.0
"""Seconds after which the twin that never sweeps is known by what it left lying."""
A_MINUTE: Final = 6
"""Messages that a contact may write where limits are tried."""
FLOOD: Final = 30

Trial = Callable[[Lab, int], Awaitable[Tally]]
Command = Sequence[str]


async def postgres_restarted(lab: Lab, times: int) -> Tally:
    """Each of two ways so many times: clients are sent away, or all is dropped and recovered from the log."""
    recoveries: list[float] = []
    async with talking(lab, a_second=A_SECOND):
        for how in [signal.SIGINT, signal.SIGQUIT] * times:
            await asyncio.sleep(lab.chance.uniform(0.3, 1.5))
            began = time.monotonic()
            await lab.deployment.postgres.kill(how)
            lab.note(f"Postgres was ended by {how.name}")
            await lab.deployment.postgres.ready()
            await all_well(lab)
            recoveries.append(round(time.monotonic() - began, 1))
            await answers(lab, 200)
    late = [f"{each} s" for each in recoveries if times >= AT_LEISURE and each >= LONGEST_RECOVERY]
    return Tally.beside(
        await lab.judged(),
        {"statuses": statuses(lab), "recoveries": recoveries},
        {"answered_otherwise": answered_otherwise(lab), "recovered_late": late},
    )


async def temporal_away(lab: Lab, times: int, *, patience: float = WAIT) -> Tally:
    """Stopped, killed, and held, in turns: messages are taken meanwhile as if it were there."""
    temporal = lab.deployment.temporal
    away = AWAY if times >= AT_LEISURE else 2.0

    async def stopped() -> None:
        await temporal.stop()
        lab.note(f"Temporal was stopped for {away} s")
        await asyncio.gather(asyncio.sleep(away), answers(lab, 200, at_least=3))
        await temporal.start()

    async def killed() -> None:
        await temporal.kill()
        lab.note("Temporal was killed")
        await answers(lab, 200, at_least=3)

    async def held() -> None:
        async with temporal.held():
            lab.note("Temporal was held")
            await asyncio.gather(asyncio.sleep(away / 4), answers(lab, 200, at_least=3))

    async with talking(lab, a_second=A_SECOND):
        for number in range(times):
            await (stopped, killed, held)[number % 3]()
            await temporal.ready()
            await answers(lab, 200, at_least=3)
    verdict = await lab.judged(within=patience + away)
    return Tally.beside(
        verdict,
        {"statuses": statuses(lab)},
        {"answered_otherwise": answered_otherwise(lab), "slow": slow(verdict) if times >= AT_LEISURE else []},
    )


async def valkey_away(lab: Lab, times: int, *, is_timed: bool = False) -> Tally:
    """Killed, held and emptied, each so many times. While it is, somebody writes more than they may."""
    valkey = lab.deployment.valkey
    limits = {"contact": f"{A_MINUTE}/minute", "connection": NO_LIMIT, "tenant": NO_LIMIT}
    limited = await lab.new_office(limits=limits)
    over: list[str] = []
    admitted: list[int] = []

    async def flood(what: str) -> None:
        person, began = lab.crowd.person(limited), time.monotonic()
        # Not one of those who talk.
        lab.crowd.people.remove(person)
        marks = [(await person.say()).mark for _ in range(FLOOD)]
        passed = time.monotonic() - began
        lab.crowd.people.append(person)
        async with lab.administrator.acquire() as connection:
            ended = (await records.messages(lab.deployment, connection)).ended
        let_in = sum(ended[mark] != "refused" for mark in marks)
        admitted.append(let_in)
        gateways = len(lab.deployment.gateways)
        if let_in > gateways * (A_MINUTE + A_MINUTE * passed / 60 + 1):
            over.append(f"{let_in} of {len(marks)} were let in while Valkey {what}")

    async with talking(lab, a_second=A_SECOND):
        for _ in range(times):
            await valkey.kill()
            lab.note("Valkey was killed")
            await answers(lab, 200, at_least=3)
            async with valkey.held():
                lab.note("Valkey was held")
                await flood("was held")
            await _used_again(lab)
            emptied = asyncio.create_task(flood("was emptied"))
            await answers(lab, 200)
            await _empty(lab)
            lab.note("Valkey was emptied")
            await emptied
    verdict = await lab.judged()
    return Tally.beside(
        verdict,
        {"statuses": statuses(lab), "let_in": admitted},
        {
            "answered_otherwise": answered_otherwise(lab),
            "over_the_limit": over,
            "slow": slow(verdict) if is_timed or times >= AT_LEISURE else [],
        },
    )


async def _used_again(lab: Lab) -> None:
    """Until every gateway counts in Valkey again, which it leaves alone for a while after it was away."""
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT) as client:

        async def is_used(url: str) -> bool:
            said = await client.get(f"{url}/health/ready")
            return bool(said.json()["redis"] == "ok")

        for url in lab.deployment.gateway_urls:
            await until(partial(is_used, url), WAIT)


async def _empty(lab: Lab) -> None:
    redis = connect(lab.deployment.env["KONSTRUCT_REDIS_URL"], time_limit=timedelta(seconds=WAIT))
    try:
        await redis.flushall()
    finally:
        await redis.aclose()


async def tried(
    times: int,
    seed: int,
    *,
    trial: Trial,
    gateway: Command = KONSTRUCT,
    worker: Command = KONSTRUCT,
) -> Tally:
    async with open_lab(seed, gateways=(gateway, gateway), workers=(worker,)) as lab:
        return await trial(lab, times)


ENTRIES: Final = (
    Entry(
        "F5",
        "Postgres is restarted, in order and at once, while people write",
        "Nothing that was acknowledged is lost; what is not taken is told to come again, and 30 s later all is well.",
        full=10,
        short=1,
        run=partial(tried, trial=postgres_restarted),
        twin=partial(tried, trial=postgres_restarted, gateway=CACHES_FIRST),
    ),
    Entry(
        "F6",
        "Temporal is stopped for a minute, killed and held while people write",
        "Messages are acknowledged within a second all the while, and each is answered once when it is back.",
        full=10,
        short=3,
        run=partial(tried, trial=temporal_away),
        twin=partial(tried, trial=partial(temporal_away, patience=UNSWEPT), worker=NEVER_SWEEPS),
    ),
    Entry(
        "F7",
        "Valkey is killed, held and emptied while people write, one of them too much",
        "Messages are acknowledged within a second, none is lost, and each gateway lets in what the limit says.",
        full=10,
        short=1,
        run=partial(tried, trial=valkey_away),
        twin=partial(tried, trial=partial(valkey_away, is_timed=True), gateway=WAITS_FOR_REDIS),
    ),
)
