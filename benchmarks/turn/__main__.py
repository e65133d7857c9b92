"""Starts the product and what it is compared with on one stack, and measures them in turn:
``python -m benchmarks.turn``."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.measuring import Measured, Side, alone, together
from benchmarks.support.product import Product, running_product
from benchmarks.support.slack import Office
from benchmarks.turn import bare, report
from konstruct import temporal
from konstruct.embedded.loopback import HOST, free_port

RESULTS: Final = Path(__file__).with_name("results.json")
CELERYS_PROCESSES: Final = 4


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="of each side under each load")
    parser.add_argument("--turns", type=int, default=60, help="in each round of one conversation")
    parser.add_argument("--conversations", type=int, default=200, help="at once, in the rounds with many")
    parser.add_argument("--seconds", type=float, default=10.0, help="that each round with many is counted for")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.turns, options.conversations, options.seconds = 1, 3, 5, 1.0
    results = {load: {name: Measured() for name in report.SIDES} for load in ("alone", "together")}
    with data_folder() as folder:
        async with running_product(folder) as product, sides(product) as compared:
            # Taken in turn, so that what else the machine does hits all alike.
            for number in range(options.rounds):
                say(f"One conversation, round {number + 1} of {options.rounds}.")
                for side in compared:
                    measured = results["alone"][side.name]
                    await alone(side, options.turns, measured)
                    say(f"  {side.name}: {measured.percentile(50):.0f} ms")
            for number in range(options.rounds):
                say(f"{options.conversations} conversations, round {number + 1} of {options.rounds}.")
                for side in compared:
                    await together(side, options.conversations, options.seconds, results["together"][side.name])
                    say(f"  {side.name}: {results['together'][side.name].rates[-1]:.1f} turns a second")
            say(f"Calls that Slack got: {json.dumps(product.slack.calls)}")
            product.slack.check()
    figures = report.figures(results)
    say(report.table(figures, options.conversations))
    if options.save:
        keep(RESULTS, figures)


@asynccontextmanager
async def sides(product: Product) -> AsyncIterator[Sequence[Side]]:
    workspace, slack = await product.tenant("bench"), product.slack
    plain, celery = (free_port() for _ in range(2))
    path = product.folder / "driver.socket"
    async with bare.listening(await temporal.connect(product.settings), path) as twin:
        gateway, *_ = await asyncio.gather(
            product.gateway(),
            product.run("The bare worker", "benchmarks.turn.bare_worker", str(path)),
            _serving(product, "Plain", "benchmarks.turn.plain", plain),
            _serving(product, "Celery's webhook", "benchmarks.turn.celery_intake", celery),
            product.run("Celery's worker", "benchmarks.turn.celery_worker", str(CELERYS_PROCESSES), says="ready."),
        )
        yield (
            Office("product", slack, workspace, gateway),
            twin,
            Office("plain", slack, workspace, f"http://{HOST}:{plain}/slack/events"),
            Office("celery", slack, workspace, f"http://{HOST}:{celery}/slack/events"),
        )


async def _serving(product: Product, name: str, module: str, port: int) -> None:
    await product.run(name, module, str(port), ready_at=f"http://{HOST}:{port}/health/live")


if __name__ == "__main__":
    asyncio.run(main())
