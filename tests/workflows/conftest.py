"""A Temporal server whose clock skips over waiting, and activities that a test plays itself."""

import asyncio
import sysconfig
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Interceptor, Worker

from konstruct.contracts import approvals, handoffs
from konstruct.contracts.approvals import ApprovalStanding, ApprovalState
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
    FetchFilesRequest,
    SendNotice,
    ThinkRequest,
    Thought,
    ToolCallRequest,
)
from konstruct.contracts.handoffs import HAND_OFF, Action, AgentAct, HandoffState, OwnerState
from tests.support.workers import polling
from tests.workflows.people import WISH, People
from workflows.approvals import ApprovalWorkflow
from workflows.conversation import ConversationWorkflow
from workflows.handoffs import HandoffWorkflow
from workflows.queues import of_build, of_conversations
from workflows.sandbox import RUNNER


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """One for each test: a clock that others have moved years ahead ends what this one waits for."""
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
    fetching: asyncio.Queue[FetchFilesRequest] = field(default_factory=asyncio.Queue)
    hold_files: asyncio.Event | None = None
    files_fail: bool = False

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

    @activity.defn(name="fetch_files")
    async def fetch_files(self, request: FetchFilesRequest) -> None:
        await self.fetching.put(request)
        if self.hold_files is not None:
            await self.hold_files.wait()
        if self.files_fail:
            raise ApplicationError("The channel is away.", non_retryable=True)

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

    @property
    def activities(self) -> list[Callable[..., Awaitable[object]]]:
        return [self.think, self.fetch_files, self.deliver, self.admit, self.abandon]


Standing = tuple[Literal["waiting", "approved", "denied", "expired"], float]
DAYS = timedelta(days=5)
"""Of silence: a conversation ends."""
THREE_DAYS: Standing = ("waiting", timedelta(days=3).total_seconds())


@dataclass
class Desk:
    """The activities around tools, played by a test: calls that are made, and people who are asked for some."""

    calls: list[ToolCallRequest] = field(default_factory=list)
    calling: asyncio.Queue[ToolCallRequest] = field(default_factory=asyncio.Queue)
    hold: asyncio.Event | None = None
    """When there is one, calls are answered once it is set."""
    failing: Counter[UUID] = field(default_factory=Counter)
    """So many attempts at a call die yet."""
    cut_short: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    """Calls, and approvals, that were cancelled while they were made or announced."""
    given_up: list[UUID] = field(default_factory=list)
    announced: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    hold_announcing: asyncio.Event | None = None
    announcing_fails: bool = False
    standings: deque[Standing] = field(default_factory=lambda: deque([THREE_DAYS]))
    """How an approval stands each time somebody looks, and for how many seconds yet; the last one for ever."""
    looked: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    reported: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    reports_failing: int = 0
    call_id: UUID = field(default_factory=uuid4)
    """What an approval is for."""

    def decide(self, standing: Standing) -> None:
        self.standings = deque([standing])

    @activity.defn(name="call_tool")
    async def call_tool(self, request: ToolCallRequest) -> None:
        self.calls.append(request)
        await self.calling.put(request)
        if self.hold is not None:
            await self._be_held(request.call_id, self.hold)
        if self.failing[request.call_id]:
            self.failing[request.call_id] -= 1
            raise ApplicationError("It died.")

    async def _be_held(self, what: UUID, hold: asyncio.Event) -> None:
        waiting = asyncio.create_task(hold.wait())
        try:
            while not waiting.done():
                # A cancellation comes with the answer to a sign of life.
                activity.heartbeat()
                await asyncio.wait([waiting], timeout=0.05)
        except asyncio.CancelledError:
            waiting.cancel()
            await self.cut_short.put(what)
            raise

    @activity.defn(name="give_up_call")
    async def give_up_call(self, request: ToolCallRequest) -> None:
        self.given_up.append(request.call_id)

    @activity.defn(name="announce_approval")
    async def announce_approval(self, state: ApprovalState) -> None:
        await self.announced.put(state.approval_id)
        if self.hold_announcing is not None:
            await self._be_held(state.approval_id, self.hold_announcing)
        if self.announcing_fails:
            raise ApplicationError("The channel is away.", non_retryable=True)

    @activity.defn(name="settle_approval")
    async def settle_approval(self, state: ApprovalState) -> ApprovalStanding:
        standing, seconds = self.standings.popleft() if len(self.standings) > 1 else self.standings[0]
        await self.looked.put(state.approval_id)
        return ApprovalStanding(standing, seconds, uuid4(), self.call_id, timeout_seconds=40.0, attempts=3)

    @activity.defn(name="report_approval")
    async def report_approval(self, state: ApprovalState) -> None:
        if self.reports_failing:
            self.reports_failing -= 1
            raise ApplicationError("The database does not answer.")
        await self.reported.put(state.approval_id)

    @property
    def activities(self) -> list[Callable[..., Awaitable[object]]]:
        return [
            self.call_tool,
            self.give_up_call,
            self.announce_approval,
            self.settle_approval,
            self.report_approval,
        ]


