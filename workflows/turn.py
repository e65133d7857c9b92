"""One turn: think, use tools, think again, deliver; joined by what comes meanwhile, stopped when a person says so."""

import asyncio
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError, CancelledError, FailureError, WorkflowAlreadyStartedError

from konstruct.contracts import approvals
from konstruct.contracts.approvals import ApprovalState
from konstruct.contracts.conversation import (
    AbandonRequest,
    AdmitRequest,
    Admitted,
    Delivered,
    DeliverRequest,
    FetchFilesRequest,
    ThinkRequest,
    Thought,
)
from konstruct.contracts.handoffs import OwnerState
from workflows import policies
from workflows.tool_calls import make


class Mailbox:
    """Messages that wait for an answer, in order. ``news`` is raised by whatever a running turn must know of."""

    def __init__(self, waiting: list[UUID]) -> None:
        self.waiting = waiting
        self.news = 0
        self.is_stopped = False
        self.is_paused = False
        self.is_interrupted = False

    def put(self, message_id: UUID) -> None:
        if message_id not in self.waiting:
            self.waiting.append(message_id)
            self.news += 1

    def stop_turn(self) -> None:
        self.is_stopped = bool(self.waiting)
        self.news += 1

    def interrupt(self) -> None:
        """The turn ends here, since somebody is to have the conversation; what waits goes on waiting."""
        self.is_interrupted = True
        self.news += 1

    def pause(self) -> None:
        """People have the conversation: what waited here is theirs."""
        self.waiting = []
        self.is_paused, self.is_stopped, self.is_interrupted = True, False, False
        self.news += 1

    def begin_turn(self) -> None:
        # Where people did not take what was cut off for them, a stop that came meanwhile holds.
        self.is_stopped = self.is_stopped and self.is_interrupted
        self.is_paused = self.is_interrupted = False

    @property
    def is_cut_off(self) -> bool:
        """Whether the turn is not to go on."""
        return self.is_stopped or self.is_paused or self.is_interrupted

    def take(self, messages: list[UUID]) -> None:
        self.waiting = [message for message in self.waiting if message not in messages]


