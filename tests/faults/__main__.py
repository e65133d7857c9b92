"""Runs the catalogue, or some of it, in full: ``python -m tests.faults [--only F1 --only F3] [--seed N] [--save]``.

Ends with status 1 when something is amiss, or when a program that is wrong on purpose was not found out.
"""

import argparse
import asyncio
import importlib
import json
import logging
import pkgutil
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

import tests.faults
from benchmarks.support.folder import say
from tests.faults.catalogue import Entry

RESULTS: Final = Path(__file__).parent / "results.json"

Result = dict[str, Any]


def entries() -> list[Entry]:
    """All of the catalogue, by their numbers."""
    found: list[Entry] = []
    for module in pkgutil.iter_modules(tests.faults.__path__, "tests.faults."):
        if not module.ispkg and not module.name.rpartition(".")[2].startswith(("test_", "__")):
            found += getattr(importlib.import_module(module.name), "ENTRIES", ())
    return sorted(found, key=lambda entry: (int(entry.id.strip("F").partition("-")[0] or 0), entry.id))


async def tried(entry: Entry, count: int, seed: int, *, with_twin: bool) -> Result:
    began = time.monotonic()
    outcome = await entry.run(count, seed)
    result: Result = {
        "title": entry.title,
        "times": count,
        "seed": seed,
        "counts": outcome.counts(),
        "amiss": outcome.amiss,
    }
    if with_twin and entry.twin is not None and not outcome.amiss:
        # As few as find it out: that it is found is all that its run is to show.
        result["twin_found"] = bool((await entry.twin(entry.twin_times or entry.short or 1, seed)).amiss)
    return result | {"seconds": round(time.monotonic() - began, 1)}


def is_well(result: Result) -> bool:
    return not result["amiss"] and result.get("twin_found", True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ID", help="of the catalogue; may be given often"
    )
    parser.add_argument("--short", action="store_true", help="as few as `make test` tries")
    parser.add_argument("--times", type=int, help="instead of the catalogue's own count")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="drawn by default")
    parser.add_argument("--no-twins", action="store_true", help="leave out the programs that are wrong on purpose")
    parser.add_argument("--save", action="store_true", help=f"put what was counted into {RESULTS.name}")
    return parser.parse_args()


def main() -> int:
    options, chosen = _options(), entries()
    if options.only:
        if unknown := set(options.only) - {entry.id for entry in chosen}:
            sys.stderr.write(f"There is no {', '.join(sorted(unknown))}: see --list.\n")
            return 2
        chosen = [entry for entry in chosen if entry.id in options.only]
    if options.list:
        for entry in chosen:
            say(f"{entry.id:5} {entry.full:6} {entry.title}. {entry.passes}")
        return 0
    _tell_what_is_done()
    all_are_well = True
    for entry in chosen:
        count = options.times or (entry.short if options.short else entry.full)
        say(f"{entry.id}: {entry.title}, {count} times, seed {options.seed} …")
        result = asyncio.run(tried(entry, count, options.seed, with_twin=not options.no_twins))
        say(json.dumps(result, indent=2, ensure_ascii=False))
        all_are_well &= is_well(result)
        if options.save:
            _save(entry.id, result)
    say("Nothing is amiss." if all_are_well else "Something is amiss: the same seed tries the same again.")
    return 0 if all_are_well else 1


def _tell_what_is_done() -> None:
    """Each fault, and how far those are that count otherwise."""
    telling = logging.StreamHandler(sys.stdout)
    telling.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    ours = logging.getLogger(tests.faults.__name__)
    ours.addHandler(telling)
    ours.setLevel(logging.INFO)


def _save(id_: str, result: Result) -> None:
    saved: dict[str, Result] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    saved[id_] = {"on": time.strftime("%Y-%m-%d"), **result}
    RESULTS.write_text(json.dumps(saved, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
