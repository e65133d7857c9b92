"""The workers' composition root: what each of the two processes needs, built once and passed down.

One works on conversations, the other on whatever no reply may wait for.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig, WorkerDeploymentVersion

from activities.approving import Approving
from activities.assisting import Assisting
from activities.attending import Attending
from activities.builtin_tools import BuiltinTools
from activities.changing_owner import ChangingOwner
from activities.checking import Checking
from activities.clearing import Clearing
from activities.consulting import Consulting
from activities.delivery import Delivery
from activities.erasing import Erasing
from activities.failures import FailureInterceptor
from activities.fetching import Fetching, Removing
from activities.ingesting import Ingesting
from activities.locating import Locator
from activities.naming import Naming
from activities.opening import Opening
from activities.questions import Questions
from activities.rating import Rating
from activities.remembering import Remembering
from activities.renewing import Renewing
from activities.retaining import Retaining
from activities.thinking import Thinking
from activities.tool_servers import ToolServers
from activities.tool_use import ToolUse
from activities.upkeep import Sealing, Upkeep
from konstruct import log, models, temporal
from konstruct.adapters import file_store, guarded_http, mail, slack_oauth
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.embedders import ConfiguredEmbedders
from konstruct.adapters.litellm import LiteLLMChatModel, LiteLLMTranscriber
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.redis import Circuit, Redis, RedisCooldowns, RedisWindows, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_files import SlackFiles
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.adapters.slack_people import SlackPeople
from konstruct.adapters.slack_streaming import SlackStreamer
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.adapters.whatsapp_files import WhatsAppFiles
from konstruct.audit.signing import Signatures
from konstruct.db import Database
from konstruct.desk_ports import Deskroom
from konstruct.file_ports import FileSource
from konstruct.ports import ChatModel, Cooldowns, Embedders, Messenger
from konstruct.settings import Settings, needed
from konstruct.streaming import Streamer
from konstruct.vault import Vault
from workflows.approvals import ApprovalWorkflow
from workflows.asked import CheckTrailWorkflow, EraseContactWorkflow
from workflows.at_once import LocateQuestionWorkflow, LookAtServerWorkflow
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
from workflows.schedules import schedule_knowledge, schedule_memory, schedule_upkeep
from workflows.seal import SealWorkflow
from workflows.servers import LookAtServersWorkflow
from workflows.sweep import SweepWorkflow

# Conversations that stay in memory between their turns; one that fell out costs a replay of at most fifty turns.
CACHED_CONVERSATIONS = 1_000
CALLS_AT_ONCE = 200
# They wait for models most of the time.
MEMORIES_AT_ONCE = 8

# A third of another process's share where there is not enough time, and all that is left over. With 10 it would be a
# tenth, too little for signs of life: what is taken for dead is begun again and again.
BACKGROUND_NICENESS = 5
# Of each one document at a time is read.
SOURCES_AT_ONCE = 8

# Left unsaid, the SDK reads and hashes the code of every imported module, which takes seconds at each start.
DEPLOYMENT = WorkerDeploymentConfig(
    WorkerDeploymentVersion(deployment_name="konstruct", build_id="unversioned"), use_worker_versioning=False
)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Parts:
    """What either process needs, built once in each."""

    database: Database
    redis: Redis
    vault: Vault
    client: Client
    model: ChatModel
    cooldowns: Cooldowns
    embedders: Embedders


@asynccontextmanager
async def opened_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Waits for Temporal as long as it takes; raises Misconfigured when a setting stands in the way."""
    async with AsyncExitStack() as stack:
        # Nobody is told to come again here, and an answer that could not be stored would have to be paid for twice.
        database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"), longest_wait=timedelta(seconds=30))
        stack.push_async_callback(database.close)
        redis = connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
        stack.push_async_callback(redis.aclose)
        embedders = ConfiguredEmbedders(settings)
        # A name that cannot be is found out now, and not by every run that needs it.
        embedders.get(settings.embedding_model)
        client = await reach_temporal(settings)
        vault, cooldowns = Vault(settings.encryption_keys), RedisCooldowns(redis, Circuit())
        web = await stack.enter_async_context(open_client(settings.web_allowed))
        model = LiteLLMChatModel(partial(guarded_http.lent, web))
        yield Parts(database, redis, vault, client, model, cooldowns, embedders)