class Turn:
    def __init__(self, tenant_id: UUID, conversation_id: UUID, mailbox: Mailbox) -> None:
        self._tenant_id = tenant_id
        self._conversation_id = conversation_id
        self._mailbox = mailbox
        self._began: datetime = workflow.now()
        self._retry_after: timedelta | None = None
        self._may_show_status = False
        self._turn_id = UUID(int=0)
        self._steps = 0
        self._approvals: list[UUID] = []
        self._without_files = False
        self.is_employees = False
        """Whether the database let it think, and so the employee has the conversation."""
        self.handed_off: OwnerState | None = None
        self.told: list[UUID] = []
        """Handoffs of which people are only to be told."""

    async def run(self) -> None:
        """Goes on until the messages that wait are answered or given up, or people have the conversation."""
        self._mailbox.begin_turn()
        while self._mailbox.waiting:
            news, messages = self._mailbox.news, list(self._mailbox.waiting)
            thought = None if self._is_over() else await self._next_thought(news, messages)
            if self._is_peoples(thought):
                # Nobody is at work on it here any more, whatever the channel may show; the contact may be told so.
                told = thought.reply_ids if thought is not None and thought.decision == "handed_off" else []
                await self._deliver(told, end_status=True)
                return None
            if self._mailbox.is_stopped:
                return await self._abandon("stopped")
            if workflow.now() - self._began > policies.GIVE_UP_AFTER:
                return await self._abandon("failed")
            # Compared, not only cancelled: a result and a signal that come in one task cancel nothing.
            if thought is None or thought.decision in ("superseded", "tools", "files") or self._mailbox.news != news:
                # What was cut off may have shown in the channel that somebody is at work.
                self._may_show_status = True
                continue
            needs_channel = thought.decision == "reply" or thought.showed_status
            if not needs_channel and self._may_show_status:
                needs_channel = workflow.patched("end-status-of-what-was-cut-off")
            end_status = thought.showed_status or self._may_show_status
            if not needs_channel or await self._deliver(thought.reply_ids, end_status):
                if thought.is_repeated:
                    # It was thought before, and perhaps before some of these came in: another look tells.
                    self._steps = 0
                    continue
                self._mailbox.take(messages)
                return None
        return None

    def _is_over(self) -> bool:
        """Whether it was cut off while nothing was thought, as during a send that came to nothing."""
        if self._mailbox.is_paused or self._mailbox.is_interrupted:
            return True
        return self._mailbox.is_stopped and workflow.patched("no-thought-after-a-stop")

    async def _next_thought(self, news: int, messages: list[UUID]) -> Thought | None:
        """With the calls of tools made that it asks for; None where something came in between, or no model answered."""
        if not self._steps:
            # What was done with tools belongs to the turn: what comes in from then on joins it, as it is.
            self._turn_id = workflow.uuid4()
        request = ThinkRequest(
            *(self._tenant_id, self._conversation_id, self._turn_id, messages, self._steps), self._without_files
        )
        try:
            thought = await self._think(news, request)
        except ActivityError as error:
            if self._mailbox.news == news:
                await self._wait_out(news, self._turn_id, str(error.cause or error))
            return None
        if thought is not None:
            for approval_id in thought.approvals:
                self._approvals.append(approval_id)
                await self._ask_people(approval_id)
        if thought is not None and thought.decision == "tools":
            await self._use_tools(thought)
        if thought is not None and thought.decision == "files":
            await self._fetch_files()
        return thought

    async def _think(self, news: int, request: ThinkRequest) -> Thought | None:
        """None when something came in between; the call is then cancelled and its result, if any, is stale."""
        thinking = workflow.start_activity("think", request, result_type=Thought, **policies.THINKING)
        await workflow.wait_condition(lambda: thinking.done() or self._mailbox.news != news)
        if not thinking.done():
            thinking.cancel()
        try:
            thought: Thought = await thinking
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                return None
            raise
        return thought

    async def _use_tools(self, thought: Thought) -> None:
        """All at once; what fails is for the next step to say. A stop cuts them short."""
        self._steps += 1
        calls = [asyncio.create_task(make(self._tenant_id, call)) for call in thought.calls]
        await workflow.wait_condition(lambda: all(call.done() for call in calls) or self._mailbox.is_cut_off)
        for call in calls:
            call.cancel()
        await workflow.wait_condition(lambda: all(call.done() for call in calls))

    async def _fetch_files(self) -> None:
        """What comes in meanwhile waits for them, too. A stop cuts it short."""
        request = FetchFilesRequest(self._tenant_id, self._conversation_id)
        fetching = workflow.start_activity("fetch_files", request, **policies.FETCHING)
        await workflow.wait_condition(lambda: fetching.done() or self._mailbox.is_cut_off)
        if not fetching.done():
            fetching.cancel()
        try:
            await fetching
        except ActivityError:
            self._without_files = True

    async def _ask_people(self, approval_id: UUID) -> None:
        """In a workflow of its own: they may take days, and this conversation goes on."""
        try:
            await workflow.start_child_workflow(
                approvals.WORKFLOW,
                ApprovalState(self._tenant_id, approval_id),
                id=approvals.workflow_id(self._tenant_id, approval_id),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            )
        except WorkflowAlreadyStartedError:
            # A sweep was earlier.
            return

    async def _deliver(self, message_ids: list[UUID], end_status: bool) -> bool:
        """Whether the turn is over; False when it was superseded and has to be thought again."""
        request = DeliverRequest(self._tenant_id, self._conversation_id, message_ids, end_status)
        try:
            delivered: Delivered = await workflow.execute_activity(
                "deliver", request, result_type=Delivered, **policies.DELIVERY
            )
        except ActivityError:
            workflow.logger.warning("An answer could not be delivered in a day.")
            return True
        return delivered.outcome != "superseded"

    def _is_peoples(self, thought: Thought | None) -> bool:
        if thought is not None and thought.told_handoff_id is not None:
            self.told.append(thought.told_handoff_id)
        if thought is not None and thought.decision == "handed_off":
            self.handed_off = thought.ownership
            return True
        self.is_employees = self.is_employees or (thought is not None and thought.decision != "superseded")
        return self._mailbox.is_paused or self._mailbox.is_interrupted

    async def _wait_out(self, news: int, turn_id: UUID, reason: str) -> None:
        """Tells the contact once that the answer has to wait, then waits longer each time, or for something new."""
        if self._retry_after is None:
            self._retry_after = policies.FIRST_RETRY_AFTER
            admitted = await workflow.execute_activity(
                "admit",
                AdmitRequest(self._tenant_id, self._conversation_id, turn_id, reason),
                result_type=Admitted,
                **policies.BOOKKEEPING,
            )
            await self._deliver(admitted.notice_ids, end_status=True)
        else:
            self._retry_after = min(2 * self._retry_after, policies.LONGEST_RETRY_AFTER)
        try:
            await workflow.wait_condition(lambda: self._mailbox.news != news, timeout=self._retry_after)
        except TimeoutError:
            return

    async def _abandon(self, why: Literal["stopped", "failed"]) -> None:
        messages = list(self._mailbox.waiting)
        await workflow.execute_activity(
            "abandon",
            AbandonRequest(self._tenant_id, self._conversation_id, messages, why),
            **policies.BOOKKEEPING,
        )
        self._mailbox.take(messages)
        if self._approvals and workflow.patched("tell-approvals-of-a-stop"):
            await self._take_back_approvals()

    async def _take_back_approvals(self) -> None:
        """Nobody need decide any more: whoever asks people is to look how it stands."""
        for approval_id in self._approvals:
            asking = workflow.get_external_workflow_handle(approvals.workflow_id(self._tenant_id, approval_id))
            try:
                await asking.signal(approvals.DECIDED)
            except FailureError:
                # It was decided before, and is over.
                continue
