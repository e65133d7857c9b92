"""Schedules that another release left behind are brought up to date, and what somebody paused stays so."""

from dataclasses import replace

from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleState, ScheduleUpdate

from workflows import policies
from workflows.schedules import schedule_memory


async def test_a_schedule_of_another_release_is_brought_up_to_date_and_stays_paused(temporal_client: Client) -> None:
    await schedule_memory(temporal_client)
    handle = temporal_client.get_schedule_handle("remember")
    try:
        now = (await handle.describe()).schedule
        action = ScheduleActionStartWorkflow("Former", id="remember", task_queue="former")
        former = replace(now, action=action, state=ScheduleState(paused=True, note="Too dear."))
        await handle.update(lambda _: ScheduleUpdate(former))

        await schedule_memory(temporal_client)

        found = (await handle.describe()).schedule
        assert isinstance(found.action, ScheduleActionStartWorkflow)
        assert (found.action.workflow, found.action.task_queue) == ("RememberWorkflow", "memory")
        assert found.action.execution_timeout == policies.REMEMBERED_WITHIN
        assert (found.state.paused, found.state.note) == (True, "Too dear.")
    finally:
        for name in ("remember", "embed", "retention", "ask-for-ratings", "clear-tenants"):
            await temporal_client.get_schedule_handle(name).delete()