@dataclass
class Conversation:
    environment: WorkflowEnvironment
    queue: str
    stage: Stage
    desk: Desk
    people: People
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
        await self.tell(DELIVER_MESSAGE, DeliverMessage(message_id))
        return message_id

    async def say_again(self, message_id: UUID) -> None:
        await self.tell(DELIVER_MESSAGE, DeliverMessage(message_id))

    async def ask_people(self) -> WorkflowHandle[ApprovalWorkflow, None]:
        """The workflow of an approval of its own, as a sweep starts one."""
        state = ApprovalState(self.tenant_id, uuid4())
        return await self.environment.client.start_workflow(
            ApprovalWorkflow.run,
            state,
            id=approvals.workflow_id(state.tenant_id, state.approval_id),
            task_queue=self.queue,
        )

    async def notice(self) -> UUID:
        message_id = uuid4()
        await self.tell(SEND_NOTICE, SendNotice(message_id))
        return message_id

    async def have_attended(self) -> WorkflowHandle[HandoffWorkflow, None]:
        """The workflow of a handoff of its own, as a sweep starts one."""
        state = HandoffState(self.tenant_id, uuid4())
        return await self.environment.client.start_workflow(
            HandoffWorkflow.run,
            state,
            id=handoffs.workflow_id(state.tenant_id, state.handoff_id),
            task_queue=self.queue,
        )

    async def queued(self) -> UUID:
        """Once it waits for people; gives the handoff."""
        await self.tell(HAND_OFF, WISH)
        handoff_id = (await self.learns()).handoff_id
        assert handoff_id is not None
        return handoff_id

    async def annas(self) -> AgentAct:
        """Once Anna has it; gives what she says of it."""
        act = AgentAct("anna", await self.queued())
        await self.act("claim", act)
        await self.people.changed.get()
        return act

    async def act(self, action: Action, act: AgentAct) -> OwnerState:
        changed: OwnerState = await self.handle.execute_update(action, act, result_type=OwnerState)
        return changed

    async def ownership(self) -> OwnerState:
        return await self.handle.query(ConversationWorkflow.ownership)

    async def waiting(self) -> list[UUID]:
        return await self.handle.query(ConversationWorkflow.waiting_messages)

    async def is_running(self) -> bool:
        return (await self.handle.describe()).status is WorkflowExecutionStatus.RUNNING

    async def learns(self) -> OwnerState:
        """Waits until the workflow has heard how the last change of owner that was begun ended."""
        changed = await self.people.changed.get()
        while (await self.ownership()).epoch < changed.epoch:
            pass
        return changed

    async def tell(self, signal: str, content: object) -> None:
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
async def playing(
    environment: WorkflowEnvironment,
    stage: Stage,
    desk: Desk | None = None,
    people: People | None = None,
    *,
    build: str | None = None,
    queue: str | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> AsyncIterator[Conversation]:
    queue, desk, people = queue or f"test-{uuid4()}", desk or Desk(), people or People()
    async with polling(
        Worker(
            environment.client,
            task_queue=queue,
            workflows=of_conversations(build),
            activities=[*stage.activities, *desk.activities, *people.activities],
            workflow_runner=RUNNER,
            interceptors=interceptors,
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
            deployment_config=of_build(build, VersioningBehavior.PINNED),
        )
    ):
        yield Conversation(environment, queue, stage, desk, people)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
async def conversation(
    skipping: WorkflowEnvironment, stage: Stage, desk: Desk, people: People
) -> AsyncIterator[Conversation]:
    async with playing(skipping, stage, desk, people) as started:
        yield started
