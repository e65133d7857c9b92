"""Takes turns and weighs what they use; with prices, says what a million costs: ``python -m benchmarks.costs``."""

import argparse
import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, Final

import asyncpg
from temporalio.client import Client

from benchmarks.costs.bill import MILLION, Prices, actions, bill
from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.measuring import Measured
from benchmarks.support.processes import cpu_ticks
from benchmarks.support.product import Product, running_product
from benchmarks.support.slack import Office
from konstruct import temporal
from konstruct.settings import needed

RESULTS: Final = Path(__file__).with_name("results.json")
OURS: Final = ("worker", "worker --background", "gateway", "temporal", "postgres", "valkey-server")
SETTLES_SECONDS: Final = 8.0
"""In which what is written behind replies is written."""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=10)
    parser.add_argument("--turns", type=int, default=60, help="of each; a run of a conversation has fewer")
    parser.add_argument("--core-hour", type=float, help="price of a core's hour")
    parser.add_argument("--million-actions", type=float, help="price of a million actions of Temporal Cloud")
    parser.add_argument("--gigabyte-month", type=float, default=0.0, help="price of the database's storage")
    parser.add_argument("--active-gigabyte-hour", type=float, default=0.0, help="price of open histories' storage")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.conversations, options.turns = 2, 3
    with data_folder() as folder:
        async with running_product(folder) as product:
            usage = await _weighed(product, options.conversations, options.turns)
            product.slack.check()
    say(_table(usage))
    if options.core_hour is not None and options.million_actions is not None:
        prices = Prices(
            options.core_hour, options.million_actions, options.gigabyte_month, options.active_gigabyte_hour
        )
        for part, price in bill(usage, prices).items():
            say(f"{part:12}{price:12.2f}")
    if options.save:
        keep(RESULTS, usage)


async def _weighed(product: Product, conversations: int, turns: int) -> dict[str, Any]:
    office = Office("bench", product.slack, await product.tenant("bench"), await product.gateway())
    client = await temporal.connect(product.settings, lazy=False)
    url = needed(product.settings.database_owner_url, "KONSTRUCT_DATABASE_OWNER_URL").get_secret_value()
    administrator = await asyncpg.connect(url)
    # The first turn of each has its contact and conversation made: a turn here is one that follows.
    threads = [office.conversation() for _ in range(conversations)]
    await asyncio.gather(*(thread.turn() for thread in threads))
    await asyncio.sleep(SETTLES_SECONDS)
    size, written = await _sizes(administrator)
    measured, before = Measured(), cpu_ticks()
    for number in range(turns):
        if number % 20 == 0:
            say(f"Turn {number + 1} of {turns}.")
        measured.latencies += await asyncio.gather(*(thread.turn() for thread in threads))
    await asyncio.sleep(SETTLES_SECONDS)
    measured.cpu += cpu_ticks() - before
    grown, wrote = await _sizes(administrator)
    await administrator.close()
    taken = len(measured.latencies)
    counted, history_bytes, events = await _histories(client)
    every_turn = taken + conversations
    return {
        "turns": taken,
        "cpu_ms_per_turn": {name: ms for name, ms in measured.cpu_ms().items() if name in OURS},
        "database_bytes_per_turn": round((grown - size) / taken),
        "write_ahead_bytes_per_turn": round((wrote - written) / taken),
        "history_bytes_per_turn": round(history_bytes / every_turn),
        "events_per_turn": round(events / every_turn, 2),
        "actions_per_turn": round(counted.total() / every_turn, 3),
        "actions": dict(counted),
    }


async def _sizes(administrator: asyncpg.Connection) -> tuple[int, int]:
    """Bytes of the database, and of its write-ahead log so far."""
    row = await administrator.fetchrow(
        "select pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
    )
    return row[0], row[1]


async def _histories(client: Client) -> tuple[Counter[str], int, int]:
    """Of all runs of all conversations: actions, bytes and events."""
    counted: Counter[str] = Counter()
    size = events = 0
    async for found in client.list_workflows('WorkflowType = "ConversationWorkflow"'):
        handle = client.get_workflow_handle(found.id, run_id=found.run_id)
        history = await handle.fetch_history()
        counted += actions(history.events)
        size += sum(event.ByteSize() for event in history.events)
        events += len(history.events)
    return counted, size, events


def _table(usage: dict[str, Any]) -> str:
    lines = [f"{usage['turns']} turns; of a million:"]
    for part, ms in usage["cpu_ms_per_turn"].items():
        lines.append(f"  {part:22}{ms / 1_000 * MILLION:14,.0f} CPU-seconds")
    for name in ("database", "write_ahead", "history"):
        lines.append(f"  {name:22}{usage[f'{name}_bytes_per_turn'] * MILLION / 10**9:14,.1f} GB")
    lines.append(f"  {'actions':22}{usage['actions_per_turn'] * MILLION:14,.0f}, with fairness a tenth more")
    lines.append(f"  {usage['events_per_turn']} events a turn; actions by kind: {usage['actions']}")
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
