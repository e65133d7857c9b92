"""What Temporal says of how conversations were worked on: which builds did, and what they could not go on with."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecution

HARMLESS: Final = frozenset(
    {
        # Something came while a run was about to end: it is decided anew, with what came.
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    }
)


@dataclass
class Tasks:
    failed: list[str] = field(default_factory=list)
    """Conversations that a build could not go on with, and why."""
    split: list[str] = field(default_factory=list)
    """Runs on which more than one build worked; those that were moved as they stood are none of them."""
    runs_of: Counter[str] = field(default_factory=Counter)
    """Runs, by the build that worked on them."""


async def read(address: str) -> Tasks:
    client, tasks = await Client.connect(address), Tasks()
    async for run in client.list_workflows("WorkflowType = 'ConversationWorkflow'"):
        await _read(client, run, tasks)
    return tasks


async def keep(address: str, folder: Path) -> None:
    """A file for each conversation that is under way: what Temporal knows of it, and its history."""
    client = await Client.connect(address)
    async for run in client.list_workflows("WorkflowType = 'ConversationWorkflow' AND ExecutionStatus = 'Running'"):
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        described, history = (await handle.describe()).raw_description, await handle.fetch_history()
        (folder / f"{run.id.replace(':', '-')}.txt").write_text(f"{described}\n{history.to_json()}\n")


async def _read(client: Client, run: WorkflowExecution, tasks: Tasks) -> None:
    builds: set[str] = set()
    was_moved = False
    async for event in client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            builds.add(event.workflow_task_completed_event_attributes.deployment_version.build_id)
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            if failed.cause not in HARMLESS:
                cause = WorkflowTaskFailedCause.Name(failed.cause)
                tasks.failed.append(f"{run.id}, {run.run_id}: {cause}: {failed.identity}: {failed.failure.message}")
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED:
            was_moved = True
    tasks.runs_of.update(builds)
    if len(builds) > 1 and not was_moved:
        tasks.split.append(f"{run.id}: {', '.join(sorted(builds))}")
