"""One approval: people are asked, waited for as long as it takes, and what came of it goes back to the conversation."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.approvals import ApprovalStanding, ApprovalState
from konstruct.contracts.conversation import ToolCallToMake
from workflows import policies
from workflows.tool_calls import make
from workflows.words import Words


@workflow.defn(name="ApprovalWorkflow")
class ApprovalWorkflow:
    @workflow.init
    def __init__(self, state: ApprovalState) -> None:
        self._state = state
        self._words = Words()

    @workflow.run
    async def run(self, state: ApprovalState) -> None:
        announcing = asyncio.create_task(self._announce())
        words, standing = self._words.count, await self._stand()
        while standing.state == "waiting":
            await self._words.wait(words, standing.seconds_left)
            words, standing = self._words.count, await self._stand()
        announcing.cancel()
        await workflow.wait_condition(announcing.done)
        if standing.state == "approved":
            await make(state.tenant_id, ToolCallToMake(standing.call_id, standing.timeout_seconds, standing.attempts))
        await workflow.execute_activity("report_approval", state, **policies.REPORTING)

    async def _announce(self) -> None:
        try:
            await workflow.execute_activity("announce_approval", self._state, **policies.ANNOUNCING)
        except ActivityError:
            # Decided meanwhile; or nobody can be told, which a doctor shows. The API can still decide.
            return

    async def _stand(self) -> ApprovalStanding:
        standing: ApprovalStanding = await workflow.execute_activity(
            "settle_approval", self._state, result_type=ApprovalStanding, **policies.BOOKKEEPING
        )
        return standing

    @workflow.signal
    def decided(self) -> None:
        self._words.add()
