"""Whose calls begin, and when: what is over a tenant's pace waits with the server, and people go first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority

from tests.support.processes import until
from tests.support.workers import polling
from tests.workflows.builds import opened_server
from workflows import pace, policies, queues

QUEUE = "paced"
ONE_IN_AN_HOUR = 1 / 3600
AS_FAST_AS_THEY_COME = 0.0


@workflow.defn(name="Called", sandboxed=False)
class CalledWorkflow:
    @workflow.run
    async def run(self, by: str) -> None:
        options = policies.CHANGING_OWNER if by == "agent" else policies.THINKING
        await workflow.execute_activity("call", by, **options)


class Callers:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.begun: list[str] = []
        """Who made the calls that began, in that order."""

    def working(self, *, calls_at_once: int) -> AbstractAsyncContextManager[None]:
        @activity.defn(name="call")
        async def call(by: str) -> None:
            self.begun.append(by)

        return polling(
            queues.worker(
                self.client,
                QUEUE,
                workflows=[CalledWorkflow],
                activities=[call] if calls_at_once else (),
                max_concurrent_activities=calls_at_once or None,
            )
        )

    async def start(self, tenant: str, by: str) -> WorkflowHandle[CalledWorkflow, None]:
        priority = Priority(fairness_key=tenant)
        return await self.client.start_workflow(
            CalledWorkflow.run, by, id=str(uuid4()), task_queue=QUEUE, priority=priority
        )


@pytest.fixture
async def callers() -> AsyncIterator[Callers]:
    async with opened_server() as environment:
        yield Callers(environment.client)


async def test_a_tenant_that_is_over_its_pace_waits_and_others_do_not(callers: Callers) -> None:
    await pace.keep(callers.client, QUEUE, ONE_IN_AN_HOUR)
    async with callers.working(calls_at_once=10):
        await (await callers.start("noisy", "first")).result()
        flood = [await callers.start("noisy", "flood") for _ in range(5)]
        await (await callers.start("quiet", "other")).result()
        assert callers.begun == ["first", "other"]

        await pace.keep(callers.client, QUEUE, AS_FAST_AS_THEY_COME)
        await asyncio.gather(*(each.result() for each in flood))


async def test_what_a_person_waits_for_goes_before_what_employees_do(callers: Callers) -> None:
    async with callers.working(calls_at_once=0):
        waiting = [await callers.start("noisy", by) for by in ("flood", "flood", "flood", "agent")]
        for each in waiting:
            await until(lambda each=each: _waits_for_its_call(each))
    async with callers.working(calls_at_once=1):
        await asyncio.gather(*(each.result() for each in waiting))
    assert callers.begun == ["agent", "flood", "flood", "flood"]


async def _waits_for_its_call(handle: WorkflowHandle[CalledWorkflow, None]) -> bool:
    return bool((await handle.describe()).raw_description.pending_activities)
