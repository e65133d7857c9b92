"""Tasks of many tenants that take turns on few connections, are cancelled, fail, and lose savepoints in between."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.db import Database
from tests.support.office import Office

AT_A_TIME: Final = 40
TABLES: Final = ("connections", "employees", "employee_versions", "audit_events", "tenant_keys")


class Mishap(Exception):
    """What a task fails with on purpose."""


@dataclass
class Crowd:
    """Tasks of many tenants on one small pool, each of which looks whose rows it sees."""

    database: Database
    offices: list[Office]
    chance: random.Random
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
