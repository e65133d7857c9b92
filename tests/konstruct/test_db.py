"""What befalls a database: who waits for it is told in time, and none of it is taken for an error of what was asked."""

import socket

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.db import Database
from konstruct.embedded.postgres import DATABASE, Postgres
from konstruct.errors import Unavailable
from konstruct.identity import new_id
from tests.support.relay import Relay


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
