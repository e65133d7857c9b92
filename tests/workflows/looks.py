"""Looks at Stripe, played by a test or a recording, and the workflow that has them made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from konstruct.contracts.billing import TOLD, SubscriptionState, workflow_id
from tests.support.workers import polling
from workflows.billing import SubscriptionWorkflow
from workflows.sandbox import RUNNER


@dataclass
class Looks:
    """What is asked of the activity, in order; each is held where a test wants it, or fails."""

    begun: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    hold: asyncio.Event | None = None
    failing: int = 0
    """So many more find Stripe away."""
    refused: int = 0
    """So many more are refused, which is the same for each attempt."""

    @activity.defn(name="sync_subscription")
    async def sync_subscription(self, state: SubscriptionState) -> None:
        await self.begun.put(state.tenant_id)
        if self.hold is not None:
            waiting = asyncio.create_task(self.hold.wait())
            while not waiting.done():
                activity.heartbeat()
                await asyncio.wait([waiting], timeout=0.05)
        if self.refused:
            self.refused -= 1
            raise ApplicationError("The key is not Stripe's.", type="PaymentsRefused", non_retryable=True)
        if self.failing:
            self.failing -= 1
            raise ApplicationError("Stripe does not answer.", type="PaymentsUnavailable")


@dataclass
class Subscription:
    environment: WorkflowEnvironment
    queue: str
    looks: Looks
    tenant_id: UUID = field(default_factory=uuid4)

    async def tell(self) -> WorkflowHandle[SubscriptionWorkflow, None]:
        """As the webhook does."""
        return await self.environment.client.start_workflow(
            SubscriptionWorkflow.run,
            SubscriptionState(self.tenant_id),
            id=workflow_id(self.tenant_id),
            task_queue=self.queue,
            start_signal=TOLD,
        )


@asynccontextmanager
async def looking(environment: WorkflowEnvironment, looks: Looks) -> AsyncIterator[Subscription]:
    queue = f"test-{uuid4()}"
    async with polling(
        Worker(
            environment.client,
            task_queue=queue,
            workflows=[SubscriptionWorkflow],
            activities=[looks.sync_subscription],
            workflow_runner=RUNNER,
        )
    ):
        yield Subscription(environment, queue, looks)


async def looked_again(subscription: Subscription) -> WorkflowHandle[SubscriptionWorkflow, None]:
    """To the end: an answer that took three attempts, words during it, and a look for them."""
    subscription.looks.failing, subscription.looks.hold = 2, asyncio.Event()
    handle = await subscription.tell()
    await subscription.looks.begun.get()
    for _ in range(3):
        await subscription.tell()
    subscription.looks.hold.set()
    await handle.result()
    return handle


async def refused_look(subscription: Subscription) -> WorkflowHandle[SubscriptionWorkflow, None]:
    """To the end: a look that was refused, a word that had it made again, and nothing more for a while."""
    subscription.looks.refused = 2
    handle = await subscription.tell()
    await subscription.looks.begun.get()
    await subscription.tell()
    await handle.result()
    return handle


SCENES = (looked_again, refused_look)
