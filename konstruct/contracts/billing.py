"""Contracts of SubscriptionWorkflow, of what is done for payments by schedule, and of their activities."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

WORKFLOW: Final = "SubscriptionWorkflow"
TOLD: Final = "told"


def workflow_id(tenant_id: UUID) -> str:
    """A tenant has one subscription that counts, whichever of Stripe's ids an event happens to name."""
    return f"subscription:{tenant_id}"


@dataclass(frozen=True)
class SubscriptionState:
    """The workflow's input, and what its activity asks about: Stripe is asked for all else."""

    tenant_id: UUID


@dataclass(frozen=True)
class Reconciled:
    """How many tenants were compared with what Stripe says, and how many could not be, and wait for the next time."""

    tenants: int
    failed: int


@dataclass(frozen=True)
class Metered:
    """How many rows of usage Stripe counted, and of how many tenants some could not be sent, and wait."""

    sent: int
    tenants_failed: int
