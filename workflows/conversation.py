"""One conversation: its mailbox, in order, the turns that empty it, and who owns it.

Handlers of signals only note, and ``run`` does. An agent's act is judged by the database at once, beside what ``run``
does: of two results the one with the greater epoch holds.
"""

import asyncio
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, WorkflowAlreadyStartedError

from konstruct.contracts import handoffs
from konstruct.contracts.conversation import (
    ConversationState,
    Delivered,
    DeliverMessage,
    DeliverRequest,
    SendNotice,
)
from konstruct.contracts.handoffs import AgentAct, HandOff, HandoffState, OwnerChange, OwnerState, Resume
from workflows import policies
from workflows.turn import Mailbox, Turn


@workflow.defn(name="ConversationWorkflow")
class ConversationWorkflow:
    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        self._tenant_id = state.tenant_id
        self._conversation_id = state.conversation_id
        self._mailbox = Mailbox(list(state.mailbox))
        self._notices = list(state.notices)
        self._ownership = state.ownership
        self._changes = list(state.changes)
        self._turns = 0
        self._is_silent = False

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        silence = asyncio.create_task(self._watch_silence())
        while await self._has_work():
            if self._is_something_waiting():
                await self._work()
            if self._is_run_over():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(
                    ConversationState(
                        self._tenant_id,
                        self._conversation_id,
                        list(self._mailbox.waiting),
                        self._notices,
                        self._ownership,
                        self._changes,
                    ),
                    # The next run is of the build that is current by then, and keeps to it.
                    initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE,
                )
        silence.cancel()

    async def _work(self) -> None:
        await self._change_owner()
        await self._send_notices()
        # What came while notices were sent comes before the next turn, which it may be to cut off.
        if self._mailbox.waiting and not self._changes:
            await self._take_turn()
        self._turns += 1
        self._is_silent = False

    def _is_run_over(self) -> bool:
        info = workflow.info()
        return (
            self._turns >= policies.TURNS_IN_A_RUN
            or info.is_continue_as_new_suggested()
            or info.is_target_worker_deployment_version_changed()
            or self._is_history_long()
        )

    def _is_history_long(self) -> bool:
        length = workflow.info().get_current_history_length()
        return length >= policies.EVENTS_IN_A_RUN and workflow.patched("runs-of-few-events")

    async def _has_work(self) -> bool:
        """Waits for something to do, be it to go over to another build; False when the conversation has fallen
        silent."""
        await workflow.wait_condition(lambda: self._is_something_waiting() or self._may_end() or self._may_move())
        # A message may have come in the very task in which the silence ended.
        return self._is_something_waiting() or not self._may_end()

    def _is_something_waiting(self) -> bool:
        return bool(self._mailbox.waiting or self._notices or self._changes)

    def _may_end(self) -> bool:
        """While people have it there is somebody to come back to, however long they take."""
        return self._is_silent and self._ownership.owner == "employee" and workflow.all_handlers_finished()

    def _may_move(self) -> bool:
        return workflow.info().is_target_worker_deployment_version_changed() and workflow.all_handlers_finished()

    async def _watch_silence(self) -> None:
        """Looks once in a while instead of timing each pause, which would cost two events a turn."""
        while True:
            turns = self._turns
            await workflow.sleep(policies.SILENCE_ENDS_AFTER)
            self._is_silent = self._turns == turns

    async def _take_turn(self) -> None:
        turn = Turn(self._tenant_id, self._conversation_id, self._mailbox)
        await turn.run()
        for handoff_id in turn.told:
            await self._attend(handoff_id)
        if turn.handed_off is not None:
            self._learn(turn.handed_off)
            if turn.handed_off.handoff_id is not None:
                await self._attend(turn.handed_off.handoff_id)
        elif turn.is_employees and not self._mailbox.is_paused and self._ownership.owner != "employee":
            # It answered, so it has the conversation back; whoever gave it back did not say so here.
            self._ownership = OwnerState("employee", self._ownership.epoch)

    async def _attend(self, handoff_id: UUID) -> None:
        """In a workflow of its own, which tells people and waits for them."""
        try:
            await workflow.start_child_workflow(
                handoffs.WORKFLOW,
                HandoffState(self._tenant_id, handoff_id),
                id=handoffs.workflow_id(self._tenant_id, handoff_id),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            )
        except WorkflowAlreadyStartedError:
            # A sweep was earlier, or the conversation had been handed off before this turn began.
            return

    async def _change_owner(self) -> None:
        while self._changes:
            try:
                await self._changed(self._changes.pop(0))
            except ActivityError as error:
                workflow.logger.warning("A change of owner was refused: %s", error.cause)

    async def _changed(self, change: OwnerChange) -> OwnerState:
        changed: OwnerState = await workflow.execute_activity(
            "change_owner", change, result_type=OwnerState, **policies.CHANGING_OWNER
        )
        self._learn(changed)
        return changed

    def _learn(self, ownership: OwnerState) -> None:
        """Results may come in another order than what they tell of came about."""
        if ownership.epoch < self._ownership.epoch:
            return
        self._ownership = ownership
        if ownership.owner != "employee":
            self._mailbox.pause()
        elif ownership.answer_id is not None:
            self._mailbox.put(ownership.answer_id)

    async def _send_notices(self) -> None:
        notices, self._notices = self._notices, []
        if notices:
            request = DeliverRequest(self._tenant_id, self._conversation_id, notices, are_apart=True)
            try:
                delivered: Delivered = await workflow.execute_activity(
                    "deliver", request, result_type=Delivered, **policies.DELIVERY
                )
            except ActivityError:
                workflow.logger.warning("A notice could not be sent in a day.")
                return
            if delivered.outcome == "failed" and self._ownership.handoff_id is not None:
                await self._mention_failure(self._ownership.handoff_id)

    async def _mention_failure(self, handoff_id: UUID) -> None:
        """Has the agent told that something did not reach the contact."""
        attending = workflow.get_external_workflow_handle(handoffs.workflow_id(self._tenant_id, handoff_id))
        try:
            await attending.signal(handoffs.CHANGED)
        except FailureError:
            # It does not run, so a sweep starts it.
            return

    @workflow.signal
    def deliver_message(self, message: DeliverMessage) -> None:
        self._mailbox.put(message.message_id)

    @workflow.signal
    def send_notice(self, notice: SendNotice) -> None:
        if notice.message_id not in self._notices:
            self._notices.append(notice.message_id)

    @workflow.signal
    def stop_turn(self) -> None:
        self._mailbox.stop_turn()

    @workflow.signal
    def move_on(self) -> None:
        """In the task that it makes, ``run`` sees for itself whether there is another build."""

    @workflow.signal
    def handoff(self, wish: HandOff) -> None:
        # What is being thought is cut off; the database has the last word on what still goes out.
        self._changes.append(OwnerChange(self._tenant_id, self._conversation_id, "hand_off", wish=wish))
        self._mailbox.interrupt()

    @workflow.signal
    def resume(self, resume: Resume) -> None:
        self._changes.append(OwnerChange(self._tenant_id, self._conversation_id, "resume", resume=resume))

    @workflow.update
    async def claim(self, act: AgentAct) -> OwnerState:
        return await self._act("claim", act)

    @workflow.update
    async def transfer(self, act: AgentAct) -> OwnerState:
        return await self._act("transfer", act)

    @workflow.update
    async def release(self, act: AgentAct) -> OwnerState:
        return await self._act("release", act)

    @workflow.update
    async def resolve(self, act: AgentAct) -> OwnerState:
        return await self._act("resolve", act)

    @workflow.update
    async def hand_back(self, act: AgentAct) -> OwnerState:
        return await self._act("hand_back", act)

    async def _act(self, action: handoffs.Action, act: AgentAct) -> OwnerState:
        try:
            return await self._changed(OwnerChange(self._tenant_id, self._conversation_id, action, act=act))
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError):
                # With its sentence, which tells the agent who was earlier.
                raise error.cause from error
            raise

    @claim.validator
    def _check_claim(self, act: AgentAct) -> None:
        _be_said(act.by, "Say which agent takes it.")

    @transfer.validator
    def _check_transfer(self, act: AgentAct) -> None:
        self._be_of_handoff(act)
        _be_said(act.to, "Say to whom it is transferred.")

    @release.validator
    def _check_release(self, act: AgentAct) -> None:
        self._be_of_handoff(act)

    @resolve.validator
    def _check_resolve(self, act: AgentAct) -> None:
        self._be_of_handoff(act)

    @hand_back.validator
    def _check_hand_back(self, act: AgentAct) -> None:
        self._be_of_handoff(act)

    def _be_of_handoff(self, act: AgentAct) -> None:
        _be_said(act.by, "Say which agent it is.")
        if act.handoff_id is None:
            raise ApplicationError("Say which handoff it is.", type="BadInput")
        known = self._ownership.handoff_id
        if known is not None and known != act.handoff_id:
            raise ApplicationError("This is over: the conversation has been handed off anew since.", type="Conflict")

    @workflow.query
    def waiting_messages(self) -> list[UUID]:
        return self._mailbox.waiting

    @workflow.query
    def ownership(self) -> OwnerState:
        return self._ownership


def _be_said(what: str | None, sentence: str) -> None:
    if not what:
        raise ApplicationError(sentence, type="BadInput")
