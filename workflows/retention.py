"""Retention: started by a schedule, it lets go of what tenants keep no longer."""

from temporalio import workflow

from konstruct.contracts.upkeep import LetGo
from workflows import policies


@workflow.defn(name="RetentionWorkflow")
class RetentionWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("let_go", result_type=LetGo, **policies.LETTING_GO)
