"""Times one tenant's turns with another's flood beside them and without, in turn: ``python -m benchmarks.neighbours``.

There are two floods. One is open: somebody posts many times what may come in, and the limits refuse it. The other is
taken whole, from a tenant without limits, and only the pace that each tenant keeps is in its way.
"""

import argparse
import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.measuring import Measured
from benchmarks.support.product import running_product
from benchmarks.support.slack import Office, Thread

RESULTS: Final = Path(__file__).with_name("results.json")
NEIGHBOURS: Final = 3
"""Conversations of the tenant that is measured."""
PAUSE_SECONDS: Final = 1.0
"""Between an answer and what its reader writes next, give or take a half."""
WITHIN_ITS_LIMIT: Final = "50/10 seconds"
"""As many as one connection may take where nobody says otherwise, which is 300 a minute, and not all at once."""
SETTLES_SECONDS: Final = 4.0
"""Behind each flood, before anything is counted again."""
BEGINS_SECONDS: Final = 4.0
"""Of each flood, in which dozens of conversations start at once; told by themselves, too."""
SENDERS: Final = 10
AIM: Final = 1.5
FLOODS: Final = ("refused", "taken")
TITLES: Final = {
    "calm": "nobody else",
    "refused": "a flood that is refused",
    "refused_begins": "  in its beginning",
    "refused_goes_on": "  then",
    "taken": "a flood that is taken",
    "taken_begins": "  in its beginning",
    "taken_goes_on": "  then",
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="with nobody else, twice in each round")
    parser.add_argument("--flood-seconds", type=float, default=40.0, help="of each flood in a round")
    parser.add_argument("--posts", type=float, default=40.0, help="a second, in the flood that is refused")
    parser.add_argument("--conversations", type=int, default=60, help="at once, in the flood that is taken")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.flood_seconds, options.conversations = 1, 2.0, 6.0, 5
    measured = {name: Measured() for name in TITLES}
    with data_folder() as folder:
        async with running_product(folder, parts=("worker",), is_paced=True) as product:
            gateway = await product.gateway()
            quiet = Office("quiet", product.slack, await product.tenant("quiet"), gateway)
            limited = Office("limited", product.slack, await product.tenant("limited", limit=WITHIN_ITS_LIMIT), gateway)
            greedy = Office("greedy", product.slack, await product.tenant("greedy"), gateway)
            people = [quiet.conversation() for _ in range(NEIGHBOURS)]
            await asyncio.gather(*(person.turn() for person in people))

            async def flooded(name: str, flood: Coroutine[None, None, None]) -> None:
                await _talk(people, options.seconds, measured["calm"])
                async with _beside(flood):
                    await _talk(people, BEGINS_SECONDS, measured[f"{name}_begins"])
                    await _talk(people, options.flood_seconds - BEGINS_SECONDS, measured[f"{name}_goes_on"])

            for number in range(options.rounds):
                say(f"Round {number + 1} of {options.rounds}.")
                await flooded("refused", _post(limited, options.posts))
                await flooded("taken", _fill(greedy, options.conversations))
            say(f"Calls that Slack got: {dict(product.slack.calls)}")
            product.slack.check()
    for name in FLOODS:
        parts = (measured[f"{name}_begins"], measured[f"{name}_goes_on"])
        measured[name].latencies = [latency for part in parts for latency in part.latencies]
    figures = {name: _figures(each) for name, each in measured.items()}
    ratios = {name: _ratios(figures[name], figures["calm"]) for name in TITLES if name != "calm"}
    say(_table(figures, ratios))
    if options.save:
        keep(RESULTS, {**figures, "ratios": ratios})


@asynccontextmanager
async def _beside(flood: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """It goes on for as long as the block does, and what was begun of it comes to its end behind it."""
    running = asyncio.create_task(flood)
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await asyncio.sleep(SETTLES_SECONDS)


async def _talk(people: list[Thread], seconds: float, into: Measured) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds

    async def talk(person: Thread) -> None:
        while loop.time() < ends:
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
            into.latencies.append(await person.turn())

    await asyncio.gather(*map(talk, people))


async def _post(office: Office, a_second: float) -> None:
    """At a steady pace, whatever becomes of it."""
    senders = [office.conversation() for _ in range(SENDERS)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as posting:
        number = 0
        while True:
            posting.create_task(senders[number % SENDERS].say())
            number += 1
            await asyncio.sleep(max(0.0, began + number / a_second - loop.time()))


async def _fill(office: Office, conversations: int) -> None:
    """Each goes on as soon as it has its answer."""
    is_over = asyncio.Event()

    async def talk() -> None:
        thread = office.conversation()
        while not is_over.is_set():
            await thread.turn()

    talks = asyncio.gather(*(talk() for _ in range(conversations)))
    try:
        await asyncio.shield(talks)
    except asyncio.CancelledError:
        # What is under way is waited for: a reply to nobody would count as a fault.
        is_over.set()
        await talks
        raise


def _figures(measured: Measured) -> dict[str, float]:
    percentiles = {f"p{percent}_ms": round(measured.percentile(percent), 1) for percent in (50, 95, 99)}
    return {"turns": len(measured.latencies), **percentiles}


def _ratios(of: dict[str, float], to: dict[str, float]) -> dict[str, float]:
    return {name: round(of[name] / to[name], 2) for name in ("p50_ms", "p95_ms", "p99_ms")}


def _table(figures: dict[str, Any], ratios: dict[str, Any]) -> str:
    lines = [f"{'':32}{'turns':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}"]
    lines += [
        f"{title:32}" + "".join(f"{each:>10}" for each in figures[name].values()) for name, title in TITLES.items()
    ]
    for name in FLOODS:
        told = "met" if ratios[name]["p95_ms"] <= AIM else "missed"
        begins, goes_on = (ratios[f"{name}_{part}"]["p95_ms"] for part in ("begins", "goes_on"))
        lines.append(
            f"p95 with {TITLES[name]}: {ratios[name]['p95_ms']} times; the aim of {AIM} is {told}. "
            f"In its beginning {begins} times, then {goes_on} times."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
