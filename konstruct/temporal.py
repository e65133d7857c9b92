"""Temporal as the product uses it: the client, queue names, and words to a conversation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from konstruct import temporal_tls
from konstruct.contracts import approvals as approval_contracts
from konstruct.contracts import consults as consult_contracts
from konstruct.contracts import conversation as contracts
from konstruct.contracts import handoffs as handoff_contracts
from konstruct.contracts import knowledge, upkeep
from konstruct.contracts.handoffs import AgentAct, OwnerState
from konstruct.errors import BadInput, Conflict, KonstructError, NotAllowed, NotFound, Unavailable
from konstruct.inbox import Accepted
from konstruct.observing.carrying import TraceInterceptor
from konstruct.payloads import data_converter
from konstruct.settings import Settings, needed

CONVERSATIONS = "conversations"
"""Task queue of conversations and their activities, where tenants take turns and keep their pace."""
UPKEEP = "upkeep"
"""Task queue of the sweeps, which must not wait behind conversations."""
MEMORY = "memory"
"""Task queue of all that writes memory, for which conversations must not wait."""
BILLING = "billing"
"""Task queue of all that asks Stripe, for which nothing else must wait while Stripe is away."""
KNOWLEDGE = "knowledge"
"""Task queue of all that fills the knowledge base, for which memory must not wait."""

_QUEUES = frozenset({CONVERSATIONS, UPKEEP, MEMORY, BILLING, KNOWLEDGE})
# A webhook must be answered within three seconds, whatever Temporal does; the sweep takes over from there.
SIGNAL_TIMEOUT = timedelta(seconds=1.5)
# Long for a Temporal that works, and short for a sender, who is answered within a second also while it hangs.
_NOTICED_WITHIN = timedelta(seconds=0.8)
# Held here, since the event loop holds no task.
_telling: set[asyncio.Task[None]] = set()
# Whoever takes a conversation over waits for sends that are about to begin, and for a worker.
_ACT_TIMEOUT = timedelta(seconds=20)
_REFUSALS: dict[str | None, type[KonstructError]] = {
    error.__name__: error for error in (BadInput, Conflict, NotAllowed, NotFound)
}
log = structlog.get_logger(__name__)


async def connect(settings: Settings, *, lazy: bool = True) -> Client:
    """A lazy client connects at its first call, so that a gateway starts while Temporal is down; workers need another.

    Raises:
        Misconfigured: its certificates cannot be used.
        RuntimeError: Temporal cannot be reached, and the client is not lazy; `temporal_tls.why_not` says why.
    """
    return await Client.connect(
        needed(settings.temporal_address, "KONSTRUCT_TEMPORAL_ADDRESS"),
        namespace=settings.temporal_namespace,
        tls=temporal_tls.configured(settings),
        api_key=settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None,
        data_converter=data_converter(settings.encryption_keys),
        lazy=lazy,
        interceptors=[TraceInterceptor()],
    )


async def workers(client: Client, task_queue: str) -> int:
    """How many workers take on what is in this queue right now. Raises RPCError when Temporal does not answer."""
    return len({poller.identity for poller in await pollers(client, task_queue)})


async def pollers(client: Client, task_queue: str) -> list[PollerInfo]:
    """Who asks this queue for work right now, each with the build that it is of. Raises as ``workers`` does."""
    queue = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=timedelta(seconds=5),
    )
    # Temporal remembers those that are gone for some minutes; a living one asks again within one.
    earliest = datetime.now(UTC) - timedelta(seconds=70)
    return [poller for poller in queue.pollers if poller.last_access_time.ToDatetime(UTC) > earliest]


def workflow_id(tenant_id: UUID, conversation_id: UUID) -> str:
    return f"conversation:{tenant_id}:{conversation_id}"


async def tell(client: Client, tenant_id: UUID, conversation_id: UUID, signal: str, content: object) -> None:
    """Signals a conversation's workflow, starting it when it has fallen silent.

    Raises:
        Unavailable: Temporal cannot be reached in time.
    """
    async with in_time():
        await client.start_workflow(
            contracts.WORKFLOW,
            contracts.ConversationState(tenant_id, conversation_id),
            id=workflow_id(tenant_id, conversation_id),
            task_queue=CONVERSATIONS,
            start_signal=signal,
            start_signal_args=[content],
            priority=Priority(fairness_key=str(tenant_id)),
            rpc_timeout=SIGNAL_TIMEOUT,
        )


def sync_id(tenant_id: UUID, source_id: UUID) -> str:
    """The id of the workflow that synchronises a source, of which there is one at a time."""
    return f"knowledge:{tenant_id}:{source_id}"


async def start_sync(client: Client, tenant_id: UUID, source_id: UUID) -> None:
    """Starts the workflow that looks for what is new at a source; nothing comes of it while one is at work there.

    Raises:
        Unavailable: Temporal cannot be reached in time; then the sweep starts it later.
    """
    async with in_time():
        await client.start_workflow(
            knowledge.SYNC_WORKFLOW,
            knowledge.SyncState(tenant_id, source_id),
            id=sync_id(tenant_id, source_id),
            task_queue=KNOWLEDGE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=Priority(fairness_key=str(tenant_id)),
            rpc_timeout=SIGNAL_TIMEOUT,
        )


async def start_erasure(client: Client, tenant_id: UUID, erasure_id: UUID) -> None:
    """Has what was put down carried out; nothing comes of it while somebody is at it.

    Raises:
        Unavailable: Temporal cannot be reached in time; then it waits until this is called again.
    """
    await _start(client, upkeep.ERASE_WORKFLOW, "erasure", upkeep.Asked(tenant_id, erasure_id))


async def start_check(client: Client, tenant_id: UUID, check_id: UUID) -> None:
    """Raises as ``start_erasure`` does."""
    await _start(client, upkeep.CHECK_WORKFLOW, "audit-check", upkeep.Asked(tenant_id, check_id))


async def _start(client: Client, kind: str, what: str, asked: upkeep.Asked) -> None:
    async with in_time():
        await client.start_workflow(
            kind,
            asked,
            id=f"{what}:{asked.tenant_id}:{asked.id}",
            task_queue=UPKEEP,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            rpc_timeout=SIGNAL_TIMEOUT,
        )


async def notify(client: Client, tenant_id: UUID, accepted: Accepted) -> None:
    """Puts what was just made durable on its way. When Temporal is away the sweep does so later.

    Returns soon, whatever Temporal does: whoever sent it is to be answered.
    """
    telling = asyncio.create_task(_notify(client, tenant_id, accepted))
    _telling.add(telling)
    telling.add_done_callback(_telling.discard)
    done, _ = await asyncio.wait([telling], timeout=_NOTICED_WITHIN.total_seconds())
    for task in done:
        task.result()


async def _notify(client: Client, tenant_id: UUID, accepted: Accepted) -> None:
    await send(client, tenant_id, accepted.conversation_id, accepted.released_ids)
    try:
        if accepted.notice_id is not None:
            notice = contracts.SendNotice(accepted.notice_id)
            await tell(client, tenant_id, accepted.conversation_id, contracts.SEND_NOTICE, notice)
        if accepted.handoff_id is not None:
            await mention_handoff(client, tenant_id, accepted.handoff_id)
        elif accepted.notice_id is None and accepted.is_new and not accepted.is_refused:
            message = contracts.DeliverMessage(accepted.message_id)
            await tell(client, tenant_id, accepted.conversation_id, contracts.DELIVER_MESSAGE, message)
    except Unavailable:
        log.warning("temporal_unreachable", conversation_id=str(accepted.conversation_id))


async def send(client: Client, tenant_id: UUID, conversation_id: UUID, message_ids: Sequence[UUID]) -> None:
    """Puts what is durable and only waits to be sent on its way, in order. When Temporal is away the sweep does so."""
    try:
        for message_id in message_ids:
            await tell(client, tenant_id, conversation_id, contracts.SEND_NOTICE, contracts.SendNotice(message_id))
    except Unavailable:
        log.warning("temporal_unreachable", conversation_id=str(conversation_id))


async def answer(client: Client, tenant_id: UUID, conversation_id: UUID, message_ids: Sequence[UUID]) -> None:
    """Has what is durable and waits for an answer taken up. When Temporal is away the sweep does so."""
    try:
        for message_id in message_ids:
            message = contracts.DeliverMessage(message_id)
            await tell(client, tenant_id, conversation_id, contracts.DELIVER_MESSAGE, message)
    except Unavailable:
        log.warning("temporal_unreachable", conversation_id=str(conversation_id))


async def tell_approval(client: Client, tenant_id: UUID, approval_id: UUID) -> None:
    """Has an approval's workflow look at how it stands, starting it if it does not run.

    Raises:
        Unavailable: Temporal cannot be reached in time.
    """
    state = approval_contracts.ApprovalState(tenant_id, approval_id)
    workflow = approval_contracts.workflow_id(tenant_id, approval_id)
    await _wake(client, tenant_id, approval_contracts.WORKFLOW, workflow, state, approval_contracts.DECIDED)


async def tell_decided(client: Client, tenant_id: UUID, approval_id: UUID) -> None:
    """Has what a person decided carried out. When Temporal is away the sweep does so later."""
    try:
        await tell_approval(client, tenant_id, approval_id)
    except Unavailable:
        log.warning("temporal_unreachable", approval_id=str(approval_id))


async def tell_of_handoff(client: Client, tenant_id: UUID, handoff_id: UUID) -> None:
    """Has a handoff's workflow look at what is new, starting it if it does not run.

    Raises:
        Unavailable: Temporal cannot be reached in time.
    """
    state = handoff_contracts.HandoffState(tenant_id, handoff_id)
    workflow = handoff_contracts.workflow_id(tenant_id, handoff_id)
    await _wake(client, tenant_id, handoff_contracts.WORKFLOW, workflow, state, handoff_contracts.CHANGED)


async def mention_handoff(client: Client, tenant_id: UUID, handoff_id: UUID) -> None:
    """Has people shown what is new in a handoff. When Temporal is away the sweep does so later."""
    try:
        await tell_of_handoff(client, tenant_id, handoff_id)
    except Unavailable:
        log.warning("temporal_unreachable", handoff_id=str(handoff_id))


async def tell_consult(client: Client, tenant_id: UUID, consult_id: UUID) -> None:
    """Has a consult's workflow look at how it stands, starting it if it does not run.

    Raises:
        Unavailable: Temporal cannot be reached in time.
    """
    state = consult_contracts.ConsultState(tenant_id, consult_id)
    workflow = consult_contracts.workflow_id(tenant_id, consult_id)
    await _wake(client, tenant_id, consult_contracts.WORKFLOW, workflow, state, consult_contracts.SETTLED)


async def mention_consult(client: Client, tenant_id: UUID, consult_id: UUID) -> None:
    """Has a question asked, or its answer used. When Temporal is away the sweep does so later."""
    try:
        await tell_consult(client, tenant_id, consult_id)
    except Unavailable:
        log.warning("temporal_unreachable", consult_id=str(consult_id))


async def act(
    client: Client,
    tenant_id: UUID,
    conversation_id: UUID,
    action: handoff_contracts.Action,
    act: AgentAct,
    key: str | None = None,
) -> OwnerState:
    """What an agent does with a conversation: judged and done when this returns, and nothing of the employee's begins
    to be sent afterwards.

    Args:
        key: of whoever wants it, and another one for each thing that is wanted. What is asked for again under it joins
            what is under way, or gets what came of it. None: each is one of its own.

    Raises:
        Conflict, NotFound, NotAllowed, BadInput: it was refused, with the sentence that says why.
        Unavailable: it is not known in time whether it was done; the same again does no harm.
    """
    start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
        contracts.WORKFLOW,
        contracts.ConversationState(tenant_id, conversation_id),
        id=workflow_id(tenant_id, conversation_id),
        task_queue=CONVERSATIONS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=Priority(fairness_key=str(tenant_id)),
    )
    # One more for each time that somebody asks would be the more to do, the longer it takes.
    update_id = str(uuid5(conversation_id, f"{action}:{key}")) if key is not None else None
    try:
        async with asyncio.timeout(_ACT_TIMEOUT.total_seconds()):
            done: OwnerState = await client.execute_update_with_start_workflow(
                action, act, start_workflow_operation=start, id=update_id, result_type=OwnerState
            )
            return done
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type in _REFUSALS:
            raise _REFUSALS[cause.type](cause.message) from error
        raise Unavailable("It could not be done just now: try again.") from error
    except (RPCError, RPCTimeoutOrCancelledError, RuntimeError, TimeoutError) as error:
        raise Unavailable("It is not known whether it was done: look, and try again.") from error


async def _wake(client: Client, tenant_id: UUID, kind: str, id: str, state: object, signal: str) -> None:
    """Signals a workflow that looks at the database for what is new, starting it if it does not run."""
    async with in_time():
        await client.start_workflow(
            kind,
            state,
            id=id,
            task_queue=CONVERSATIONS,
            start_signal=signal,
            priority=Priority(fairness_key=str(tenant_id)),
            rpc_timeout=SIGNAL_TIMEOUT,
        )


async def stop_turn(client: Client, tenant_id: UUID, conversation_id: UUID) -> None:
    """Ends the turn that is being thought about. A conversation that is silent has none.

    Raises:
        Unavailable: Temporal cannot be reached in time.
    """
    handle = client.get_workflow_handle(workflow_id(tenant_id, conversation_id))
    async with in_time():
        try:
            await handle.signal(contracts.STOP_TURN, rpc_timeout=SIGNAL_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Raises Unavailable when what is said to Temporal takes longer than a webhook may wait."""
    try:
        # The call's own time limit does not hold while a lazy client still connects.
        async with asyncio.timeout(SIGNAL_TIMEOUT.total_seconds()):
            yield
    except (RPCError, RuntimeError, TimeoutError) as error:
        # A client that could not connect raises RuntimeError.
        raise Unavailable("Temporal does not answer.") from error


async def end_all(client: Client, why: str, tenant_id: UUID | None = None) -> int:
    """Ends whatever runs of the product, or for one tenant, at once and without a word to it; how many that were."""
    ended = 0
    async for found in client.list_workflows('ExecutionStatus = "Running"'):
        if found.task_queue in _QUEUES if tenant_id is None else str(tenant_id) in found.id:
            try:
                await client.get_workflow_handle(found.id, run_id=found.run_id).terminate(why)
                ended += 1
            except RPCError as error:
                # It has ended by itself since it was listed.
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
    return ended
