"""Contracts of ConsultWorkflow and its activities."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

WORKFLOW = "ConsultWorkflow"
SETTLED = "settled"


def workflow_id(tenant_id: UUID, consult_id: UUID) -> str:
    return f"consult:{tenant_id}:{consult_id}"


@dataclass(frozen=True)
class ConsultState:
    """The workflow's input, and what its activities ask about."""

    tenant_id: UUID
    consult_id: UUID


@dataclass(frozen=True)
class ConsultStanding:
    """``seconds_left``: until it expires; 0 and less when that is over."""

    state: Literal["waiting", "answered", "expired", "withdrawn"]
    seconds_left: float
