"""Builds side by side, on a server of their own: what is current there is nobody else's business."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from konstruct import deploys, temporal
from konstruct.contracts.conversation import MOVE_ON
from konstruct.embedded import temporal as embedded
from tests.workflows.conftest import Conversation, Stage, playing

PATIENCE: Final = timedelta(seconds=60)


@asynccontextmanager
async def opened_server(*arguments: str) -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_local(
        identity="recorder",
        dev_server_existing_path=str(embedded.binary()),
        dev_server_log_level="never",
        dev_server_extra_args=[*embedded.CONFIGURATION, *arguments],
    ) as environment:
        yield environment


@dataclass
class Street:
    """Conversations, and the builds that work on them; what a build thinks and sends is its own stage's. Workers of no
    build are those of ""."""

    environment: WorkflowEnvironment
    stages: dict[str, Stage] = field(default_factory=dict)
    _workers: dict[str, AsyncExitStack] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        return self.environment.client

    async def start(self, build: str, *, stage: Stage | None = None) -> Conversation:
        """Its worker beside the others; gives a conversation to talk in, whichever build that is of."""
        self.stages[build], self._workers[build] = stage or Stage(), AsyncExitStack()
        return await self._workers[build].enter_async_context(
            playing(self.environment, self.stages[build], build=build or None, queue=temporal.CONVERSATIONS)
        )

    async def promoted(self, build: str) -> Conversation:
        """Started, and given what is new."""
        conversation = await self.start(build)
        await deploys.promote(self.client, build, PATIENCE)
        return conversation

    async def end(self, build: str) -> None:
        await self._workers.pop(build).aclose()

    async def builds_of(self, conversation: Conversation) -> list[set[str]]:
        """Of each of its runs, in order, the builds that worked on it."""
        found = []
        run: WorkflowHandle[Any, Any] | None = conversation.first_run
        while run is not None:
            builds, following = set(), None
            async for event in run.fetch_history_events():
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                    builds.add(event.workflow_task_completed_event_attributes.deployment_version.build_id)
                elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                    run_id = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
                    following = self.client.get_workflow_handle(str(conversation.id), run_id=run_id)
            found.append(builds)
            run = following
        return found

    async def drained(self, build: str, *, is_gone: bool = False) -> int:
        return await deploys.drain(self.client, build, PATIENCE, is_gone=is_gone, tell=lambda left: None)

    async def stop(self) -> None:
        for build in list(self._workers):
            await self.end(build)


@asynccontextmanager
async def opened_street(environment: WorkflowEnvironment) -> AsyncIterator[Street]:
    street = Street(environment)
    try:
        yield street
    finally:
        await street.stop()


async def moved(street: Street) -> WorkflowHandle[Any, Any]:
    """A conversation that went over to another build when its turn was over; gives the run that it left."""
    conversation = await street.promoted("earlier")
    stage = street.stages["earlier"]
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    await street.promoted("later")
    await conversation.handle.signal(MOVE_ON)
    stage.hold.set()
    await stage.deliveries.get()
    await street.drained("earlier")
    return conversation.first_run


async def moved_while_idle(street: Street) -> WorkflowHandle[Any, Any]:
    conversation = await street.promoted("first")
    await conversation.say()
    await street.stages["first"].deliveries.get()
    await street.promoted("second")
    await street.drained("first")
    return conversation.first_run


MOVES: Final = (moved, moved_while_idle)
