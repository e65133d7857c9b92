"""Which workflows and activities each queue's worker takes, and how much of them at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    Worker,
    WorkerDeploymentConfig,
    WorkerTuner,
)

from activities.approving import Approving
from activities.assisting import Assisting
from activities.attending import Attending
from activities.billing import Billing
from activities.changing_owner import ChangingOwner
from activities.checking import Checking
from activities.clearing import Clearing
from activities.consulting import Consulting
from activities.delivery import Delivery
from activities.erasing import Erasing
from activities.failures import FailureInterceptor
from activities.fetching import Fetching
from activities.ingesting import Ingesting
from activities.naming import Naming
from activities.observing import ObservingInterceptor
from activities.questions import Questions
from activities.rating import Rating
from activities.remembering import Remembering
from activities.renewing import Renewing
from activities.retaining import Retaining
from activities.thinking import Thinking
from activities.tool_servers import ToolServers
from activities.tool_use import ToolUse
from activities.upkeep import Sealing, Upkeep
from konstruct import temporal
from konstruct.deploys import DEPLOYMENT
from workflows import slots
from workflows.approvals import ApprovalWorkflow
from workflows.asked import CheckTrailWorkflow, EraseContactWorkflow
from workflows.at_once import LocateQuestionWorkflow, LookAtServerWorkflow
from workflows.billing import MeterUsageWorkflow, ReconcileSubscriptionsWorkflow, SubscriptionWorkflow
from workflows.consults import ConsultWorkflow
from workflows.conversation import ConversationWorkflow
from workflows.handoffs import HandoffWorkflow
from workflows.ingestion import EmbedKnowledgeWorkflow, StartSyncsWorkflow, SyncSourceWorkflow
from workflows.memory import EmbedWorkflow, RememberWorkflow
from workflows.naming import LearnNamesWorkflow
from workflows.renewal import RenewTokensWorkflow
from workflows.retention import ClearTenantsWorkflow, RetentionWorkflow
from workflows.sandbox import RUNNER
from workflows.satisfaction import AskForRatingsWorkflow
from workflows.seal import SealWorkflow
from workflows.servers import LookAtServersWorkflow
from workflows.sweep import SweepWorkflow
from workflows.tracing import CarryingInterceptor
from workflows.versioned import (
    PinnedConversationWorkflow,
    UpgradedApprovalWorkflow,
    UpgradedConsultWorkflow,
    UpgradedHandoffWorkflow,
)

# A task that a worker has taken has ten seconds, and Python does one at a time: whoever takes a hundred on a busy
# machine finishes none in time, and from then on does all of them again. What is not taken waits with the server.
TASKS_AT_ONCE = 6
# Whoever asks for a task holds a place for it. So one of the six asks for new conversations and five for those that
# are in memory, which is where nearly all tasks are: as many of each left one or two places for them, and tasks waited
# for seconds on a busy worker.
TASK_POLLERS = PollerBehaviorSimpleMaximum(TASKS_AT_ONCE)
# Conversations that stay in memory between their turns; one that fell out costs a replay of its run.
CACHED_CONVERSATIONS = 1_000
CALLS_AT_ONCE = 200
# They wait for models most of the time.
MEMORIES_AT_ONCE = 8

# Stripe takes a hundred requests a second, and people who wait for one come first.
SUBSCRIPTIONS_AT_ONCE = 8
# Of each one document at a time is read.
SOURCES_AT_ONCE = 8


def of_build(
    build_id: str | None, promise: VersioningBehavior = VersioningBehavior.AUTO_UPGRADE
) -> WorkerDeploymentConfig:
    """A conversation stays with its build for a turn; all else goes on with whichever is current.

    Args:
        build_id: None: any worker takes on anything. Left unsaid, the SDK reads and hashes the code of every imported
            module, which takes seconds at each start.
        promise: Of workflows that make none themselves, and of tasks in which nothing reaches them.
    """
    if build_id is None:
        return WorkerDeploymentConfig(WorkerDeploymentVersion(DEPLOYMENT, "unversioned"), use_worker_versioning=False)
    return WorkerDeploymentConfig(
        WorkerDeploymentVersion(DEPLOYMENT, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=promise,
    )


def conversation_of(build_id: str | None) -> type[ConversationWorkflow]:
    return ConversationWorkflow if build_id is None else PinnedConversationWorkflow


def of_conversations(build_id: str | None) -> list[type]:
    """A conversation's own workflow, and those that it starts."""
    if build_id is None:
        return [conversation_of(build_id), ApprovalWorkflow, HandoffWorkflow, ConsultWorkflow]
    return [conversation_of(build_id), UpgradedApprovalWorkflow, UpgradedHandoffWorkflow, UpgradedConsultWorkflow]


@dataclass(frozen=True)
class Turns:
    """The activities of which turns are made."""

    thinking: Thinking
    delivery: Delivery
    tool_use: ToolUse
    approving: Approving
    changing_owner: ChangingOwner
    attending: Attending
    assisting: Assisting
    consulting: Consulting
    fetching: Fetching


