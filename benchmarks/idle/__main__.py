"""Makes conversations that have fallen quiet, in Temporal and in Postgres, and looks at what goes on for them:
``python -m benchmarks.idle``.

Each has had its turn: rows of a contact, a conversation and two messages, and an open workflow that waits for the next
word or for the end of its silence. The rows are copied in; the workflow is started by the product's client under the
product's id, with a signal that says nothing, and so stands where one stands that has answered.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import Priority

from benchmarks.idle.rows import copied
from benchmarks.support.folder import data_folder, keep, say
from benchmarks.support.measuring import Measured
from benchmarks.support.processes import TICKS_A_SECOND, cpu_ticks, resident_mb
from benchmarks.support.product import Product, running_product
from benchmarks.support.slack import Office
from konstruct import temporal
from konstruct.contracts import conversation as contracts
from konstruct.settings import needed
from workflows.queues import CACHED_CONVERSATIONS

RESULTS: Final = Path(__file__).with_name("results.json")
AT_ONCE: Final = 50
FAR: Final = 100_000
SETTLES_SECONDS: Final = 5.0
OPENED_EVENTS: Final = 6
"""Started, signalled, a task of three events that sets the timer of its silence, which is a sixth."""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of looking on, with few and with all")
    parser.add_argument("--turns", type=int, default=20, help="to be woken by a message, for its time")
    parser.add_argument("--quick", action="store_true", help="only that it runs: its figures mean nothing")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.quick:
        options.conversations, options.seconds, options.turns = 30, 2.0, 2
    with data_folder() as folder:
        async with running_product(folder, parts=("worker",)) as product:
            figures = await _watched(product, options.conversations, options.seconds, options.turns)
    say(_table(figures))
    if options.save:
        keep(RESULTS, figures)


async def _watched(product: Product, conversations: int, seconds: float, turns: int) -> dict[str, Any]:
    office = Office("bench", product.slack, await product.tenant("bench"), await product.gateway())
    first = office.conversation()
    await first.turn()
    client = await temporal.connect(product.settings, lazy=False)
    url = needed(product.settings.database_owner_url, "KONSTRUCT_DATABASE_OWNER_URL").get_secret_value()
    administrator = await asyncpg.connect(url)
    look = Look(product, client, administrator)
    await asyncio.sleep(SETTLES_SECONDS)
    empty = await look.on(seconds)
    tenant_id, ids = await copied(administrator, conversations)
    say(f"{len(ids):,} conversations are in Postgres.")
    cached = min(CACHED_CONVERSATIONS, conversations // 2)
    await _start(client, tenant_id, ids[:cached])
    await asyncio.sleep(SETTLES_SECONDS)
    full = await look.on(seconds)
    await _start(client, tenant_id, ids[cached:])
    await asyncio.sleep(SETTLES_SECONDS)
    events = await _events(client, tenant_id, ids[:: max(1, len(ids) // 20)])
    idle = await look.on(seconds)
    grown = await _events(client, tenant_id, ids[:: max(1, len(ids) // 20)]) - events
    woken = Measured()
    for _ in range(turns):
        woken.latencies.append(await office.conversation().turn())
    await administrator.close()
    return {
        "conversations": conversations,
        "open_workflows": (await client.count_workflows('ExecutionStatus = "Running"')).count,
        "events_of_20_while_idle": grown,
        "empty": empty,
        "cache_full": full,
        "idle": idle,
        "each": _each(empty, full, idle, conversations, cached),
        "new_conversation_p50_ms": round(woken.percentile(50), 1) if turns > 1 else None,
    }


async def _start(client: Client, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def start(number: int, conversation_id: UUID) -> None:
        async with at_once:
            await client.start_workflow(
                contracts.WORKFLOW,
                contracts.ConversationState(tenant_id, conversation_id),
                id=temporal.workflow_id(tenant_id, conversation_id),
                task_queue=temporal.CONVERSATIONS,
                start_signal=contracts.MOVE_ON,
                priority=Priority(fairness_key=str(tenant_id)),
            )
        if number % 2_000 == 1_999:
            say(f"{number + 1:,} workflows were started.")

    await asyncio.gather(*(start(number, each) for number, each in enumerate(ids)))
    # The last ones are open when their first task is done.
    for each in ids[-AT_ONCE:]:
        handle = client.get_workflow_handle(temporal.workflow_id(tenant_id, each))
        while (await handle.describe()).history_length < OPENED_EVENTS:  # noqa: ASYNC110  # Another process does it.
            await asyncio.sleep(0.2)


async def _events(client: Client, tenant_id: UUID, ids: Sequence[UUID]) -> int:
    handles = [client.get_workflow_handle(temporal.workflow_id(tenant_id, each)) for each in ids]
    return sum([(await handle.describe()).history_length for handle in handles])


class Look:
    """What the parts do in some seconds in which nobody says anything, and how large they are."""

    def __init__(self, product: Product, client: Client, administrator: asyncpg.Connection) -> None:
        self._product = product
        self._client = client
        self._administrator = administrator

    async def on(self, seconds: float) -> dict[str, Any]:
        cpu, transactions = cpu_ticks(), await self._transactions()
        await asyncio.sleep(seconds)
        worked = cpu_ticks() - cpu
        transactions = await self._transactions() - transactions
        memory = resident_mb()
        parts = ("worker", "temporal", "postgres", "gateway")
        return {
            "cpu_share": {part: round(worked[part] / TICKS_A_SECOND / seconds, 3) for part in parts},
            "resident_mb": {part: round(memory[part]) for part in parts},
            "transactions_per_second": round(transactions / seconds, 1),
            **await self._queue(),
            "database_mb": round(await self._size() / 1e6, 1),
            "temporal_file_mb": round(self._file() / 1e6, 1),
        }

    async def _transactions(self) -> int:
        # What a connection did in the last second may not be counted yet.
        await asyncio.sleep(1.5)
        found = await self._administrator.fetchval(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        )
        return int(found)

    async def _size(self) -> int:
        return int(await self._administrator.fetchval("select pg_database_size(current_database())"))

    def _file(self) -> int:
        return sum(file.stat().st_size for file in (self._product.folder / "temporal").glob("temporal.sqlite*"))

    async def _queue(self) -> dict[str, float]:
        """Of the conversations' tasks, of workflows and activities: how many wait, and come in, a second."""
        waiting, coming = 0, 0.0
        for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
            described = await self._client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=self._client.namespace,
                    task_queue=TaskQueue(name=temporal.CONVERSATIONS),
                    task_queue_type=kind,
                    report_stats=True,
                )
            )
            waiting += described.stats.approximate_backlog_count
            coming += described.stats.tasks_add_rate
        return {"tasks_waiting": waiting, "tasks_per_second": round(coming, 2)}


