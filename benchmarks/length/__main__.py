"""Has conversations grow long, and measures their turns beside those of young ones: ``python -m benchmarks.length``."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.measuring import Measured, one_by_one
from benchmarks.support.product import running_product
from benchmarks.support.slack import Office, Thread

RESULTS: Final = Path(__file__).with_name("results.json")
GROWING: Final = 2
"""Conversations that grow side by side."""
AIM: Final = 1.2
PARTS: Final = ("worker", "postgres", "temporal", "gateway")


@dataclass
class Ages:
    """Three ways to take a turn: each first, each one of the next few, each beyond the wanted length."""

    office: Office
    old: list[Thread]

    def __post_init__(self) -> None:
        self._young = self.office.conversation()

    async def first(self) -> float:
        return await self.office.conversation().turn()

    async def young(self) -> float:
        """From the second message on to the tenth."""
        if not 0 < self._young.turns < 10:
            self._young = self.office.conversation()
            await self._young.turn()
        return await self._young.turn()

    async def long(self) -> float:
        self.old.append(self.old.pop(0))
        return await self.old[0].turn()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=1_000, help="messages of the contact's before it is measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=20, help="of each age in each round")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.length, options.rounds, options.turns = 3, 1, 2
    measured = {age: Measured() for age in ("first", "young", "long")}
    with data_folder() as folder:
        async with running_product(folder, parts=("worker",)) as product:
            office = Office("product", product.slack, await product.tenant("bench"), await product.gateway())
            ages = Ages(office, await _grown(office, options.length))
            ways: dict[str, Callable[[], Awaitable[float]]] = {name: getattr(ages, name) for name in measured}
            for number in range(options.rounds):
                say(f"Round {number + 1} of {options.rounds}.")
                for name, turn in ways.items():
                    await one_by_one(turn, options.turns, measured[name])
            product.slack.check()
    figures = {name: _figures(each) for name, each in measured.items()}
    ratios = {other: _ratios(figures["long"], figures[other]) for other in ("first", "young")}
    say(_table(figures, ratios, options.length))
    if options.save:
        keep(RESULTS, {"length": options.length, **figures, "ratios": ratios})


async def _grown(office: Office, length: int) -> list[Thread]:
    threads = [office.conversation() for _ in range(GROWING)]

    async def grow(thread: Thread) -> None:
        while thread.turns < length:
            await thread.turn()
            if thread is threads[0] and thread.turns % 100 == 0:
                say(f"{GROWING} conversations are {thread.turns} messages long.")

    await asyncio.gather(*map(grow, threads))
    return threads


def _figures(measured: Measured) -> dict[str, float]:
    cpu = measured.cpu_ms()
    return {
        "p50_ms": round(measured.percentile(50), 1),
        "p95_ms": round(measured.percentile(95), 1),
        **{f"{part}_cpu_ms": cpu.get(part, 0.0) for part in PARTS},
        "cpu_ms": round(sum(cpu.values()), 1),
    }


def _ratios(of: dict[str, float], to: dict[str, float]) -> dict[str, float]:
    return {name: round(value / to[name], 2) for name, value in of.items() if to[name]}


def _table(figures: dict[str, Any], ratios: dict[str, Any], length: int) -> str:
    names = list(figures["first"])
    lines = [" " * 24 + "".join(f"{name:>18}" for name in names)]
    rows = {
        "first message": figures["first"],
        "2nd to 10th message": figures["young"],
        f"message {length + 1} and on": figures["long"],
        "long / first": ratios["first"],
        "long / young": ratios["young"],
    }
    lines += [f"{title:24}" + "".join(f"{row.get(name, '-'):>18}" for name in names) for title, row in rows.items()]
    dearer = max(ratios["first"].get(name, 0.0) for name in ("p50_ms", "worker_cpu_ms", "postgres_cpu_ms"))
    told = "met" if dearer <= AIM else "missed"
    lines.append(
        f"Of latency, worker and database the greatest is {dearer} of the first's; the aim of {AIM} is {told}."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