def worker(
    client: Client,
    task_queue: str,
    *,
    workflows: Sequence[type],
    activities: Sequence[Callable[..., Any]] = (),
    build_id: str | None = None,
    promise: VersioningBehavior = VersioningBehavior.AUTO_UPGRADE,
    tuner: WorkerTuner | None = None,
    **limits: Any,
) -> Worker:
    """What the workers of all queues have in common; ``limits`` are the ``Worker``'s own."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=RUNNER,
        interceptors=[CarryingInterceptor(), ObservingInterceptor(), FailureInterceptor()],
        tuner=tuner,
        max_concurrent_workflow_tasks=None if tuner else TASKS_AT_ONCE,
        # What comes along with the answer to a workflow's task has not passed the server's queue, where tenants take
        # turns and keep their pace.
        disable_eager_activity_execution=True,
        deployment_config=of_build(build_id, promise),
        **limits,
    )


def conversations_worker(client: Client, turns: Turns, build_id: str | None = None) -> Worker:
    thinking, approving = turns.thinking, turns.approving
    return worker(
        client,
        temporal.CONVERSATIONS,
        workflows=of_conversations(build_id),
        activities=[
            thinking.think,
            thinking.admit,
            thinking.abandon,
            turns.fetching.fetch_files,
            turns.fetching.give_up_files,
            turns.delivery.deliver,
            turns.tool_use.call_tool,
            turns.tool_use.give_up_call,
            approving.announce_approval,
            approving.settle_approval,
            approving.report_approval,
            turns.changing_owner.change_owner,
            turns.attending.attend_handoff,
            turns.assisting.pack_handoff,
            turns.assisting.assist_agent,
            turns.assisting.give_up_assisting,
            turns.consulting.announce_consult,
            turns.consulting.settle_consult,
            turns.consulting.report_consult,
        ],
        max_cached_workflows=CACHED_CONVERSATIONS,
        tuner=slots.tuner(workflow_tasks=TASKS_AT_ONCE, calls=CALLS_AT_ONCE),
        workflow_task_poller_behavior=TASK_POLLERS,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        # A dead worker's conversations are picked up by another this soon, and those of a busy one done from their
        # beginning, which takes several times as long: with five seconds that kept busy ones busy.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=10),
        graceful_shutdown_timeout=timedelta(seconds=5),
        # By default a beat may come just a second before the server stops waiting for it, which a busy machine misses.
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        build_id=build_id,
        promise=VersioningBehavior.PINNED,
    )


def upkeep_worker(
    client: Client,
    upkeep: Upkeep,
    sealing: Sealing,
    servers: ToolServers,
    renewing: Renewing,
    checking: Checking,
    erasing: Erasing,
    questions: Questions,
    naming: Naming,
    build_id: str | None = None,
) -> Worker:
    return worker(
        client,
        temporal.UPKEEP,
        workflows=[
            *(SweepWorkflow, SealWorkflow, LookAtServersWorkflow, RenewTokensWorkflow),
            *(CheckTrailWorkflow, EraseContactWorkflow, LocateQuestionWorkflow, LookAtServerWorkflow),
            LearnNamesWorkflow,
        ],
        activities=[
            *(upkeep.sweep, sealing.seal, servers.look_at_servers, renewing.renew_tokens),
            *(checking.check_trail, checking.give_up_check, erasing.erase_contact),
            *(servers.look_at_server, questions.locate_question, naming.learn_names),
        ],
        max_cached_workflows=10,
        build_id=build_id,
    )


def memory_worker(
    client: Client,
    remembering: Remembering,
    retaining: Retaining,
    clearing: Clearing,
    rating: Rating,
    build_id: str | None = None,
) -> Worker:
    return worker(
        client,
        temporal.MEMORY,
        workflows=[RememberWorkflow, EmbedWorkflow, RetentionWorkflow, ClearTenantsWorkflow, AskForRatingsWorkflow],
        activities=[
            *(remembering.claim_memory_work, remembering.remember, remembering.embed_memories),
            *(retaining.let_go, clearing.clear_tenants, rating.ask_for_ratings),
        ],
        max_cached_workflows=50,
        max_concurrent_activities=MEMORIES_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=5),
        build_id=build_id,
    )


def knowledge_worker(client: Client, ingesting: Ingesting, build_id: str | None = None) -> Worker:
    return worker(
        client,
        temporal.KNOWLEDGE,
        workflows=[SyncSourceWorkflow, StartSyncsWorkflow, EmbedKnowledgeWorkflow],
        activities=[
            *(ingesting.start_syncs, ingesting.list_source, ingesting.read_documents, ingesting.fail_sync),
            ingesting.embed_chunks,
        ],
        max_cached_workflows=50,
        max_concurrent_activities=SOURCES_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=5),
        build_id=build_id,
    )


def billing_worker(client: Client, billing: Billing, build_id: str | None = None) -> Worker:
    return worker(
        client,
        temporal.BILLING,
        workflows=[SubscriptionWorkflow, ReconcileSubscriptionsWorkflow, MeterUsageWorkflow],
        activities=[billing.sync_subscription, billing.reconcile_subscriptions, billing.meter_usage],
        max_cached_workflows=50,
        max_concurrent_activities=SUBSCRIPTIONS_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=5),
        build_id=build_id,
    )
