"""A migration among processes that go on: it gives way to whoever holds a table, and needs no administrator's login."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from konstruct import db
from konstruct.embedded.postgres import Postgres
from konstruct.errors import Misconfigured, Unavailable

NEWEST = max(db.revisions())
VERSION = "select version_num from alembic_version"
WAITING = (
    "select count(*) from pg_locks where not granted and relation = 'messages'::regclass"
    " and database = (select oid from pg_database where datname = current_database())"
)


@dataclass(frozen=True)
class Place:
    url: SecretStr
    administrator: asyncpg.Connection

    def as_login(self, name: str) -> SecretStr:
        url = make_url(self.url.get_secret_value()).set(username=name)
        return SecretStr(url.render_as_string(hide_password=False))


@pytest.fixture
async def place(postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Place]:
    """An empty database on servers that have the roles, and a login that may do nothing yet."""
    server = await asyncpg.connect(owner_url.get_secret_value())
    await server.execute("create database migrating")
    url = make_url(owner_url.get_secret_value()).set(database="migrating").render_as_string(hide_password=False)
    administrator = await asyncpg.connect(url)
    await administrator.execute("create role konstruct_nobody login")
    yield Place(SecretStr(url), administrator)
    await administrator.close()
    await server.execute("drop database migrating with (force)")
    await server.execute("drop role konstruct_nobody")
    await server.close()


async def test_a_migration_gives_way_to_whoever_holds_the_table_and_goes_on_when_they_are_done(place: Place) -> None:
    await db.migrate(place.url, to="0001")
    other = await asyncpg.connect(place.url.get_secret_value())
    holding = other.transaction()
    await holding.start()
    await other.execute("lock table messages in access share mode")

    with pytest.raises(Unavailable, match="Others held for too long what a migration has to change"):
        await db.migrate(place.url, patience=timedelta())
    assert await place.administrator.fetchval(VERSION) == "0001"
    assert await place.administrator.fetchval(WAITING) == 0

    migrating = asyncio.create_task(db.migrate(place.url))
    while not await place.administrator.fetchval(WAITING):  # noqa: ASYNC110  # Postgres tells nobody of it.
        await asyncio.sleep(0)
    await holding.commit()
    await migrating
    assert await place.administrator.fetchval(VERSION) == NEWEST
    await other.close()


async def test_what_was_finished_before_a_failure_is_kept(place: Place) -> None:
    await db.migrate(place.url, to="0001")
    await place.administrator.execute("create table memories ()")

    with pytest.raises(Misconfigured, match='relation "memories" already exists'):
        await db.migrate(place.url)

    assert await place.administrator.fetchval(VERSION) == "0003"
    await place.administrator.execute("drop table memories")
    await db.migrate(place.url)
    assert await place.administrator.fetchval(VERSION) == NEWEST


async def test_of_two_that_run_at_once_one_does_it_and_the_other_finds_it_done(place: Place) -> None:
    await asyncio.gather(db.migrate(place.url), db.migrate(place.url))
    assert await place.administrator.fetchval(VERSION) == NEWEST


async def test_a_login_that_may_make_no_roles_migrates_what_an_administrator_prepared(place: Place) -> None:
    url = place.as_login("konstruct_nobody")
    with pytest.raises(Misconfigured, match=r"konstruct_nobody may make no roles.*grant konstruct_owner to"):
        await db.migrate(url)

    await place.administrator.execute(resources.files("konstruct.migrations").joinpath("roles.sql").read_text())
    await place.administrator.execute("grant konstruct_owner to konstruct_nobody")
    await db.migrate(url)

    assert await place.administrator.fetchval(VERSION) == NEWEST
    owners = await place.administrator.fetch(
        "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p') and relname not like 'pg_%'"
    )
    assert [tuple(row) for row in owners] == [("konstruct_owner",)]
