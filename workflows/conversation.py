"""One conversation: its mailbox, in order, and the turns that empty it. Handlers only note; ``run`` alone awaits."""

import asyncio
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.conversation import (
    ConversationState,
    Delivered,
    DeliverMessage,
    DeliverRequest,
    SendNotice,
)
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
        self._turns = 0
        self._is_silent = False

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        silence = asyncio.create_task(self._watch_silence())
        while await self._has_work():
            await self._send_notices()
            if self._mailbox.waiting:
                await Turn(self._tenant_id, self._conversation_id, self._mailbox).run()
            self._turns += 1
            self._is_silent = False
            if self._turns >= policies.TURNS_IN_A_RUN or workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(
                    ConversationState(
                        self._tenant_id, self._conversation_id, list(self._mailbox.waiting), self._notices
                    )
                )
        silence.cancel()

    async def _has_work(self) -> bool:
        """Waits for something to do; False when the conversation has fallen silent."""
        await workflow.wait_condition(lambda: bool(self._mailbox.waiting or self._notices or self._is_silent))
        # A message may have come in the very task in which the silence ended.
        return bool(self._mailbox.waiting or self._notices)

    async def _watch_silence(self) -> None:
        """Looks once in a while instead of timing each pause, which would cost two events a turn."""
        while True:
            turns = self._turns
            await workflow.sleep(policies.SILENCE_ENDS_AFTER)
            self._is_silent = self._turns == turns

    async def _send_notices(self) -> None:
        notices, self._notices = self._notices, []
        if notices:
            request = DeliverRequest(self._tenant_id, self._conversation_id, notices)
            try:
                await workflow.execute_activity("deliver", request, result_type=Delivered, **policies.DELIVERY)
            except ActivityError:
                workflow.logger.warning("A notice could not be sent in a day.")

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

    @workflow.query
    def waiting_messages(self) -> list[UUID]:
        return self._mailbox.waiting
