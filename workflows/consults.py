"""One question to a colleague: they are asked, waited for as long as it takes, and what came of it goes back to the
conversation, which goes on meanwhile."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.consults import ConsultStanding, ConsultState
from workflows import policies


@workflow.defn(name="ConsultWorkflow")
class ConsultWorkflow:
    @workflow.init
    def __init__(self, state: ConsultState) -> None:
        self._state = state
        self._words = 0

    @workflow.run
    async def run(self, state: ConsultState) -> None:
        announcing = asyncio.create_task(self._announce())
        words, standing = self._words, await self._stand()
        while standing.state == "waiting":
            await self._wait(words, standing.seconds_left)
            words, standing = self._words, await self._stand()
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

    async def _wait(self, words: int, seconds: float) -> None:
        """For the answer, which the database knows, or for the time to be over. ``words``: how many there were before
        it was last looked, for one that came meanwhile may not have been seen."""
        try:
            await workflow.wait_condition(
                lambda: self._words != words, timeout=timedelta(seconds=max(seconds, policies.LEAST_WAIT_SECONDS))
            )
        except TimeoutError:
            return

    @workflow.signal
    def settled(self) -> None:
        self._words += 1
