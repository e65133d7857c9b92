"""Contracts of ApprovalWorkflow and its activities."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

WORKFLOW = "ApprovalWorkflow"
DECIDED = "decided"


def workflow_id(tenant_id: UUID, approval_id: UUID) -> str:
    return f"approval:{tenant_id}:{approval_id}"


@dataclass(frozen=True)
class ApprovalState:
    """The workflow's input, and what its activities ask about."""

    tenant_id: UUID
    approval_id: UUID


@dataclass(frozen=True)
class ApprovalStanding:
    """``seconds_left``: until it expires; 0 and less when that is over."""

    state: Literal["waiting", "approved", "denied", "expired"]
    seconds_left: float
    conversation_id: UUID
    call_id: UUID
    timeout_seconds: float = 30.0
    attempts: int = 1