async def work(settings: Settings, *, until: asyncio.Event) -> None:
    """Works off conversations until told to stop, then finishes what is under way within seconds."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(opened_parts(settings))
        http = await stack.enter_async_context(open_session())
        database, vault, client = parts.database, parts.vault, parts.client
        messengers: dict[str, Messenger] = {
            "slack": SlackMessenger(http, settings.slack_api_url),
            "whatsapp": WhatsAppMessenger(http, settings.graph_api_url),
            "console": ConsoleMessenger(),
            "rehearsal": ConsoleMessenger(),
        }
        streamers: dict[str, Streamer] = {"slack": SlackStreamer(http, settings.slack_api_url)}
        windows = RedisWindows(parts.redis, Circuit())
        web_client = await stack.enter_async_context(open_client(settings.web_allowed))
        mcp = HttpMcp(partial(open_client, settings.web_allowed))
        deskrooms: dict[str, Deskroom] = {"slack": SlackDeskroom(http, settings.slack_api_url)}
        sources: dict[str, FileSource] = {
            "slack": SlackFiles(http, settings.slack_api_url),
            "whatsapp": WhatsAppFiles(http, settings.graph_api_url),
        }
        files = file_store.opened(settings)
        builtin = BuiltinTools(database, vault, parts.embedders, parts.cooldowns, client, files)
        speech = models.speech_link(settings)
        listens = LiteLLMTranscriber(speech) if speech else None
        opening = Opening(SubprocessReader(), SubprocessPictures(), listens)
        upkeep = Upkeep(database, client, Removing(database, files))
        turns = Turns(
            Thinking(
                *(settings, database, vault, parts.model, parts.cooldowns, messengers, windows, parts.embedders),
                *(streamers, files),
            ),
            Delivery(database, vault, messengers, windows, streamers, files),
            ToolUse(database, vault, builtin, SafeWeb(web_client), mcp),
            Approving(database, vault, messengers, client),
            ChangingOwner(database, vault, client, streamers),
            Attending(database, vault, deskrooms, mail.mailer(settings), client, settings.portal_public_url),
            Assisting(settings, database, vault, parts.model, parts.cooldowns),
            Consulting(database, vault, deskrooms, client),
            Fetching(database, vault, sources, files, opening),
        )
        sealing = Sealing(database, Signatures(settings.encryption_keys), settings.anchor_file)
        renewing = Renewing(database, vault, slack_oauth.of_deployment(http, settings))
        asked = (
            Checking(database, Signatures(settings.encryption_keys), settings.anchor_file),
            Erasing(database, vault, windows),
            Questions(database, vault, Locator(parts.embedders, parts.cooldowns)),
            Naming(database, vault, {"slack": SlackPeople(http, settings.slack_api_url)}),
        )
        await schedule_upkeep(client)
        async with (
            conversations_worker(client, turns),
            upkeep_worker(client, upkeep, sealing, ToolServers(database, vault, mcp), renewing, *asked),
        ):
            await _at_work("worker_ready", settings, until)


async def work_in_background(settings: Settings, *, until: asyncio.Event) -> None:
    """Does what no reply waits for, until told to stop."""
    async with opened_parts(settings) as parts, open_client(settings.web_allowed) as web:
        remembering = Remembering(settings, parts.database, parts.vault, parts.model, parts.cooldowns, parts.embedders)
        ingesting = Ingesting(settings, parts.database, parts.client, SafeWeb(web), SubprocessReader(), parts.embedders)
        clearing = Clearing(parts.database, parts.client, Removing(parts.database, file_store.opened(settings)))
        rating = Rating(parts.database, parts.vault, parts.client)
        await schedule_memory(parts.client)
        await schedule_knowledge(parts.client)
        async with (
            memory_worker(parts.client, remembering, Retaining(parts.database), clearing, rating),
            knowledge_worker(parts.client, ingesting),
        ):
            await _at_work("background_worker_ready", settings, until)


async def _at_work(event: str, settings: Settings, until: asyncio.Event) -> None:
    # What was loaded until now stays: the collector need not walk through all of litellm again and again.
    gc.freeze()
    logger.info(event, temporal=settings.temporal_address)
    await until.wait()


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


def conversations_worker(client: Client, turns: Turns) -> Worker:
    thinking, approving = turns.thinking, turns.approving
    return Worker(
        client,
        task_queue=temporal.CONVERSATIONS,
        workflows=[ConversationWorkflow, ApprovalWorkflow, HandoffWorkflow, ConsultWorkflow],
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
) -> Worker:
    return Worker(
        client,
        task_queue=temporal.UPKEEP,
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
        workflow_runner=RUNNER,
        interceptors=[FailureInterceptor()],
        max_cached_workflows=10,
        deployment_config=DEPLOYMENT,
    )


def memory_worker(
    client: Client, remembering: Remembering, retaining: Retaining, clearing: Clearing, rating: Rating
) -> Worker:
    return Worker(
        client,
        task_queue=temporal.MEMORY,
        workflows=[RememberWorkflow, EmbedWorkflow, RetentionWorkflow, ClearTenantsWorkflow, AskForRatingsWorkflow],
        activities=[
            *(remembering.claim_memory_work, remembering.remember, remembering.embed_memories),
            *(retaining.let_go, clearing.clear_tenants, rating.ask_for_ratings),
        ],
        workflow_runner=RUNNER,
        interceptors=[FailureInterceptor()],
        max_cached_workflows=50,
        max_concurrent_activities=MEMORIES_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=5),
        deployment_config=DEPLOYMENT,
    )


def knowledge_worker(client: Client, ingesting: Ingesting) -> Worker:
    return Worker(
        client,
        task_queue=temporal.KNOWLEDGE,
        workflows=[SyncSourceWorkflow, StartSyncsWorkflow, EmbedKnowledgeWorkflow],
        activities=[
            *(ingesting.start_syncs, ingesting.list_source, ingesting.read_documents, ingesting.fail_sync),
            ingesting.embed_chunks,
        ],
        workflow_runner=RUNNER,
        interceptors=[FailureInterceptor()],
        max_cached_workflows=50,
        max_concurrent_activities=SOURCES_AT_ONCE,
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


async def main(settings: Settings, *, is_background: bool) -> None:
    log.configure(settings)
    if is_background:
        # Before the threads that it works with are started: each has the priority of what starts it.
        stand_back()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await (work_in_background if is_background else work)(settings, until=stop)


def stand_back() -> None:
    """Has this process run after others that want the processor."""
    os.nice(BACKGROUND_NICENESS)
    # Where the kernel shares time out among sessions, niceness counts within one alone, and sessions have their own.
    if os.getsid(0) == os.getpid():
        # A kernel without such shares has no such file, and a container may not let it be written.
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(BACKGROUND_NICENESS))
