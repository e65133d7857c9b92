"""A worker that never ends fails the test that it is of, and keeps no other waiting."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.bridge.worker import Worker as BridgeWorker
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from konstruct import temporal
from konstruct.settings import Settings
from tests.support.workers import polling


@workflow.defn
class Idle:
    @workflow.run
    async def run(self) -> None:
        """It has nothing to do."""


@pytest.fixture
async def client(settings: Settings) -> Client:
    return await temporal.connect(settings, lazy=False)


def idle(client: Client) -> Worker:
    return Worker(
        client,
        task_queue=f"idle-{uuid4()}",
        workflows=[Idle],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def test_one_that_ends_is_none_to_speak_of(client: Client) -> None:
    worker = idle(client)
    async with polling(worker):
        await client.execute_workflow(Idle.run, id=worker.task_queue, task_queue=worker.task_queue)
    assert not worker.is_running


async def test_one_that_hangs_is_told_of_in_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    finalize, may_end = BridgeWorker.finalize_shutdown, asyncio.Event()

    async def hang(bridge: Any) -> None:
        await may_end.wait()
        await finalize(bridge)

    monkeypatch.setattr(BridgeWorker, "finalize_shutdown", hang)
    worker = idle(client)
    with pytest.raises(AssertionError, match=rf"{worker.task_queue} did not end within 1 s.* > test_.*hang"):
        async with polling(worker, timedelta(seconds=1)):
            pass
    may_end.set()
    await worker.shutdown()


async def test_what_a_test_found_is_not_hidden_by_it(client: Client) -> None:
    with pytest.raises(LookupError, match="found"):
        async with polling(idle(client)):
            raise LookupError("found")
