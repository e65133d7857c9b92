"""One handoff: people are told of it, reminded and helped, for as long as it takes."""

from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.handoffs import AssistRequest, HandoffStanding, HandoffState
from workflows import policies


@workflow.defn(name="HandoffWorkflow")
class HandoffWorkflow:
    @workflow.init
    def __init__(self, state: HandoffState) -> None:
        self._state = state
        self._words = 0
        self._helped_with: set[UUID] = set()

    @workflow.run
    async def run(self, state: HandoffState) -> None:
        for _ in range(policies.HANDOFF_STEPS_IN_A_RUN):
            words, standing = self._words, await self._attend()
            if standing.is_over and self._words == words:
                return
            if not await self._help(standing):
                await self._wait(words, standing.seconds)
        workflow.continue_as_new(state)

    async def _attend(self) -> HandoffStanding:
        standing: HandoffStanding = await workflow.execute_activity(
            "attend_handoff", self._state, result_type=HandoffStanding, **policies.ATTENDING
        )
        return standing

    async def _help(self, standing: HandoffStanding) -> bool:
        """Has written what people wait for, each once; whether there was anything."""
        wanted = [entry_id for entry_id in standing.assist if entry_id not in self._helped_with]
        for entry_id in wanted:
            self._helped_with.add(entry_id)
            await self._try("assist_agent", AssistRequest(self._state.tenant_id, entry_id))
        needs_packet = standing.needs_packet and self._state.handoff_id not in self._helped_with
        if needs_packet:
            self._helped_with.add(self._state.handoff_id)
            await self._try("pack_handoff", self._state)
        return bool(wanted) or needs_packet

    async def _try(self, activity: str, request: AssistRequest | HandoffState) -> None:
        try:
            await workflow.execute_activity(activity, request, **policies.ASSISTING)
        except ActivityError:
            # The entry says that it failed; a packet is only less than it could be.
            workflow.logger.warning("No model helped with a handoff.")

    async def _wait(self, words: int, seconds: float | None) -> None:
        """For somebody's word, which the database knows, or for the next thing that is due."""
        timeout = None if seconds is None else timedelta(seconds=max(seconds, policies.LEAST_WAIT_SECONDS))
        try:
            await workflow.wait_condition(lambda: self._words != words, timeout=timeout)
        except TimeoutError:
            return

    @workflow.signal
    def changed(self) -> None:
        self._words += 1
