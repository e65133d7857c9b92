"""The worker's composition root: everything that conversations need, built once and passed down."""

import asyncio
import gc
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.service import RPCError
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig, WorkerDeploymentVersion

from activities.delivery import Delivery
from activities.failures import FailureInterceptor
from activities.remembering import Remembering
from activities.thinking import Thinking
from activities.upkeep import Sealing, Upkeep
from konstruct import log, temporal
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.embedders import ConfiguredEmbedders
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.adapters.redis import Circuit, RedisCooldowns, RedisWindows, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.audit.signing import Signatures
from konstruct.db import Database
from konstruct.ports import Messenger
from konstruct.settings import Settings, needed
from konstruct.vault import Vault
from workflows import policies
from workflows.conversation import ConversationWorkflow
from workflows.memory import EmbedWorkflow, RememberWorkflow
from workflows.sandbox import RUNNER
from workflows.seal import SealWorkflow
from workflows.sweep import SweepWorkflow

# Conversations that stay in memory between their turns; one that fell out costs a replay of at most fifty turns.
CACHED_CONVERSATIONS = 1_000
CALLS_AT_ONCE = 200
MEMORIES_AT_ONCE = 4

# Left unsaid, the SDK reads and hashes the code of every imported module, which takes seconds at each start.
DEPLOYMENT = WorkerDeploymentConfig(
    WorkerDeploymentVersion(deployment_name="konstruct", build_id="unversioned"), use_worker_versioning=False
)

logger = structlog.get_logger(__name__)


async def work(settings: Settings, *, until: asyncio.Event) -> None:
    """Works off conversations until told to stop, then finishes what is under way within seconds."""
    async with AsyncExitStack() as stack:
        # Nobody is told to come again here, and an answer that could not be stored would have to be paid for twice.
        database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"), longest_wait=timedelta(seconds=30))
        stack.push_async_callback(database.close)
        redis = connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
        stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(open_session())
        vault = Vault(settings.encryption_keys)
        messengers: dict[str, Messenger] = {
            "slack": SlackMessenger(http, settings.slack_api_url),
            "console": ConsoleMessenger(),
        }
        client = await reach_temporal(settings)
        model, cooldowns = LiteLLMChatModel(), RedisCooldowns(redis, Circuit())
        embedders = ConfiguredEmbedders(settings)
        # A name that cannot be is found out now, and not by every run that needs it.
        embedders.get(settings.embedding_model)
        windows = RedisWindows(redis, Circuit())
        thinking = Thinking(settings, database, vault, model, cooldowns, messengers, windows, embedders)
        remembering = Remembering(settings, database, vault, model, cooldowns, embedders)
        delivery = Delivery(database, vault, messengers, windows)
        sealing = Sealing(database, Signatures(settings.encryption_keys), settings.anchor_file)
        await schedule_upkeep(client)
        await stack.enter_async_context(conversations_worker(client, thinking, delivery))
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=temporal.UPKEEP,
                workflows=[SweepWorkflow, SealWorkflow],
                activities=[Upkeep(database, client).sweep, sealing.seal],
                workflow_runner=RUNNER,
                interceptors=[FailureInterceptor()],
                max_cached_workflows=10,
                deployment_config=DEPLOYMENT,
            )
        )
        await stack.enter_async_context(memory_worker(client, remembering))
        # What was loaded until now stays: the collector need not walk through all of litellm again and again.
        gc.freeze()
        logger.info("worker_ready", temporal=settings.temporal_address)
        await until.wait()


def conversations_worker(client: Client, thinking: Thinking, delivery: Delivery) -> Worker:
    return Worker(
        client,
        task_queue=temporal.CONVERSATIONS,
        workflows=[ConversationWorkflow],
        activities=[thinking.think, thinking.admit, thinking.abandon, delivery.deliver],
        workflow_runner=RUNNER,
        interceptors=[FailureInterceptor()],
        max_cached_workflows=CACHED_CONVERSATIONS,
        max_concurrent_activities=CALLS_AT_ONCE,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        # A dead worker's conversations are picked up by another this soon.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=timedelta(seconds=5),
        # By default a beat may come just a second before the server stops waiting for it, which a busy machine misses.
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        deployment_config=DEPLOYMENT,
    )


def memory_worker(client: Client, remembering: Remembering) -> Worker:
    """Apart from conversations, so that no reply ever waits for a slot that memory has taken."""
    return Worker(
        client,
        task_queue=temporal.MEMORY,
        workflows=[RememberWorkflow, EmbedWorkflow],
        activities=[remembering.claim_memory_work, remembering.remember, remembering.embed_memories],
        workflow_runner=RUNNER,
        interceptors=[FailureInterceptor()],
        max_cached_workflows=50,
        max_concurrent_activities=MEMORIES_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=5),
        deployment_config=DEPLOYMENT,
    )


async def reach_temporal(settings: Settings) -> Client:
    """Waits for Temporal as long as it takes, and says so."""
    while True:
        try:
            return await temporal.connect(settings, lazy=False)
        except (RPCError, RuntimeError) as error:
            logger.warning("waiting_for_temporal", address=settings.temporal_address, error=str(error))
            await asyncio.sleep(2)


async def schedule_upkeep(client: Client) -> None:
    """What is done again and again, whoever works: putting back on its way what was left lying, and writing memory."""
    await _schedule(client, "sweep", "SweepWorkflow", temporal.UPKEEP, policies.SWEEP_EVERY)
    await _schedule(client, "seal", "SealWorkflow", temporal.UPKEEP, policies.SEAL_EVERY)
    # One run may wait long for a model, and must not keep other conversations' memory waiting.
    await _schedule(
        client,
        "remember",
        "RememberWorkflow",
        temporal.MEMORY,
        policies.REMEMBER_EVERY,
        ScheduleOverlapPolicy.ALLOW_ALL,
    )
    await _schedule(client, "embed", "EmbedWorkflow", temporal.MEMORY, policies.EMBED_EVERY)


async def _schedule(
    client: Client,
    name: str,
    workflow: str,
    task_queue: str,
    every: timedelta,
    overlap: ScheduleOverlapPolicy = ScheduleOverlapPolicy.SKIP,
) -> None:
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(workflow, id=name, task_queue=task_queue),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=overlap, catchup_window=timedelta(minutes=1)),
    )
    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        logger.debug("already_scheduled", schedule=name)


async def main(settings: Settings) -> None:
    log.configure(settings)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(settings, until=stop)
