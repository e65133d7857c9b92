"""Subscriptions as Stripe tells of them: one workflow a tenant that looks there, and what is done by schedule.

Nothing that a webhook says is believed, so the words of this workflow have no content: something happened, look.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.billing import WORKFLOW, Metered, Reconciled, SubscriptionState
from workflows import policies
from workflows.words import Words


@workflow.defn(name=WORKFLOW)
class SubscriptionWorkflow:
    """It looks until nothing came during a look, and is over. What it did not get to is taken up by the sweep."""

    @workflow.init
    def __init__(self, state: SubscriptionState) -> None:
        self._words = Words()

    @workflow.run
    async def run(self, state: SubscriptionState) -> None:
        while True:
            words = self._words.count
            try:
                await workflow.execute_activity("sync_subscription", state, **policies.LOOKING_AT_STRIPE)
            except ActivityError:
                # It would come to the same at once; while this one waits, the sweep starts no other.
                await self._words.wait(words, policies.LOOK_AT_STRIPE_AGAIN_AFTER.total_seconds())
            if self._words.count == words:
                return
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(state)

    @workflow.signal
    def told(self) -> None:
        self._words.add()


@workflow.defn(name="ReconcileSubscriptionsWorkflow")
class ReconcileSubscriptionsWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("reconcile_subscriptions", result_type=Reconciled, **policies.RECONCILING)


@workflow.defn(name="MeterUsageWorkflow")
class MeterUsageWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("meter_usage", result_type=Metered, **policies.METERING)
