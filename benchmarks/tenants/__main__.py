"""Does the same in an almost empty database and in one of thousands of tenants: ``python -m benchmarks.tenants``.

Both are on one server, and what is done is done in both in turn and in this process, so that nothing but the database
differs.
"""

import argparse
import asyncio
import logging
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.product import Product, running_product
from benchmarks.tenants.crowd import crowded
from benchmarks.tenants.doing import Place, opened_place
from konstruct.settings import needed
from tests.support.databases import own_database

RESULTS: Final = Path(__file__).with_name("results.json")
PAUSE_SECONDS: Final = 0.02
AIM: Final = 1.3
MATTERS_MS: Final = 1.0
"""What takes less is not looked at by its ratio: a statement more or less of the machine's own is that much."""


@dataclass(frozen=True)
class Server:
    owner_url: str
    app_url: str


Seconds = Mapping[str, Mapping[str, list[float]]]
"""By what was done, then by database."""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30, help="of all that is done, in both")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.tenants, options.rounds = 5, 2
    # What is done here logs here, and would drown what is said.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with data_folder() as folder:
        async with running_product(folder, parts=()) as product, _places(product) as (small, large):
            await crowded(large.administrator, large.tenant_id, options.tenants)
            await small.administrator.execute("vacuum analyze")
            took = await _in_turn({"small": small, "large": large}, options.rounds)
            product.slack.check()
    figures = {what: _figures(seconds) for what, seconds in took.items()}
    say(_table(figures, options.tenants))
    if options.save:
        keep(RESULTS, {"tenants": options.tenants, "done": figures})


@asynccontextmanager
async def _places(product: Product) -> AsyncIterator[tuple[Place, Place]]:
    async with AsyncExitStack() as stack:
        server = Server(
            needed(product.settings.database_owner_url, "KONSTRUCT_DATABASE_OWNER_URL").get_secret_value(),
            needed(product.settings.database_url, "KONSTRUCT_DATABASE_URL").get_secret_value(),
        )
        opened = []
        for name in ("small", "large"):
            own = await stack.enter_async_context(own_database(server, name))
            administrator = await asyncpg.connect(own.owner_url)
            stack.push_async_callback(administrator.close)
            opened.append(await stack.enter_async_context(opened_place(product, name, own, administrator)))
        small, large = opened
        yield small, large


async def _in_turn(places: Mapping[str, Place], rounds: int) -> Seconds:
    """What is done first in a process is not counted: it reads code and prepares statements."""
    took: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds + 1):
        if number % 10 == 0:
            say(f"Round {number} of {rounds}.")
        for what in next(iter(places.values())).doing():
            # The one that goes first finds the processor's caches cold.
            for name in list(places) if number % 2 else reversed(list(places)):
                await asyncio.sleep(PAUSE_SECONDS)
                seconds = await _timed(places[name].doing()[what])
                if number:
                    took[what][name].append(seconds)
    return took


async def _timed(do: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await do()
    return time.perf_counter() - began


def _figures(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    middle = {name: 1_000 * statistics.median(each) for name, each in seconds.items()}
    return {
        **{f"{name}_p50_ms": round(each, 2) for name, each in middle.items()},
        "ratio": round(middle["large"] / middle["small"], 2),
    }


def _table(figures: Mapping[str, Mapping[str, Any]], tenants: int) -> str:
    lines = [f"{'':40}{'almost empty':>14}{f'{tenants:,} tenants':>18}{'ratio':>8}"]
    for what, found in sorted(figures.items(), key=lambda each: -each[1]["ratio"]):
        lines.append(f"{what:40}{found['small_p50_ms']:>11} ms{found['large_p50_ms']:>15} ms{found['ratio']:>8}")
    slower = [
        what
        for what, found in figures.items()
        if found["ratio"] > AIM and found["large_p50_ms"] - found["small_p50_ms"] > MATTERS_MS
    ]
    lines.append(f"Slower than {AIM} times, by more than {MATTERS_MS} ms: {', '.join(slower) or 'nothing'}.")
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
