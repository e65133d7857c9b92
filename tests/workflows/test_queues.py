"""A worker that has far more to do than it can at once gets through all of it."""

import asyncio
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from konstruct import temporal
from konstruct.settings import Settings
from tests.support.workers import polling
from tests.workflows.busy import BusyWorkflow, work
from workflows import queues

MANY = 100
WORK = 0.05
"""Seconds of the processor's for a task."""
IN_TIME = timedelta(seconds=2)
"""For a task, from when a worker takes it: too short for all of them at once, and long for a few."""


@pytest.mark.stack
@pytest.mark.timeout(120)
async def test_no_task_is_taken_before_there_is_time_for_it(settings: Settings) -> None:
    """A soak with the seed 11 stood still on a busy machine: each of a hundred tasks that were taken at once came too
    late, and was done again with all others."""
    client = await temporal.connect(settings, lazy=False)
    began = time.thread_time()
    work(1_000_000)
    rounds = round(1_000_000 * WORK / (time.thread_time() - began))
    queue = f"busy-{uuid4()}"
    handles: list[WorkflowHandle[BusyWorkflow, None]] = [
        await client.start_workflow(
            BusyWorkflow.run, rounds, id=f"{queue}-{number}", task_queue=queue, task_timeout=IN_TIME
        )
        for number in range(MANY)
    ]
    async with polling(queues.worker(client, queue, workflows=[BusyWorkflow])):
        await asyncio.gather(*(handle.result() for handle in handles))
    kinds = [event.event_type for handle in handles async for event in handle.fetch_history_events()]
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == MANY
    # Of a hundred that are taken at once most come too late; of a few, one or the other where the machine has others
    # to see to.
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT) < MANY / 5
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
