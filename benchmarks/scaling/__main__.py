"""Adds gateways and workers to one stack, and counts turns each time: ``python -m benchmarks.scaling``."""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any, Final

from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.measuring import Measured, together
from benchmarks.support.processes import TICKS_A_SECOND
from benchmarks.support.product import Product, running_product
from benchmarks.support.slack import Office

RESULTS: Final = Path(__file__).with_name("results.json")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4], help="gateways, and as many workers")
    parser.add_argument("--conversations", type=int, default=100, help="at once, for each worker as many")
    parser.add_argument("--seconds", type=float, default=12.0, help="that each step is counted for")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.conversations, options.seconds = [1, 2], 5, 1.0
    found: list[dict[str, Any]] = []
    with data_folder() as folder:
        async with running_product(folder, parts=()) as product:
            workspace, gateways = await product.tenant("bench"), list[str]()
            for processes in options.steps:
                gateways += await _more(product, processes - len(gateways))
                measured = Measured()
                office = Office(str(processes), product.slack, workspace, *gateways)
                await together(office, options.conversations, options.seconds, measured)
                found.append(_figures(processes, measured))
                say(f"{processes} of each: {measured.rate:.1f} turns a second")
            product.slack.check()
    say(_table(found))
    if options.save:
        keep(RESULTS, {"conversations": options.conversations, "steps": found})


async def _more(product: Product, count: int) -> list[str]:
    """All at once, so that those that are there are left alone the sooner."""
    gateways, _ = await asyncio.gather(
        asyncio.gather(*(product.gateway() for _ in range(count))),
        asyncio.gather(*(product.worker() for _ in range(count))),
    )
    return list(gateways)


def _figures(processes: int, measured: Measured) -> dict[str, Any]:
    lasted = len(measured.latencies) / measured.rate
    return {
        "processes": processes,
        "turns_per_second": round(measured.rate, 1),
        "p50_ms": round(measured.percentile(50)),
        "p95_ms": round(measured.percentile(95)),
        "cpu_ms_per_turn": measured.cpu_ms(),
        "share_of_machine": round(measured.cpu.total() / TICKS_A_SECOND / lasted / (os.cpu_count() or 1), 2),
    }


def _table(found: list[dict[str, Any]]) -> str:
    one = found[0]["turns_per_second"]
    lines = [
        f"{'of each':>8}{'turns/s':>9}{'of one':>8}{'p50 ms':>9}{'p95 ms':>9}{'of the machine':>16}   CPU-ms a turn"
    ]
    for step in found:
        cpu = step["cpu_ms_per_turn"]
        lines.append(
            f"{step['processes']:>8}{step['turns_per_second']:>9}{step['turns_per_second'] / one:>8.2f}"
            f"{step['p50_ms']:>9}{step['p95_ms']:>9}{step['share_of_machine']:>16.0%}"
            f"   {sum(cpu.values()):.0f}: " + ", ".join(f"{name} {ms}" for name, ms in cpu.items())
        )
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
