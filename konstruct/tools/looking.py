"""Having a server of tools asked at once what it offers: a worker does that, which alone speaks with such servers."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.service import RPCError

from konstruct import temporal
from konstruct.contracts import upkeep
from konstruct.errors import BadInput
from konstruct.tables import Tool
from konstruct.tools import defining

TIME_LIMIT: Final = timedelta(seconds=1.5)
"""For Temporal to take it; what comes of it stands in the tool's row."""

log = structlog.get_logger(__name__)


async def request(session: AsyncSession, key: str) -> Tool:
    """Has it looked at anew, now or, where Temporal is away, by the schedule. Raises NotFound, and BadInput for what is
    no server."""
    tool = await defining.called(session, key, lock=True)
    if tool.kind != "mcp":
        raise BadInput(f"{key} is one HTTP request: try it out to see whether it works.")
    tool.looked_at = None
    return tool


async def start(client: Client, tenant_id: UUID, tool_id: UUID) -> None:
    """Nothing comes of it while the server is being asked already."""
    try:
        async with asyncio.timeout(TIME_LIMIT.total_seconds()):
            await client.start_workflow(
                upkeep.LOOK_WORKFLOW,
                upkeep.ServerToLookAt(tenant_id, tool_id),
                id=f"server:{tenant_id}:{tool_id}",
                task_queue=temporal.UPKEEP,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=Priority(fairness_key=str(tenant_id)),
                rpc_timeout=TIME_LIMIT,
            )
    except (RPCError, RuntimeError, TimeoutError):
        log.warning("temporal_unreachable", tool_id=str(tool_id))
