"""The seal: started by a schedule, it seals the audit trails that went on since, and anchors the seals."""

from temporalio import workflow

from konstruct.contracts.upkeep import Sealed
from workflows import policies


@workflow.defn(name="SealWorkflow")
class SealWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("seal", result_type=Sealed, **policies.SEALING)
