"""What is done again and again, whoever works; each process sees to the schedules of its own queues."""

from dataclasses import replace
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
)

from konstruct import temporal
from workflows import policies


async def schedule_upkeep(client: Client) -> None:
    """Putting back on its way what was left lying, sealing what was done, and what is good for a time alone."""
    await _schedule(client, "sweep", "SweepWorkflow", temporal.UPKEEP, policies.SWEEP_EVERY)
    await _schedule(client, "seal", "SealWorkflow", temporal.UPKEEP, policies.SEAL_EVERY)
    await _schedule(client, "servers", "LookAtServersWorkflow", temporal.UPKEEP, policies.LOOK_EVERY)
    await _schedule(client, "renew", "RenewTokensWorkflow", temporal.UPKEEP, policies.RENEW_EVERY)
    await _schedule(client, "learn-names", "LearnNamesWorkflow", temporal.UPKEEP, policies.NAME_EVERY)


async def schedule_memory(client: Client) -> None:
    """Writing memory, letting go of what is kept no longer, and asking contacts how they were helped."""
    # One run may wait long for a model, and must not keep other conversations' memory waiting.
    await _schedule(
        client,
        "remember",
        "RememberWorkflow",
        temporal.MEMORY,
        policies.REMEMBER_EVERY,
        overlap=ScheduleOverlapPolicy.ALLOW_ALL,
        execution_timeout=policies.REMEMBERED_WITHIN,
    )
    await _schedule(client, "embed", "EmbedWorkflow", temporal.MEMORY, policies.EMBED_EVERY)
    await _schedule(client, "retention", "RetentionWorkflow", temporal.MEMORY, policies.LET_GO_EVERY)
    await _schedule(client, "ask-for-ratings", "AskForRatingsWorkflow", temporal.MEMORY, policies.ASK_FOR_RATINGS_EVERY)
    await _schedule(client, "clear-tenants", "ClearTenantsWorkflow", temporal.MEMORY, policies.CLEAR_EVERY)


async def schedule_knowledge(client: Client) -> None:
    await _schedule(client, "start-syncs", "StartSyncsWorkflow", temporal.KNOWLEDGE, policies.SYNC_EVERY)
    await _schedule(client, "embed-knowledge", "EmbedKnowledgeWorkflow", temporal.KNOWLEDGE, policies.EMBED_EVERY)


async def schedule_billing(client: Client) -> None:
    await _schedule(client, "meter-usage", "MeterUsageWorkflow", temporal.BILLING, policies.METER_EVERY)
    await _schedule(
        client,
        "reconcile-subscriptions",
        "ReconcileSubscriptionsWorkflow",
        temporal.BILLING,
        policies.RECONCILE_EVERY,
        offset=policies.RECONCILE_AT,
        # One that was due while nobody worked is not left out.
        catchup=policies.RECONCILE_EVERY,
    )


async def _schedule(
    client: Client,
    name: str,
    workflow: str,
    task_queue: str,
    every: timedelta,
    *,
    overlap: ScheduleOverlapPolicy = ScheduleOverlapPolicy.SKIP,
    execution_timeout: timedelta | None = None,
    offset: timedelta | None = None,
    catchup: timedelta = timedelta(minutes=1),
) -> None:
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            workflow, id=name, task_queue=task_queue, execution_timeout=execution_timeout
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every, offset=offset)]),
        policy=SchedulePolicy(overlap=overlap, catchup_window=catchup),
    )
    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        # Perhaps by another release, which wanted it otherwise. One that somebody paused stays so.
        await client.get_schedule_handle(name).update(
            lambda found: ScheduleUpdate(replace(wanted, state=found.description.schedule.state))
        )
