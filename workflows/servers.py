"""Asking servers of tools what they offer, by a schedule."""

from temporalio import workflow

from workflows import policies


@workflow.defn(name="LookAtServersWorkflow")
class LookAtServersWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("look_at_servers", **policies.LOOKING)
