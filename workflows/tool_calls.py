"""One call of a tool: made within its terms, and settled whatever becomes of it."""

from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError, CancelledError

from konstruct.contracts.conversation import ToolCallRequest, ToolCallToMake
from workflows import policies


async def make(tenant_id: UUID, call: ToolCallToMake) -> None:
    """What came of it is in the database. Cancelled, the call ends with its next sign of life."""
    request = ToolCallRequest(tenant_id, call.call_id, call.attempts)
    try:
        await workflow.execute_activity("call_tool", request, **policies.calling(call.timeout_seconds, call.attempts))
    except ActivityError as error:
        if isinstance(error.cause, CancelledError):
            return
        # Its worker died, or hung, as often as it may: the record must not say that it still runs.
        await workflow.execute_activity("give_up_call", request, **policies.BOOKKEEPING)
