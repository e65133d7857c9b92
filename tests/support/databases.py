"""A database of a test's own, for what concerns all tenants of a deployment at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import asyncpg
from pydantic import SecretStr
from sqlalchemy import make_url

from konstruct import db
from konstruct.db import Database

_MIGRATED: Final = "migrated"
"""What the others are copies of, since migrating takes a second of work."""


class Server(Protocol):
    """Its addresses, of any database that is there."""

    @property
    def owner_url(self) -> str: ...

    @property
    def app_url(self) -> str: ...


@dataclass(frozen=True)
class Own:
    app_url: str
    owner_url: str
    database: Database
    """As the product sees it."""


@asynccontextmanager
async def own_database(postgres: Server, name: str) -> AsyncIterator[Own]:
    """On that server, at the newest version, and empty."""
    server = await asyncpg.connect(postgres.owner_url)
    if not await server.fetchval("select 1 from pg_database where datname = $1", _MIGRATED):
        await _migrate_one(server, postgres)
    await server.execute(f"create database {name} template {_MIGRATED}")
    try:
        app_url, owner_url = (_led_to(name, url) for url in (postgres.app_url, postgres.owner_url))
        opened = Database(SecretStr(app_url))
        yield Own(app_url, owner_url, opened)
        await opened.close()
    finally:
        await server.execute(f"drop database {name} with (force)")
        await server.close()


async def _migrate_one(server: asyncpg.Connection, postgres: Server) -> None:
    # It has its name last, so that none is copied that is not whole.
    await server.execute("create database migrating")
    await db.migrate(SecretStr(_led_to("migrating", postgres.owner_url)))
    await server.execute(f"alter database migrating rename to {_MIGRATED}")


def _led_to(name: str, url: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
