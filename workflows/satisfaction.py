"""Started by a schedule: contacts are asked how they were helped."""

from temporalio import workflow

from konstruct.contracts.upkeep import Questions
from workflows import policies


@workflow.defn(name="AskForRatingsWorkflow")
class AskForRatingsWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("ask_for_ratings", result_type=Questions, **policies.ASKING_FOR_RATINGS)
