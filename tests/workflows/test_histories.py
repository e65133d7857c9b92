"""Workflows that ran on earlier code go on under this one: their histories are replayed."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.workflows import looks
from tests.workflows.record import HISTORIES, SCENES
from tests.workflows.states import STATES
from workflows.approvals import ApprovalWorkflow
from workflows.billing import SubscriptionWorkflow
from workflows.conversation import ConversationWorkflow
from workflows.handoffs import HandoffWorkflow
from workflows.sandbox import RUNNER

RECORDED = sorted(HISTORIES.glob("*.json"))


def test_every_scene_has_been_recorded() -> None:
    assert {path.stem.rpartition("-")[0] for path in RECORDED} >= {
        scene.__name__ for scene in (*SCENES, *looks.SCENES, *STATES)
    }


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_workflow_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", path.read_text())
    workflows = [ConversationWorkflow, ApprovalWorkflow, HandoffWorkflow, SubscriptionWorkflow]
    replayer = Replayer(workflows=workflows, workflow_runner=RUNNER)
    asyncio.run(replayer.replay_workflow(history))
