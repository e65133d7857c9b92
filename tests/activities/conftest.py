"""Activities over the real database, with a model and a channel in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import asyncpg
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from activities.builtin_tools import BuiltinTools
from activities.delivery import Delivery
from activities.remembering import Remembering
from activities.thinking import Thinking
from activities.tool_use import ToolUse
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.db import Database
from konstruct.embedded.loopback import free_port
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.support.doubles import (
    GivenEmbedders,
    KeptFiles,
    KeptWindows,
    NothingCools,
    RecordingMessenger,
    ScriptedModel,
    WordEmbedder,
)
from tests.support.mcp_server import McpDouble
from tests.support.odd_shop import OddShop
from tests.support.office import Office, open_office

MODELS = ("anthropic/claude-sonnet-4-6", "openai/gpt-5.4")

Answer = Callable[..., Awaitable[object]]
AuditBroken = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, models=MODELS)


@pytest.fixture
def windows() -> KeptWindows:
    return KeptWindows()


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def thinking(
    database: Database,
    vault: Vault,
    model: ScriptedModel,
    messenger: RecordingMessenger,
    windows: KeptWindows,
    embedder: WordEmbedder,
) -> Thinking:
    settings = Settings(
        anthropic_api_key=SecretStr("sk-ant-canary"),
        openai_api_key=SecretStr("sk-canary"),
        local_model_base_url="http://127.0.0.1:9/v1",
    )
    return Thinking(
        settings,
        database,
        vault,
        model,
        NothingCools(),
        {"slack": messenger, "rehearsal": ConsoleMessenger()},
        windows,
        GivenEmbedders({embedder.name: embedder}),
    )


@pytest.fixture
def delivery(database: Database, vault: Vault, messenger: RecordingMessenger) -> Delivery:
    return Delivery(database, vault, {"slack": messenger, "rehearsal": ConsoleMessenger()}, KeptWindows())


@pytest.fixture
def audit_broken(owner_url: SecretStr, office: Office) -> AuditBroken:
    """While it lasts the database takes no audit event of this office but those of model calls."""

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        connection = await asyncpg.connect(owner_url.get_secret_value())
        try:
            await connection.execute(
                "create trigger broken before insert on audit_events for each row"
                f" when (new.tenant_id = '{office.tenant_id}' and new.action <> 'model.called')"
                " execute function refuse_change()"
            )
            yield
        finally:
            await connection.execute("drop trigger if exists broken on audit_events")
            await connection.close()

    return broken


@pytest.fixture
def remembering(database: Database, vault: Vault, model: ScriptedModel, embedder: WordEmbedder) -> Remembering:
    settings = Settings(
        anthropic_api_key=SecretStr("sk-ant-canary"),
        openai_api_key=SecretStr("sk-canary"),
        local_model_base_url="http://127.0.0.1:9/v1",
        memory_quiet_seconds=0,
        embedding_model=embedder.name,
    )
    return Remembering(settings, database, vault, model, NothingCools(), GivenEmbedders({embedder.name: embedder}))


@pytest.fixture
async def shop() -> AsyncIterator[OddShop]:
    shop = OddShop()
    async with shop.running():
        yield shop


@pytest.fixture
def closed_shop() -> OddShop:
    """One that may be asked, and is not there until it is run."""
    return OddShop(port=free_port())


@pytest.fixture
async def server() -> AsyncIterator[McpDouble]:
    double = McpDouble()
    async with double.running():
        yield double
        double.may_answer.set()


@pytest.fixture
def store() -> KeptFiles:
    return KeptFiles()


@pytest.fixture
async def tool_use(
    database: Database,
    vault: Vault,
    embedder: WordEmbedder,
    shop: OddShop,
    closed_shop: OddShop,
    server: McpDouble,
    temporal_client: Client,
    store: KeptFiles,
) -> AsyncIterator[ToolUse]:
    embedders = GivenEmbedders({embedder.name: embedder})
    builtin = BuiltinTools(database, vault, embedders, NothingCools(), temporal_client, store)
    allowed = [shop.place, closed_shop.place, f"127.0.0.1:{server.port}"]
    async with open_client(allowed) as client:
        yield ToolUse(database, vault, builtin, SafeWeb(client), HttpMcp(partial(open_client, allowed)))
