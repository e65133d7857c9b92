"""Workflows that ran on earlier code go on under this one: their histories are replayed."""

import asyncio
import json
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.workflows import fingerprints
from tests.workflows.kinds import WORKFLOWS
from tests.workflows.record import ALL, HISTORIES
from workflows.sandbox import RUNNER

RECORDED = sorted(HISTORIES.glob("*.json"))


def test_every_scene_has_been_recorded() -> None:
    assert {path.stem.rpartition("-")[0] for path in RECORDED} >= ALL


def test_every_workflow_has_been_recorded() -> None:
    started = (json.loads(path.read_text())["events"][0] for path in RECORDED)
    recorded = {event["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] for event in started}
    assert recorded == {workflow._Definition.must_from_class(each).name for each in WORKFLOWS}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_workflow_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", path.read_text())
    replayer = Replayer(workflows=list(WORKFLOWS), workflow_runner=RUNNER)
    asyncio.run(replayer.replay_workflow(history))


def test_no_workflow_was_edited_unawares() -> None:
    """Where one was: if its commands are others, or come in another order, gate them with ``workflow.patched``, and
    record histories of it (``python -m tests.workflows.record``). Then ``python -m tests.workflows.fingerprints``.
    """
    assert fingerprints.taken() == fingerprints.kept()
