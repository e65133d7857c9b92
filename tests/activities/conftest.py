"""Activities over the real database, with a model and a channel in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest
from pydantic import SecretStr

from activities.delivery import Delivery
from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.support.doubles import (
    GivenEmbedders,
    KeptWindows,
    NothingCools,
    RecordingMessenger,
    ScriptedModel,
    WordEmbedder,
)
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
        {"slack": messenger},
        windows,
        GivenEmbedders({embedder.name: embedder}),
    )


@pytest.fixture
def delivery(database: Database, vault: Vault, messenger: RecordingMessenger) -> Delivery:
    return Delivery(database, vault, {"slack": messenger}, KeptWindows())


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
