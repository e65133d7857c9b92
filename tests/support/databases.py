"""A database of a test's own, for what concerns all tenants of a deployment at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import asyncpg
from pydantic import SecretStr
from sqlalchemy import make_url

from konstruct import db
from konstruct.db import Database


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
    await server.execute(f"create database {name}")
    try:
        app_url, owner_url = (
            make_url(url).set(database=name).render_as_string(hide_password=False)
            for url in (postgres.app_url, postgres.owner_url)
        )
        await db.migrate(SecretStr(owner_url))
        opened = Database(SecretStr(app_url))
        yield Own(app_url, owner_url, opened)
        await opened.close()
    finally:
        await server.execute(f"drop database {name} with (force)")
        await server.close()
