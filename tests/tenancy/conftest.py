"""Two tenants with a row in every table, and the logins that look at them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import asyncpg
import pytest
from pydantic import SecretStr

from konstruct import api_keys
from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.model_keys.keeping import Candidate
from konstruct.vault import Vault
from tests.support.approvals import ask
from tests.support.office import Furnished, furnish, open_office
from tests.tenancy.attempts_on_accounts import settle
from tests.tenancy.attempts_on_changes import change_early
from tests.tenancy.attempts_on_connecting import begin_to_connect
from tests.tenancy.attempts_on_consults import wonder
from tests.tenancy.attempts_on_designs import draft
from tests.tenancy.attempts_on_factors import fortify
from tests.tenancy.attempts_on_files import enclose
from tests.tenancy.attempts_on_handoffs import staff
from tests.tenancy.attempts_on_inbox import mark
from tests.tenancy.attempts_on_money import bill
from tests.tenancy.attempts_on_rehearsals import rehearse
from tests.tenancy.attempts_on_reports import plan
from tests.tenancy.attempts_on_settings import CANDIDATE, bring_key, note_run
from tests.tenancy.attempts_on_streams import half_send, stream
from tests.tenancy.attempts_on_tools import equip
from tests.tenancy.attempts_on_trail import put_down
from tests.tenancy.attempts_on_whatsapp import meet
from tests.tenancy.attempts_on_words import christen
from tests.tenancy.attempts_over_the_api import key_name

Snapshot = Callable[[Furnished], Awaitable[dict[str, list[tuple[Any, ...]]]]]

OF_PEOPLE: Final = {
    "users": "id",
    **dict.fromkeys(("user_sessions", "user_devices", "account_tokens"), "user_id"),
    **dict.fromkeys(("authenticators", "recovery_codes", "passkeys", "linked_accounts"), "user_id"),
}
"""Every table of people, with the column that says whose a row is."""


@pytest.fixture(scope="session")
async def administrator(owner_url: SecretStr) -> AsyncIterator[Any]:
    """For whom no row security holds."""
    connection = await asyncpg.connect(owner_url.get_secret_value())
    yield connection
    await connection.close()


@pytest.fixture
async def product(postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Any]:
    """A bare connection as the product logs in, on which a test says which tenant it is."""
    connection = await asyncpg.connect(postgres.app_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def ours(database: Database, vault: Vault) -> Furnished:
    return await equipped(await furnish(await open_office(database, vault)))


@pytest.fixture(scope="session")
async def theirs(database: Database, vault: Vault) -> Furnished:
    office = await equipped(await furnish(await open_office(database, vault)))
    await bring_key(office, CANDIDATE)
    await plan(office)
    return office


async def equipped(office: Furnished) -> Furnished:
    """With what programs and people have to do with: a key, something to approve, tools, and a handoff."""
    async with office.session() as session:
        await api_keys.make(session, office.tenant_id, key_name(office), ["approvals:read"], actor="test")
    await ask(office, {"note": "Canary"})
    await equip(office)
    await staff(office)
    await stream(office)
    await half_send(office)
    await wonder(office)
    await draft(office)
    await enclose(office)
    await meet(office)
    await christen(office)
    await begin_to_connect(office)
    await rehearse(office)
    await settle(office)
    await mark(office)
    await change_early(office)
    await fortify(office)
    await bring_key(office, Candidate("openai", SecretStr("sk-canary-of-openai")))
    await note_run(office)
    await put_down(office)
    await bill(office)
    return office


@pytest.fixture(scope="session")
async def tenant_columns(administrator: Any) -> dict[str, str]:
    """Every table of tenants, with the column that says whose a row is."""
    rows = await administrator.fetch(
        "select c.relname::text, a.attname::text from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not a.attisdropped"
        " and not c.relispartition"
        " and a.attname = case c.relname when 'tenants' then 'id' else 'tenant_id' end order by 1"
    )
    return {row[0]: row[1] for row in rows}


@pytest.fixture(scope="session")
async def snapshot(administrator: Any, tenant_columns: dict[str, str]) -> Snapshot:
    """All rows of a tenant and its people to the last byte, with the transactions that wrote them."""
    whose = {table: f"{column} = $1" for table, column in tenant_columns.items()}
    for table, column in OF_PEOPLE.items():
        whose[table] = f"{column} in (select user_id from memberships where tenant_id = $1)"

    async def take(office: Furnished) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table: [
                tuple(row)
                for row in await administrator.fetch(
                    f"select t::text, t.xmin::text from {table} t where {condition} order by 1", office.tenant_id
                )
            ]
            for table, condition in whose.items()
        }

    return take
