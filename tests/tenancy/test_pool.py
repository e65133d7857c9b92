"""Connections that many tenants take turns on, with tasks that are cancelled, fail and lose savepoints in between."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.errors import Unavailable
from konstruct.vault import Vault
from tests.support.office import Office, open_office

log = logging.getLogger(__name__)

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


@dataclass
class Crowd:
    """Tasks of many tenants on one small pool, each of which looks whose rows it sees."""

    database: Database
    offices: list[Office]
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def run(self) -> None:
        fate = self.chance.choice(["read", "read", "read", "error", "savepoint", "cancel"])
        async with self.room:
            task = asyncio.create_task(self._work(self.chance.choice(self.offices), fate))
            if fate == "cancel":
                # Anywhere: while it waits for a connection, in the first statement or at the commit.
                await asyncio.wait([task], timeout=self.chance.uniform(0, 0.03))
                task.cancel()
            try:
                await task
            except (Mishap, asyncio.CancelledError) as error:
                self.outcomes[type(error).__name__] += 1
            else:
                self.outcomes["done"] += 1

    async def _work(self, office: Office, fate: str) -> None:
        async with self.database.tenant_session(office.tenant_id) as session:
            for table in self.chance.choices(TABLES, k=2):
                await self._look(session, office, table)
            if fate == "savepoint":
                with suppress(IntegrityError):
                    async with session.begin_nested():
                        await session.execute(text("insert into employees select * from employees"))
                await self._look(session, office, "employees")
            if fate == "error":
                raise Mishap

    async def _look(self, session: AsyncSession, office: Office, table: str) -> None:
        rows = (await session.execute(text(f"select tenant_id from {table}"))).scalars().all()
        if set(rows) != {office.tenant_id}:
            self.wrong.append(f"{table}: {rows}")


async def rows_of_nobody(database: Database) -> int:
    async with database.system_session() as session:
        counts = [(await session.execute(text(f"select count(*) from {table}"))).scalar_one() for table in TABLES]
    return sum(counts)


async def test_connections_never_carry_a_tenant_over(small: Database, offices: list[Office]) -> None:
    crowd = Crowd(small, offices)
    await asyncio.gather(*(crowd.run() for _ in range(TRANSACTIONS)))

    log.warning("%s transactions: %s, %s wrong", TRANSACTIONS, dict(crowd.outcomes), len(crowd.wrong))
    assert crowd.wrong == []
    assert crowd.outcomes.total() == TRANSACTIONS
    assert min(crowd.outcomes[outcome] for outcome in ("done", "Mishap", "CancelledError")) > TRANSACTIONS / 100
    assert sum(await asyncio.gather(*(rows_of_nobody(small) for _ in range(50)))) == 0


async def test_a_bare_connection_of_the_pool_knows_no_tenant(small: Database, offices: list[Office]) -> None:
    """Below the sessions, each of which would set its own."""
    for office in offices:
        async with small.tenant_session(office.tenant_id) as session:
            await session.execute(text("select 1"))
        async with small._engine.connect() as connection:
            assert not (await connection.execute(text("select current_setting('app.tenant_id', true)"))).scalar_one()
            assert (await connection.execute(text("select count(*) from connections"))).scalar_one() == 0


async def test_a_pool_that_stays_empty_is_unavailable(small: Database, offices: list[Office]) -> None:
    """The product waits five seconds for a connection; so does this test."""

    async def take_all() -> None:
        async with AsyncExitStack() as held:
            while True:
                session = await held.enter_async_context(small.tenant_session(offices[0].tenant_id))
                await session.execute(text("select 1"))

    with pytest.raises(Unavailable):
        await take_all()
