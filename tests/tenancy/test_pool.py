"""Connections that many tenants take turns on, with tasks that are cancelled, fail and lose savepoints in between."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.errors import Unavailable
from konstruct.vault import Vault
from tests.support.office import Office, open_office

TRANSACTIONS = 3_000
AT_A_TIME = 40
SEED = 20_261_122

TABLES = ("connections", "employees", "employee_versions", "audit_events", "tenant_keys")


class Mishap(Exception):
    """What a task fails with on purpose."""


@pytest.fixture
async def small(postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Database]:
    opened = Database(SecretStr(postgres.app_url), pool_size=2)
    yield opened
    await opened.close()


@pytest.fixture
async def offices(database: Database, vault: Vault) -> list[Office]:
    return [await open_office(database, vault) for _ in range(8)]


async def test_connections_never_carry_a_tenant_over(small: Database, offices: list[Office]) -> None:
    chance = random.Random(SEED)
    room = asyncio.Semaphore(AT_A_TIME)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []

    async def look(office: Office, what: str) -> None:
        async with small.tenant_session(office.tenant_id) as session:
            for table in (chance.choice(TABLES), chance.choice(TABLES)):
                rows = (await session.execute(text(f"select tenant_id from {table}"))).scalars().all()
                if set(rows) != {office.tenant_id}:
                    wrong.append(f"{table}: {rows}")
            if what == "savepoint":
                with suppress(IntegrityError):
                    async with session.begin_nested():
                        await session.execute(text("insert into employees select * from employees"))
                rows = (await session.execute(text("select tenant_id from employees"))).scalars().all()
                if set(rows) != {office.tenant_id}:
                    wrong.append(f"after a savepoint: {rows}")
            if what == "error":
                raise Mishap

    async def run() -> None:
        office, what = chance.choice(offices), chance.choice(["read", "read", "read", "error", "savepoint", "cancel"])
        async with room:
            task = asyncio.create_task(look(office, what))
            if what == "cancel":
                # Anywhere: while it waits for a connection, in the first statement or at the commit.
                await asyncio.wait([task], timeout=chance.uniform(0, 0.03))
                task.cancel()
            try:
                await task
            except (Mishap, asyncio.CancelledError) as error:
                outcomes[type(error).__name__] += 1
            else:
                outcomes["done"] += 1

    await asyncio.gather(*(run() for _ in range(TRANSACTIONS)))

    print(f"{TRANSACTIONS} transactions of {len(offices)} tenants: {dict(outcomes)}; wrong: {len(wrong)}")
    assert wrong == []
    assert sum(outcomes.values()) == TRANSACTIONS
    assert min(outcomes["done"], outcomes["Mishap"], outcomes["CancelledError"]) > TRANSACTIONS / 100

    seen = []

    async def look_around() -> None:
        async with small.system_session() as session:
            for table in (*TABLES, "tenants"):
                seen.append((await session.execute(text(f"select count(*) from {table}"))).scalar_one())

    await asyncio.gather(*(look_around() for _ in range(50)))
    assert seen == [0] * 50 * (len(TABLES) + 1)


async def test_a_bare_connection_of_the_pool_knows_no_tenant(small: Database, offices: list[Office]) -> None:
    """Below the sessions, which would set none themselves."""
    for office in offices:
        async with small.tenant_session(office.tenant_id) as session:
            await session.execute(text("select 1"))
        async with small._engine.connect() as connection:
            tenant = (await connection.execute(text("select current_setting('app.tenant_id', true)"))).scalar_one()
            assert not tenant
            assert (await connection.execute(text("select count(*) from connections"))).scalar_one() == 0


async def test_a_pool_that_stays_empty_is_unavailable(small: Database, offices: list[Office]) -> None:
    """The product waits five seconds for a connection; so does this test."""
    async with AsyncExitStack() as held:
        with pytest.raises(Unavailable):
            while True:
                session = await held.enter_async_context(small.tenant_session(offices[0].tenant_id))
                await session.execute(text("select 1"))
