"""The bare twin's worker, with the product's worker options: ``python -m benchmarks.turn.bare_worker SOCKET``."""

import asyncio
import signal
import socket
import sys
import time
from datetime import timedelta

import uvloop
from temporalio import activity
from temporalio.worker import PollerBehaviorAutoscaling

from benchmarks.turn.bare_workflow import QUEUE, BareWorkflow, Said
from konstruct import log, temporal
from konstruct.settings import Settings
from workflows import queues, slots


class Nothing:
    """Two activities; the second tells the driver when it ran, as the product's call tells Slack."""

    def __init__(self, driver: socket.socket) -> None:
        self._driver = driver

    @activity.defn(name="first")
    async def first(self, said: Said) -> None:
        return

    @activity.defn(name="second")
    async def second(self, said: Said) -> None:
        self._driver.send(f"{said.conversation} {said.turn} {time.monotonic()}".encode())


async def main(driver_path: str) -> None:
    settings = Settings()
    log.configure(settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await temporal.connect(settings, lazy=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as driver:
        driver.connect(driver_path)
        nothing = Nothing(driver)
        async with queues.worker(
            client,
            QUEUE,
            workflows=[BareWorkflow],
            activities=[nothing.first, nothing.second],
            max_cached_workflows=queues.CACHED_CONVERSATIONS,
            tuner=slots.tuner(workflow_tasks=queues.TASKS_AT_ONCE, calls=queues.CALLS_AT_ONCE),
            workflow_task_poller_behavior=queues.TASK_POLLERS,
            activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=10),
            graceful_shutdown_timeout=timedelta(seconds=5),
        ):
            await stop.wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
