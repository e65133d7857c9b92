"""Own keys are sealed, belong to one tenant, and stand in the place of the deployment's."""

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct import usage
from konstruct.db import Database
from konstruct.employees import serving
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.model_keys import keeping
from konstruct.model_keys.keeping import Candidate
from konstruct.models import ModelCall
from konstruct.settings import Settings
from konstruct.tables import ModelKey, Usage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.office import Office, open_office

OWN = "sk-ant-canary-of-the-tenant-wxyz"
SETTINGS = Settings(anthropic_api_key=SecretStr("sk-ant-deployment"), openai_api_key=SecretStr("sk-deployment"))
NAMES = ["anthropic/claude-sonnet-4-6", "openai/gpt-5.4", "ollama/llama3.2"]


async def put(office: Office, *tried: Candidate) -> None:
    async with office.session() as session:
        for each in tried:
            await keeping.keep(session, office.vault, office.tenant_id, each, actor="user:ada")


async def links(office: Office) -> dict[str, tuple[str, str, bool]]:
    async with office.session() as session:
        chain = await keeping.chain(session, office.vault, NAMES, SETTINGS)
    return {link.provider: (link.api_key.get_secret_value(), link.base_url, link.is_own) for link in chain}


async def test_a_chain_takes_the_tenants_key_for_its_provider_and_no_other(
    office: Office, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    await put(office, Candidate("anthropic", SecretStr(OWN)), Candidate("ollama", None, "https://ollama.example"))

    assert await links(office) == {
        "anthropic": (OWN, "https://api.anthropic.com", True),
        "openai": ("sk-deployment", "https://api.openai.com/v1", False),
        "ollama": ("none", "https://ollama.example", True),
    }
    assert set(await links(other)) == {"anthropic", "openai"}
    assert (await links(other))["anthropic"][0] == "sk-ant-deployment"


async def test_only_addresses_that_the_tenant_gave_are_guarded(office: Office) -> None:
    await put(
        office, Candidate("anthropic", SecretStr(OWN)), Candidate("openai", SecretStr("sk-1"), "https://llm.example")
    )
    async with office.session() as session:
        chain = await keeping.chain(session, office.vault, NAMES, SETTINGS)
    assert [(link.provider, link.is_guarded) for link in chain] == [("anthropic", False), ("openai", True)]


async def test_nothing_that_is_kept_or_shown_or_noted_holds_the_key(office: Office) -> None:
    await put(office, Candidate("anthropic", SecretStr(OWN)))
    async with office.session() as session:
        [shown] = await keeping.shown(session)
        rows = (await session.execute(text("select model_keys::text from model_keys"))).scalars().all()
    events = await office.events("model_key.added")
    assert (shown.last_four, shown.created_by, shown.refused_at) == ("wxyz", "user:ada", None)
    assert shown.fingerprint is not None
    assert events[0].detail["fingerprint"] == shown.fingerprint
    for kept in (repr(shown), *rows, repr([event.detail for event in events])):
        assert "canary" not in kept


async def test_a_new_key_replaces_the_old_one_and_is_noted_with_what_was_before(office: Office) -> None:
    await put(office, Candidate("anthropic", SecretStr(OWN)))
    async with office.session() as session:
        [before] = await keeping.shown(session)
    await put(office, Candidate("anthropic", SecretStr(OWN + "-2")))
    assert (await links(office))["anthropic"][0] == OWN + "-2"
    [event] = await office.events("model_key.replaced")
    assert event.detail["before"] == before.fingerprint != event.detail["fingerprint"]


async def test_a_short_key_shows_no_part_of_itself(office: Office) -> None:
    await put(office, Candidate("openai", SecretStr("sk-12345678")))
    async with office.session() as session:
        assert [shown.last_four for shown in await keeping.shown(session)] == [None]


async def test_without_it_the_deployments_is_used_again(office: Office) -> None:
    await put(office, Candidate("anthropic", SecretStr(OWN)))
    async with office.session() as session:
        await keeping.remove(session, "anthropic", actor="user:ada")
    assert (await links(office))["anthropic"] == ("sk-ant-deployment", "https://api.anthropic.com", False)
    async with office.session() as session:
        with pytest.raises(NotFound):
            await keeping.remove(session, "anthropic", actor="user:ada")
    assert len(await office.events("model_key.removed")) == 1


def called(provider: str, *, error: str | None = None, is_own: bool = True) -> ModelCall:
    outcome = "failed" if error else "ok"
    return ModelCall(f"{provider}/m", provider, "m", outcome, utc_now(), error, is_own=is_own)  # type: ignore[arg-type]


async def test_a_refused_key_is_shown_until_it_is_taken_again(office: Office) -> None:
    await put(office, Candidate("anthropic", SecretStr(OWN)), Candidate("openai", SecretStr("sk-own-of-openai")))
    asked = await office.say()

    async def use(*calls: ModelCall) -> dict[str, bool]:
        async with office.session() as session:
            employee = await serving(session, asked.conversation_id)
            usage.record(session, employee, asked.conversation_id, new_id(), calls)
        async with office.session() as session:
            return {each.provider: each.refused_at is not None for each in await keeping.shown(session)}

    assert await use(called("anthropic", error="auth"), called("openai", error="server")) == {
        "anthropic": True,
        "openai": False,
    }
    # The deployment's being refused, or taken, says nothing of the tenant's.
    assert (await use(called("anthropic", is_own=False)))["anthropic"]
    assert not (await use(called("openai", error="auth", is_own=False)))["openai"]
    assert await use(called("anthropic")) == {"anthropic": False, "openai": False}
    used = await office.rows(Usage)
    assert sorted({(row.provider, row.key_of) for row in used}) == [
        *[("anthropic", "deployment"), ("anthropic", "tenant")],
        *[("openai", "deployment"), ("openai", "tenant")],
    ]


async def test_a_test_is_noted_either_way(office: Office) -> None:
    await put(office, Candidate("anthropic", SecretStr(OWN)))
    async with office.session() as session:
        assert (await keeping.candidate(session, office.vault, "anthropic")).api_key == SecretStr(OWN)
        await keeping.note_tested(session, "anthropic", "It was revoked.", actor="user:ada")
    [row] = await office.rows(ModelKey)
    assert row.refused_why == "It was revoked."
    async with office.session() as session:
        await keeping.note_tested(session, "anthropic", None, actor="user:ada")
    [row] = await office.rows(ModelKey)
    assert (row.refused_at, row.refused_why) == (None, None)
    assert [event.detail["works"] for event in await office.events("model_key.tested")] == [False, True]
