"""Connections that many tenants take turns on, with tasks that are cancelled, fail and lose savepoints in between."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.errors import Unavailable
from konstruct.vault import Vault
from tests.support.office import Office, open_office
from tests.tenancy.crowds import Crowd, rows_of_nobody

log = logging.getLogger(__name__)

TRANSACTIONS = 3_000
SEED = 20_261_122


@pytest.fixture
async def small(postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Database]:
    opened = Database(SecretStr(postgres.app_url), pool_size=2)
    yield opened
    await opened.close()


@pytest.fixture
async def offices(database: Database, vault: Vault) -> list[Office]:
    return [await open_office(database, vault) for _ in range(8)]


async def test_connections_never_carry_a_tenant_over(small: Database, offices: list[Office]) -> None:
    crowd = Crowd(small, offices, random.Random(SEED))
    await asyncio.gather(*(crowd.run() for _ in range(TRANSACTIONS)))

    log.warning("%s transactions: %s, %s wrong", TRANSACTIONS, dict(crowd.outcomes), len(crowd.wrong))
    assert crowd.wrong == []
    assert crowd.outcomes.total() == TRANSACTIONS
    assert min(crowd.outcomes[outcome] for outcome in ("done", "Mishap", "CancelledError")) > TRANSACTIONS / 100
    assert sum(await asyncio.gather(*(rows_of_nobody(small) for _ in range(50)))) == 0


@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_bare_connection_of_the_pool_knows_no_tenant(
    small: Database, offices: list[Office], is_asked: bool
) -> None:
    """Below the sessions, each of which would set its own. Where nothing is asked, nothing is begun with Postgres."""
    for office in offices:
        async with small.tenant_session(office.tenant_id) as session:
            await (session.execute(text("select 1")) if is_asked else session.connection())
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
