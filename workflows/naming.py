"""Asking channels who contacts are, by a schedule."""

from temporalio import workflow

from workflows import policies


@workflow.defn(name="LearnNamesWorkflow")
class LearnNamesWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("learn_names", **policies.NAMING)
