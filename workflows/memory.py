"""Writing memory: started by schedules, so that no conversation waits for it and nothing is lost when it is cut off."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, TimeoutError, TimeoutType

from konstruct.contracts.memory import Embedded, MemoryWork, RememberRequest
from workflows import policies


@workflow.defn(name="RememberWorkflow")
class RememberWorkflow:
    @workflow.run
    async def run(self) -> None:
        try:
            work: MemoryWork = await workflow.execute_activity(
                "claim_memory_work", result_type=MemoryWork, **policies.CLAIMING
            )
        except ActivityError as error:
            if isinstance(error.cause, TimeoutError) and error.cause.type is TimeoutType.SCHEDULE_TO_START:
                # There is more in hand than there is time for; the next run asks again.
                return
            raise
        await asyncio.gather(*(self._remember(request) for request in work.due))

    async def _remember(self, request: RememberRequest) -> None:
        try:
            await workflow.execute_activity("remember", request, **policies.REMEMBERING)
        except ActivityError:
            # Its claim runs out, and then it is due again.
            workflow.logger.warning("Memory of a conversation could not be written.")


@workflow.defn(name="EmbedWorkflow")
class EmbedWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("embed_memories", result_type=Embedded, **policies.EMBEDDING)
