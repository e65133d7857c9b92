"""A Temporal server whose clock skips over waiting, and activities that a test plays itself."""

import asyncio
import sysconfig
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from konstruct.contracts.conversation import (
    DELIVER_MESSAGE,
    SEND_NOTICE,
    AbandonRequest,
    AdmitRequest,
    Admitted,
    ConversationState,
    Delivered,
    DeliverMessage,
    DeliverRequest,
    SendNotice,
    ThinkRequest,
    Thought,
)
from workflows.conversation import ConversationWorkflow
from workflows.sandbox import RUNNER


@pytest.fixture(scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    server = Path(sysconfig.get_path("scripts")) / "temporal-test-server"
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(server)) as environment:
        yield environment


@dataclass
class Stage:
    """The activities of a conversation, played by a test; what was asked of each is kept in order."""

    thinking: asyncio.Queue[ThinkRequest] = field(default_factory=asyncio.Queue)
    thoughts: list[ThinkRequest] = field(default_factory=list)
    delivered: list[DeliverRequest] = field(default_factory=list)
    deliveries: asyncio.Queue[DeliverRequest] = field(default_factory=asyncio.Queue)
    outcomes: deque[Delivered] = field(default_factory=deque)
    foregone: deque[Thought] = field(default_factory=deque)
    """What thinking comes to, one each, before it comes to replies."""
    admitted: list[AdmitRequest] = field(default_factory=list)
    abandoned: asyncio.Queue[AbandonRequest] = field(default_factory=asyncio.Queue)
    failures: float = 0
    """How often thinking still fails because every model is down."""
    before_deliver: Callable[[], Awaitable[None]] | None = None
    hold: asyncio.Event | None = None

    @activity.defn(name="think")
    async def think(self, request: ThinkRequest) -> Thought:
        self.thoughts.append(request)
        await self.thinking.put(request)
        if self.hold is not None:
            await self.hold.wait()
        if self.failures > 0:
            self.failures -= 1
            raise ApplicationError("No model answered.", type="ModelsUnavailable")
        if self.foregone:
            return self.foregone.popleft()
        return Thought("reply", [request.turn_id])

    @activity.defn(name="deliver")
    async def deliver(self, request: DeliverRequest) -> Delivered:
        if self.before_deliver is not None:
            await self.before_deliver()
        self.delivered.append(request)
        await self.deliveries.put(request)
        return self.outcomes.popleft() if self.outcomes else Delivered("sent")

    @activity.defn(name="admit")
    async def admit(self, request: AdmitRequest) -> Admitted:
        self.admitted.append(request)
        return Admitted([uuid4()])

    @activity.defn(name="abandon")
    async def abandon(self, request: AbandonRequest) -> None:
        await self.abandoned.put(request)


@dataclass
class Conversation:
    environment: WorkflowEnvironment
    queue: str
    stage: Stage
    tenant_id: UUID = field(default_factory=uuid4)
    id: UUID = field(default_factory=uuid4)

    first_run_id: str | None = None
    _handle: WorkflowHandle[ConversationWorkflow, None] | None = None

    @property
    def handle(self) -> WorkflowHandle[ConversationWorkflow, None]:
        """Waiting for its result lets the clock skip, which only the handle of a start does."""
        assert self._handle is not None, "say something first"
        return self._handle

    @property
    def first_run(self) -> WorkflowHandle[ConversationWorkflow, None]:
        client = self.environment.client
        return client.get_workflow_handle_for(ConversationWorkflow.run, str(self.id), run_id=self.first_run_id)

    async def say(self) -> UUID:
        message_id = uuid4()
        await self._tell(DELIVER_MESSAGE, DeliverMessage(message_id))
        return message_id

    async def say_again(self, message_id: UUID) -> None:
        await self._tell(DELIVER_MESSAGE, DeliverMessage(message_id))

    async def notice(self) -> UUID:
        message_id = uuid4()
        await self._tell(SEND_NOTICE, SendNotice(message_id))
        return message_id

    async def _tell(self, signal: str, content: object) -> None:
        self._handle = await self.environment.client.start_workflow(
            ConversationWorkflow.run,
            ConversationState(self.tenant_id, self.id),
            id=str(self.id),
            task_queue=self.queue,
            start_signal=signal,
            start_signal_args=[content],
        )
        self.first_run_id = self.first_run_id or self._handle.result_run_id


@asynccontextmanager
async def playing(environment: WorkflowEnvironment, stage: Stage) -> AsyncIterator[Conversation]:
    queue = f"test-{uuid4()}"
    async with Worker(
        environment.client,
        task_queue=queue,
        workflows=[ConversationWorkflow],
        activities=[stage.think, stage.deliver, stage.admit, stage.abandon],
        workflow_runner=RUNNER,
    ):
        yield Conversation(environment, queue, stage)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def conversation(skipping: WorkflowEnvironment, stage: Stage) -> AsyncIterator[Conversation]:
    async with playing(skipping, stage) as started:
        yield started
