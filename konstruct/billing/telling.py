"""The workflow that looks at Stripe for a tenant is told that there is something to look at."""

from uuid import UUID

import structlog
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy

from konstruct import temporal
from konstruct.contracts.billing import TOLD, WORKFLOW, SubscriptionState, workflow_id
from konstruct.errors import Unavailable

log = structlog.get_logger(__name__)


async def tell(client: Client, tenant_id: UUID) -> None:
    """Has it look, and look again if it is just at it. When Temporal is away the sweep does so later."""
    try:
        await _start(client, tenant_id, TOLD)
    except Unavailable:
        log.warning("temporal_unreachable", tenant_id=str(tenant_id))


async def start(client: Client, tenant_id: UUID) -> None:
    """Has it look where it does not run; one that runs gets there by itself, however long Stripe is away.

    Raises:
        Unavailable: Temporal cannot be reached in time.
    """
    await _start(client, tenant_id, None)


async def _start(client: Client, tenant_id: UUID, signal: str | None) -> None:
    async with temporal.in_time():
        await client.start_workflow(
            WORKFLOW,
            SubscriptionState(tenant_id),
            id=workflow_id(tenant_id),
            task_queue=temporal.BILLING,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=signal,
            priority=Priority(fairness_key=str(tenant_id)),
            rpc_timeout=temporal.SIGNAL_TIMEOUT,
        )
