"""The workers' composition root: what each of the two processes needs, built once and passed down.

One works on conversations, the other on whatever no reply may wait for.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from activities.approving import Approving
from activities.assisting import Assisting
from activities.attending import Attending
from activities.billing import Billing
from activities.builtin_tools import BuiltinTools
from activities.changing_owner import ChangingOwner
from activities.checking import Checking
from activities.clearing import Clearing
from activities.consulting import Consulting
from activities.delivery import Delivery
from activities.erasing import Erasing
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
from konstruct import ending, log, models, rekeying, temporal
from konstruct.adapters import file_store, guarded_http, mail, readiness, slack_oauth, stripe, telemetry
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.embedders import ConfiguredEmbedders
from konstruct.adapters.litellm import LiteLLMChatModel, LiteLLMTranscriber
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.readiness import Check, Port
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
from konstruct.embedded.loopback import free_port
from konstruct.errors import Unavailable
from konstruct.file_ports import FileSource
from konstruct.models import observed
from konstruct.open_work import OpenWork
from konstruct.ports import ChatModel, Cooldowns, Embedders, Messenger
from konstruct.recovery import restorations
from konstruct.settings import Settings, needed
from konstruct.streaming import Streamer
from konstruct.temporal_tls import why_not
from konstruct.vault import Vault
from workflows import pace
from workflows.queues import (
    Turns,
    billing_worker,
    conversations_worker,
    knowledge_worker,
    memory_worker,
    upkeep_worker,
)
from workflows.schedules import schedule_billing, schedule_knowledge, schedule_memory, schedule_upkeep

# A third of another process's share where there is not enough time, and all that is left over. With 10 it would be a
# tenth, too little for signs of life: what is taken for dead is begun again and again.
BACKGROUND_NICENESS = 5
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

    def checks(self, *queues: str) -> Mapping[str, Check]:
        """Of a process that works on these."""
        return readiness.checks_of_worker(self.database, self.redis, self.client, queues)


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
        observed.name(settings.default_models)
        # A name that cannot be is found out now, and not by every run that needs it.
        embedders.get(settings.embedding_model)
        vault, cooldowns = Vault(settings.encryption_keys), RedisCooldowns(redis, Circuit())
        await rekeying.have_keys(database, vault)
        client = await reach_temporal(settings)
        await reach_fenced(database)
        web = await stack.enter_async_context(open_client(settings.web_allowed))
        model = LiteLLMChatModel(partial(guarded_http.lent, web))
        yield Parts(database, redis, vault, client, model, cooldowns, embedders)


async def work(settings: Settings, port: Port, *, until: asyncio.Event) -> None:
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
        opening = Opening(SubprocessReader(), SubprocessPictures(), listens, settings.model_prices)
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
        await pace.keep(client, temporal.CONVERSATIONS, settings.tenant_pace)
        build_id = settings.build_id
        async with (
            conversations_worker(client, turns, build_id),
            upkeep_worker(client, upkeep, sealing, ToolServers(database, vault, mcp), renewing, *asked, build_id),
        ):
            port.checks = parts.checks(temporal.CONVERSATIONS, temporal.UPKEEP)
            await _at_work("worker_ready", settings, until)


async def work_in_background(settings: Settings, port: Port, *, until: asyncio.Event) -> None:
    """Does what no reply waits for, until told to stop."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(opened_parts(settings))
        web = await stack.enter_async_context(open_client(settings.web_allowed))
        if (payments := stripe.opened(settings)) is not None:
            stack.push_async_callback(payments.close)
        remembering = Remembering(settings, parts.database, parts.vault, parts.model, parts.cooldowns, parts.embedders)
        ingesting = Ingesting(settings, parts.database, parts.client, SafeWeb(web), SubprocessReader(), parts.embedders)
        removing = Removing(parts.database, file_store.opened(settings))
        clearing = Clearing(parts.database, parts.client, removing, payments)
        rating = Rating(parts.database, parts.vault, parts.client)
        await schedule_memory(parts.client)
        await schedule_knowledge(parts.client)
        await schedule_billing(parts.client)
        build_id = settings.build_id
        async with (
            memory_worker(parts.client, remembering, Retaining(parts.database), clearing, rating, build_id),
            knowledge_worker(parts.client, ingesting, build_id),
            billing_worker(parts.client, Billing(parts.database, payments), build_id),
        ):
            port.checks = parts.checks(temporal.MEMORY, temporal.KNOWLEDGE, temporal.BILLING)
            port.before_metrics = OpenWork(parts.database).look
            await _at_work("background_worker_ready", settings, until)


async def _at_work(event: str, settings: Settings, until: asyncio.Event) -> None:
    # What was loaded until now stays: the collector need not walk through all of litellm again and again.
    gc.freeze()
    logger.info(event, temporal=settings.temporal_address, build=settings.build_id)
    await until.wait()


async def reach_temporal(settings: Settings) -> Client:
    """Waits for Temporal as long as it takes, and says so."""
    while True:
        try:
            return await temporal.connect(settings, lazy=False)
        except (RPCError, RuntimeError) as error:
            logger.warning("waiting_for_temporal", address=settings.temporal_address, error=why_not(error, settings))
            await asyncio.sleep(2)


async def reach_fenced(database: Database) -> None:
    """Waits for the database as long as it takes. Raises Misconfigured where it was restored and is not settled."""
    while True:
        try:
            return await restorations.require_fenced(database)
        except Unavailable as error:
            logger.warning("waiting_for_the_database", error=str(error))
            await asyncio.sleep(2)


async def main(settings: Settings, *, is_background: bool) -> None:
    log.configure(settings)
    if is_background:
        # Before the threads that it works with are started: each has the priority of what starts it.
        stand_back()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def end(*_: object) -> None:
        ending.end_within(ending.WORKER_ENDS_WITHIN, loop)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not the loop's own handlers, which are called when it comes to them: it may be what is stuck.
        signal.signal(number, end)
    port = Port(not_yet := {"worker": readiness.starting})
    if settings.metrics_port:
        port.beside = readiness.temporals_own(free_port())
    service = "konstruct-background" if is_background else "konstruct-worker"
    async with telemetry.exporting(service), readiness.opened(settings, port):
        working = asyncio.create_task((work_in_background if is_background else work)(settings, port, until=stop))
        told = asyncio.create_task(stop.wait())
        await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
        if port.checks is not_yet:
            # It waits for Temporal or the database, and has nothing to finish.
            working.cancel()
        with suppress(asyncio.CancelledError):
            await working


def stand_back() -> None:
    """Has this process run after others that want the processor."""
    os.nice(BACKGROUND_NICENESS)
    # Where the kernel shares time out among sessions, niceness counts within one alone, and sessions have their own.
    if os.getsid(0) == os.getpid():
        # A kernel without such shares has no such file, and a container may not let it be written.
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(BACKGROUND_NICENESS))
