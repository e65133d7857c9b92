"""What somebody asks for now and then, and what takes longer than a page waits: an erasure, a check of the trail."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.upkeep import Asked
from workflows import policies


@workflow.defn(name="EraseContactWorkflow")
class EraseContactWorkflow:
    @workflow.run
    async def run(self, asked: Asked) -> None:
        await workflow.execute_activity("erase_contact", asked, **policies.ERASING)


@workflow.defn(name="CheckTrailWorkflow")
class CheckTrailWorkflow:
    @workflow.run
    async def run(self, asked: Asked) -> None:
        try:
            await workflow.execute_activity("check_trail", asked, **policies.CHECKING)
        except ActivityError:
            await workflow.execute_activity("give_up_check", asked, **policies.BOOKKEEPING)
