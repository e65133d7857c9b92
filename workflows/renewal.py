"""Renewing tokens that expire, by a schedule."""

from temporalio import workflow

from workflows import policies


@workflow.defn(name="RenewTokensWorkflow")
class RenewTokensWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("renew_tokens", **policies.RENEWING)
