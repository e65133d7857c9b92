"""The sweep: started by a schedule, it puts back on its way what no conversation has taken."""

from temporalio import workflow

from konstruct.contracts.conversation import Swept
from workflows import policies


@workflow.defn(name="SweepWorkflow")
class SweepWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("sweep", result_type=Swept, **policies.SWEEPING)