def _each(
    empty: dict[str, Any], full: dict[str, Any], idle: dict[str, Any], conversations: int, cached: int
) -> dict[str, float]:
    """Kilobytes for each: of the worker's memory while it is in the cache and when it no longer is, and of the rest."""

    def more(part: str, of: dict[str, Any], than: dict[str, Any], among: int) -> float:
        grown: int = of["resident_mb"][part] - than["resident_mb"][part]
        return round(1_000 * grown / max(1, among), 1)

    return {
        "worker_kb_in_cache": more("worker", full, empty, cached),
        "worker_kb_beyond_cache": more("worker", idle, full, conversations - cached),
        "temporal_kb": more("temporal", idle, empty, conversations),
        "temporal_file_kb": round(1_000 * (idle["temporal_file_mb"] - empty["temporal_file_mb"]) / conversations, 1),
        "database_kb": round(1_000 * (idle["database_mb"] - empty["database_mb"]) / conversations, 1),
    }


def _table(figures: dict[str, Any]) -> str:
    columns = {
        "nobody": figures["empty"],
        "cache full": figures["cache_full"],
        f"{figures['conversations']:,}": figures["idle"],
    }
    lines = [f"{'':34}" + "".join(f"{name:>12}" for name in columns)]
    for group in ("resident_mb", "cpu_share"):
        for part in figures["empty"][group]:
            lines.append(f"{f'{part}, {group}':34}" + "".join(f"{each[group][part]:>12}" for each in columns.values()))
    for name in ("transactions_per_second", "tasks_waiting", "tasks_per_second", "database_mb", "temporal_file_mb"):
        lines.append(f"{name:34}" + "".join(f"{each[name]:>12}" for each in columns.values()))
    lines.append(f"Workflows open: {figures['open_workflows']:,}, each with one timer of a day's silence.")
    lines.append(f"Events that 20 of them gained while idle: {figures['events_of_20_while_idle']}.")
    lines.append(f"For each: {figures['each']}")
    per, file = figures["each"]["database_kb"], figures["each"]["temporal_file_kb"]
    lines.append(
        f"Extrapolated to {FAR:,}: {per * FAR / 1e6:.2f} GB in Postgres, {file * FAR / 1e6:.2f} GB in Temporal's file, "
        f"and {FAR * figures['each']['temporal_kb'] / 1e3:.0f} MB in the development server's memory."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
