"""What befalls a database: who waits for it is told in time, and none of it is taken for an error of what was asked."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.db import Database
from konstruct.embedded.postgres import DATABASE, Postgres
from konstruct.errors import Unavailable
from konstruct.identity import new_id
from tests.support.relay import Relay

MUCH_TOO_LONG: Final = 60.0
"""Seconds, for what is to end by itself after a few."""


@asynccontextmanager
async def far_away(postgres: Postgres) -> AsyncIterator[tuple[Relay, Database]]:
    """By a way that can fall silent, with a single connection."""
    way = Relay(str(postgres.sockets / ".s.PGSQL.5432"))
    await way.open()
    address = SecretStr(f"postgresql://konstruct_app@127.0.0.1:{way.own_port}/{DATABASE}")
    far = Database(address, pool_size=1, longest_statement=timedelta(seconds=1))
    try:
        yield way, far
    finally:
        await far.close()
        await way.cut()


async def one_of(database: Database) -> int | None:
    async with database.system_session() as session:
        found: int | None = await session.scalar(text("select 1"))
        return found


async def test_a_server_that_lets_nothing_be_written_is_away(database: Database) -> None:
    async def write() -> None:
        async with database.tenant_session(new_id()) as session:
            await session.execute(text("set transaction read only"))
            await session.execute(text("delete from messages"))

    with pytest.raises(Unavailable, match="does not answer"):
        await write()


async def test_a_host_that_vanishes_is_noticed_by_both_ends(postgres: Postgres, owner_url: SecretStr) -> None:
    way = Relay(str(postgres.sockets / ".s.PGSQL.5432"))
    await way.open()
    over_tcp = Database(SecretStr(f"postgresql://konstruct_app@127.0.0.1:{way.own_port}/{DATABASE}"))
    try:
        async with over_tcp.system_session() as session:
            raw = await (await session.connection()).get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None
            own = driver._transport.get_extra_info("socket")
            assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            told = [getattr(socket, name) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")]
            silence, pause, probes = (own.getsockopt(socket.IPPROTO_TCP, option) for option in told)
            assert silence + pause * probes <= 30
            assert 0 < own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
            # Postgres itself takes what it is told of for connections over TCP alone, as this is none at its end.
            known = await session.scalar(
                text("select count(*) from pg_settings where name like 'tcp\\_%' and source = 'client'")
            )
            assert known == 4
    finally:
        await over_tcp.close()
        await way.cut()


async def test_a_server_that_takes_everything_and_says_nothing_is_away_and_holds_no_connection(
    postgres: Postgres, owner_url: SecretStr
) -> None:
    async def end_in_silence(way: Relay, far: Database) -> None:
        async with far.system_session() as session:
            await session.execute(text("select 1"))
            way.is_silent = True

    async with far_away(postgres) as (way, far), asyncio.timeout(MUCH_TOO_LONG):
        with pytest.raises(Unavailable, match="does not answer"):
            await end_in_silence(way, far)
        # A new connection is not even greeted.
        with pytest.raises(Unavailable, match="does not answer"):
            await one_of(far)
        way.is_silent = False
        assert await one_of(far) == 1


async def test_a_statement_that_takes_too_long_is_told_by_postgres_before_it_is_given_up(
    postgres: Postgres, owner_url: SecretStr
) -> None:
    async def wait(far: Database) -> None:
        async with far.system_session() as session:
            await session.execute(text("select pg_sleep(60)"))

    async with far_away(postgres) as (_, far), asyncio.timeout(MUCH_TOO_LONG):
        with pytest.raises(Unavailable, match="took the database too long"):
            await wait(far)


async def test_nobody_who_ends_waits_for_a_server_that_says_nothing(postgres: Postgres, owner_url: SecretStr) -> None:
    async with far_away(postgres) as (way, far), asyncio.timeout(MUCH_TOO_LONG):
        assert await one_of(far) == 1
        way.is_silent = True
        await far.close()
