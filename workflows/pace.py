"""How fast one tenant's calls begin, over all workers together: what a tenant has more of waits with the server.

Tenants that take turns are each as slow as a full machine is. With a pace, one tenant alone does not fill it.
"""

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client
from temporalio.service import RPCError

log = structlog.get_logger(__name__)

_RateLimitUpdate = UpdateTaskQueueConfigRequest.RateLimitUpdate


async def keep(client: Client, task_queue: str, calls_per_second: float) -> None:
    """Of each tenant on this queue; 0: as fast as they come. A server that does not know of it leaves all as it is."""
    limit = RateLimit(requests_per_second=calls_per_second) if calls_per_second else None
    request = UpdateTaskQueueConfigRequest(
        namespace=client.namespace,
        identity=client.identity,
        task_queue=task_queue,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        update_fairness_key_rate_limit_default=_RateLimitUpdate(rate_limit=limit, reason="KONSTRUCT_TENANT_PACE"),
    )
    try:
        await client.workflow_service.update_task_queue_config(request)
    except RPCError as error:
        log.warning("tenants_not_paced", task_queue=task_queue, error=error.message)
