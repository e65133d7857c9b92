"""One handoff: people are told of it, reminded and helped, for as long as it takes."""

import asyncio
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.conversation import FetchFilesRequest
from konstruct.contracts.handoffs import AssistRequest, HandoffStanding, HandoffState
from workflows import policies
from workflows.words import Words


@workflow.defn(name="HandoffWorkflow")
class HandoffWorkflow:
    @workflow.init
    def __init__(self, state: HandoffState) -> None:
        self._state = state
        self._words = Words()
        self._helps: dict[UUID, asyncio.Task[None]] = {}
        self._fetching: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, state: HandoffState) -> None:
        for _ in range(policies.HANDOFF_STEPS_IN_A_RUN):
            words, standing = self._words.count, await self._attend()
            if standing.is_over and self._words.count == words and not self._is_helping():
                return
            self._help(standing)
            await self._words.wait(words, standing.seconds)
        await workflow.wait_condition(lambda: not self._is_helping())
        workflow.continue_as_new(state)

    async def _attend(self) -> HandoffStanding:
        standing: HandoffStanding = await workflow.execute_activity(
            "attend_handoff", self._state, result_type=HandoffStanding, **policies.ATTENDING
        )
        return standing

    def _help(self, standing: HandoffStanding) -> None:
        """Has written what people wait for, each once; a model takes its time, in which the handoff is attended to."""
        if standing.is_over:
            return
        for entry_id in standing.assist:
            self._begin(entry_id, "assist_agent", AssistRequest(self._state.tenant_id, entry_id))
        if standing.needs_packet:
            self._begin(self._state.handoff_id, "pack_handoff", self._state)
        if standing.files_wait_in is not None and (self._fetching is None or self._fetching.done()):
            # What comes while it is at work is fetched afterwards.
            self._fetching = asyncio.create_task(self._fetch(standing.files_wait_in))

    def _begin(self, what: UUID, activity: str, request: AssistRequest | HandoffState) -> None:
        if what not in self._helps:
            self._helps[what] = asyncio.create_task(self._write(activity, request))

    async def _write(self, activity: str, request: AssistRequest | HandoffState) -> None:
        try:
            await workflow.execute_activity(activity, request, **policies.ASSISTING)
        except ActivityError:
            # A packet is only less than it could be; for an entry somebody waits.
            if isinstance(request, AssistRequest):
                await workflow.execute_activity("give_up_assisting", request, **policies.BOOKKEEPING)
        # It is to be shown.
        self._words.add()

    async def _fetch(self, conversation_id: UUID) -> None:
        request = FetchFilesRequest(self._state.tenant_id, conversation_id)
        try:
            await workflow.execute_activity("fetch_files", request, **policies.FETCHING_FOR_PEOPLE)
        except ActivityError:
            await workflow.execute_activity("give_up_files", request, **policies.BOOKKEEPING)
        self._words.add()

    def _is_helping(self) -> bool:
        tasks = [*self._helps.values(), *([self._fetching] if self._fetching else [])]
        return not all(task.done() for task in tasks)

    @workflow.signal
    def changed(self) -> None:
        self._words.add()
