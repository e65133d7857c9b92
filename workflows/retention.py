"""Started by schedules: what tenants keep no longer is let go of, and of those that were deleted everything."""

from temporalio import workflow

from konstruct.contracts.upkeep import Cleared, LetGo
from workflows import policies


@workflow.defn(name="RetentionWorkflow")
class RetentionWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("let_go", result_type=LetGo, **policies.LETTING_GO)


@workflow.defn(name="ClearTenantsWorkflow")
class ClearTenantsWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("clear_tenants", result_type=Cleared, **policies.CLEARING)
