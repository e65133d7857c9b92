"""A turn of a tenant that brought its own key: whose key goes where, and what becomes of one that is refused."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.thinking import Thinking
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.contracts.conversation import ThinkRequest
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.model_keys import keeping
from konstruct.model_keys.keeping import Candidate
from konstruct.settings import Settings
from konstruct.tables import ModelKey, Usage
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, RecordingMessenger, WordEmbedder
from tests.support.model_doubles import Behaviour, Fault, ModelDoubles
from tests.support.office import Office, open_office

OURS = {"anthropic": "sk-ant-deployment", "openai": "sk-deployment"}
OWN = "sk-ant-of-the-tenant"


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles(
        keys={"anthropic": [OURS["anthropic"], OWN], "openai": [OURS["openai"]]}
    ).running() as double:
        yield double


@pytest.fixture
def thinking(
    doubles: ModelDoubles, database: Database, vault: Vault, messenger: RecordingMessenger, embedder: WordEmbedder
) -> Thinking:
    settings = Settings(
        anthropic_api_key=SecretStr(OURS["anthropic"]),
        anthropic_base_url=doubles.base_url("anthropic"),
        openai_api_key=SecretStr(OURS["openai"]),
        openai_base_url=doubles.base_url("openai"),
    )
    embedders = GivenEmbedders({embedder.name: embedder})
    model, messengers = LiteLLMChatModel(), {"slack": messenger}
    return Thinking(settings, database, vault, model, NothingCools(), messengers, KeptWindows(), embedders)


async def ask(office: Office, thinking: Thinking) -> None:
    asked = await office.say()
    request = ThinkRequest(office.tenant_id, asked.conversation_id, new_id(), [asked.message_id])
    await ActivityEnvironment().run(thinking.think, request)


async def keys_used(office: Office, thinking: Thinking, doubles: ModelDoubles) -> list[tuple[str, str | None]]:
    doubles.calls.clear()
    await ask(office, thinking)
    return [(call.provider, call.key) for call in doubles.calls]


async def test_its_key_goes_to_its_provider_and_another_tenant_has_none_of_it(
    office: Office, thinking: Thinking, doubles: ModelDoubles, database: Database, vault: Vault
) -> None:
    async with office.session() as session:
        await keeping.keep(session, vault, office.tenant_id, Candidate("anthropic", SecretStr(OWN)), actor="user:ada")
    other = await open_office(database, vault, models=("anthropic/claude-sonnet-4-6",))

    assert await keys_used(office, thinking, doubles) == [("anthropic", OWN)]
    assert await keys_used(other, thinking, doubles) == [("anthropic", OURS["anthropic"])]
    assert [row.key_of for row in await office.rows(Usage)] == ["tenant"]
    assert [row.key_of for row in await other.rows(Usage)] == ["deployment"]


async def test_one_that_is_refused_fails_its_link_alone_and_nobody_elses_takes_its_place(
    office: Office, thinking: Thinking, doubles: ModelDoubles, vault: Vault
) -> None:
    async with office.session() as session:
        await keeping.keep(session, vault, office.tenant_id, Candidate("anthropic", SecretStr(OWN)), actor="user:ada")
    doubles.keys["anthropic"] = [OURS["anthropic"]]

    assert await keys_used(office, thinking, doubles) == [("anthropic", OWN), ("openai", OURS["openai"])]
    rows = await office.rows(Usage)
    # Written in one moment, they have no order.
    assert sorted((row.provider, row.outcome, row.key_of) for row in rows) == [
        ("anthropic", "failed", "tenant"),
        ("openai", "ok", "deployment"),
    ]
    [key] = await office.rows(ModelKey)
    assert key.refused_at is not None

    doubles.keys["anthropic"] = [OWN]
    assert await keys_used(office, thinking, doubles) == [("anthropic", OWN)]
    [key] = await office.rows(ModelKey)
    assert key.refused_at is None


async def test_one_that_is_refused_has_ours_asked_in_its_place_where_the_tenant_wants_that(
    office: Office, thinking: Thinking, doubles: ModelDoubles, vault: Vault
) -> None:
    own = Candidate("anthropic", SecretStr(OWN), falls_back=True)
    async with office.session() as session:
        await keeping.keep(session, vault, office.tenant_id, own, actor="user:ada")
    assert await keys_used(office, thinking, doubles) == [("anthropic", OWN)]

    doubles.keys["anthropic"] = [OURS["anthropic"]]
    assert await keys_used(office, thinking, doubles) == [("anthropic", OWN), ("anthropic", OURS["anthropic"])]
    rows = await office.rows(Usage)
    assert sorted((row.outcome, row.key_of) for row in rows) == [
        ("failed", "tenant"),
        ("ok", "deployment"),
        ("ok", "tenant"),
    ]
    [key] = await office.rows(ModelKey)
    assert key.refused_at is not None


async def test_trouble_that_is_no_refusal_never_spends_what_is_ours(
    office: Office, thinking: Thinking, doubles: ModelDoubles, vault: Vault
) -> None:
    own = Candidate("anthropic", SecretStr(OWN), falls_back=True)
    async with office.session() as session:
        await keeping.keep(session, vault, office.tenant_id, own, actor="user:ada")
    doubles.always("anthropic", Behaviour(fault=Fault.RATE_LIMITED))
    assert await keys_used(office, thinking, doubles) == [("anthropic", OWN), ("openai", OURS["openai"])]
