"""Some of the API's operations, held against their description; and APIs that are wrong, which are found out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import asyncpg
import pytest
from pydantic import SecretStr

from gateway import app as gateway_app
from gateway import bodies
from gateway.api import app as api_app
from konstruct import api_keys
from konstruct.db import Database
from konstruct.identity import TenantId
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.faults import conforming
from tests.faults.broken import answers_otherwise
from tests.faults.conforming import ENTRIES, Conforming
from tests.faults.entrances import GATEWAY
from tests.support.http import serve

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261129
[ENTRY] = ENTRIES
ANSWERED_BY_A_WORKER = ("claim", "hand-back", "release", "resolve", "take-over", "transfer")
"""The ends of addresses. Here there is none, which is waited for."""
FEW = 60
Ask = Callable[[Sequence[str], int], Awaitable[Conforming]]


@pytest.fixture(scope="module")
async def subject(database: Database, vault: Vault, owner_url: SecretStr) -> conforming.Subject:
    return await conforming.opened(database, vault, owner_url.get_secret_value(), 4 * ENTRY.short)


@pytest.fixture
def ask(settings: Settings, subject: conforming.Subject) -> Ask:
    """As the entry does it, with the servers of the tests instead of some of its own."""

    async def ask(operations: Sequence[str], cases: int) -> Conforming:
        here = Settings(**settings.model_dump(exclude_unset=True) | GATEWAY)
        async with serve(gateway_app.build(here)) as gateway:
            return await asyncio.to_thread(conforming.asked, gateway, subject, operations, cases, SEED)

    return ask


async def test_the_api_is_as_it_is_described(ask: Ask) -> None:
    chosen = conforming.chosen(ENTRY.short, SEED)
    found = await ask([each for each in chosen if not each.endswith(ANSWERED_BY_A_WORKER)], ENTRY.short)
    assert found.amiss == {}, found.counts()


async def test_an_api_that_breaks_on_what_is_not_english_is_found_out(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = bodies._check

    def breaks(value: object, depth: int) -> None:
        check(value, depth)
        str(value).encode("ascii")

    monkeypatch.setattr(bodies, "_check", breaks)
    found = await ask(["PUT /saved-replies/{key}"], FEW)
    assert "not_a_server_error" in found.amiss, found.counts()


async def test_an_api_that_refuses_otherwise_than_described_is_found_out(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_app, "_problem", answers_otherwise.problem)
    found = await ask(["GET /contacts/{contact_id}"], FEW)
    assert "response_schema_conformance" in found.amiss, found.counts()


async def test_an_api_that_asks_for_no_key_is_found_out(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, subject: conforming.Subject
) -> None:
    find = api_keys.find

    async def anybody(database: Database, key: str) -> api_keys.Principal:
        return await find(database, subject.keys[0])

    monkeypatch.setattr(api_keys, "find", anybody)
    found = await ask(["GET /settings"], FEW)
    assert "ignored_auth" in found.amiss, found.counts()


async def test_an_api_that_takes_a_key_for_somebody_elses_is_found_out(
    ask: Ask, subject: conforming.Subject, owner_url: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    query = "select tenant_id from contacts where id::text = any($1)"
    other = TenantId(await administrator.fetchval(query, list(subject.others)))
    await administrator.close()
    find = api_keys.find

    async def found_as_other(database: Database, key: str) -> api_keys.Principal:
        return replace(await find(database, key), tenant_id=other)

    monkeypatch.setattr(api_keys, "find", found_as_other)
    found = await ask(["GET /contacts/{contact_id}"], FEW)
    assert "wrong_tenant" in found.amiss, found.counts()
