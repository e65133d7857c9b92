"""One question to a colleague: they are asked, waited for as long as it takes, and what came of it goes back to the
conversation, which goes on meanwhile."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.consults import ConsultStanding, ConsultState
from workflows import policies
from workflows.words import Words


@workflow.defn(name="ConsultWorkflow")
class ConsultWorkflow:
    @workflow.init
    def __init__(self, state: ConsultState) -> None:
        self._state = state
        self._words = Words()

    @workflow.run
    async def run(self, state: ConsultState) -> None:
        announcing = asyncio.create_task(self._announce())
        words, standing = self._words.count, await self._stand()
        while standing.state == "waiting":
            await self._words.wait(words, standing.seconds_left)
            words, standing = self._words.count, await self._stand()
        announcing.cancel()
        await workflow.wait_condition(announcing.done)
        await workflow.execute_activity("report_consult", state, **policies.REPORTING)

    async def _announce(self) -> None:
        try:
            await workflow.execute_activity("announce_consult", self._state, **policies.ANNOUNCING)
        except ActivityError:
            # Settled meanwhile; or it cannot be shown to them. Over the API they can still answer.
            return

    async def _stand(self) -> ConsultStanding:
        standing: ConsultStanding = await workflow.execute_activity(
            "settle_consult", self._state, result_type=ConsultStanding, **policies.BOOKKEEPING
        )
        return standing

    @workflow.signal
    def settled(self) -> None:
        self._words.add()
