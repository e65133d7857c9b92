"""F17, F18, F19 and F29: what Postgres is to hold whatever the product does, tried in full.

``make test`` tries the same where its subjects are: tests/tenancy/test_catalogue.py and test_pool.py,
tests/konstruct/test_recalling_many.py and test_audit_verifying.py. Here are the full counts, and what is wrong on
purpose.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import numpy as np
from pydantic import SecretStr
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from konstruct import db
from konstruct.db import Database
from konstruct.embedded import postgres as embedded_postgres
from konstruct.vault import Vault
from tests.faults.catalogue import Entry, tell_progress
from tests.faults.lab import made_folder
from tests.faults.services import Service
from tests.support.crowds import World
from tests.support.keys import ENCRYPTION_KEY
from tests.support.memories import AT_MOST, Person, learn, part_of, recalled
from tests.support.office import open_office
from tests.support.tampering import TAMPERINGS, Tampering, tell
from tests.support.trail import Trail, open_trail
from tests.tenancy.catalogue import findings
from tests.tenancy.crowds import Crowd, rows_of_nobody
from tests.tenancy.mistakes import MISTAKES, is_found

EXECUTIONS: Final = 12
"""At the sixth Postgres would go over to a plan that has forgotten whom it is for."""
SIZES: Final = (200, 1_000, 10_000, 100_000)
"""How much is remembered for each of four neighbours in one index, at forty questions; less at fewer."""
QUESTIONS: Final = 40


@dataclass
class Counted:
    what: dict[str, object] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)

    @property
    def amiss(self) -> dict[str, list[str]]:
        return {name: each for name, each in self.found.items() if each}

    def counts(self) -> dict[str, object]:
        return self.what | {name: len(each) for name, each in self.found.items()}


@dataclass(frozen=True)
class Standing:
    """A Postgres at the newest version."""

    app_url: str
    owner_url: str
    database: Database
    vault: Vault


Subject = Callable[[Standing, int, int], Awaitable[Counted]]


@asynccontextmanager
async def standing() -> AsyncIterator[Standing]:
    with made_folder() as folder:
        part = await embedded_postgres.prepared(folder)
        service = Service(part.program)
        await service.start()
        try:
            await part.create_database()
            await db.migrate(SecretStr(part.owner_url))
            database = Database(SecretStr(part.app_url))
            yield Standing(part.app_url, part.owner_url, database, Vault((ENCRYPTION_KEY,)))
            await database.close()
        finally:
            await service.stop()


async def alone(subject: Subject, times: int, seed: int) -> Counted:
    async with standing() as place:
        return await subject(place, times, seed)


async def mistakes(place: Standing, times: int, seed: int) -> Counted:
    """Without a program that is wrong on purpose: each mistake is one, and one that nobody finds is told."""
    chosen = random.Random(seed).sample(sorted(MISTAKES), min(times, len(MISTAKES)))
    administrator = await asyncpg.connect(place.owner_url)
    try:
        holes = await findings(administrator)
        missed = [mistake for mistake in chosen if not await is_found(administrator, mistake)]
    finally:
        await administrator.close()
    return Counted({"mistakes": len(chosen)}, {"holes_as_migrated": holes, "missed": missed})


async def pooled(place: Standing, times: int, seed: int, *, careless: bool = False) -> Counted:
    offices = [await open_office(place.database, place.vault) for _ in range(8)]
    patience = timedelta(
        seconds=60
    )  # On a machine with other things to do somebody waits for long, and is not refused.
    small = (Careless if careless else Database)(SecretStr(place.app_url), pool_size=2, longest_wait=patience)
    try:
        crowd = Crowd(small, offices, random.Random(seed))
        await asyncio.gather(*(crowd.run() for _ in range(times)))
        of_nobody = Counter(await asyncio.gather(*(rows_of_nobody(small) for _ in range(50))))
    finally:
        await small.close()
    seen = [f"{number} rows without a tenant" for number, often in of_nobody.items() if number for _ in range(often)]
    return Counted({"transactions": times, **crowd.outcomes}, {"wrong_tenant": crowd.wrong, "of_nobody": seen})


class _CarelessSession(Session):
    """Says who it is for when it begins, for the connection rather than the transaction, and nothing when nobody."""


@event.listens_for(_CarelessSession, "after_begin")
def _enter(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested and session.info["tenant"]:
        connection.execute(
            text("select set_config('app.tenant_id', :tenant, false)"), {"tenant": str(session.info["tenant"])}
        )


class Careless(Database):
    @asynccontextmanager
    async def _session(self, tenant_id: UUID | None = None, user_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        session = AsyncSession(self._engine, sync_session_class=_CarelessSession, expire_on_commit=False)
        session.info["tenant"] = tenant_id
        async with session, session.begin():
            yield session


Recalls = Callable[[AsyncSession, Person, Any], Awaitable[list[UUID]]]


async def skewed(place: Standing, times: int, seed: int, *, recalls: Recalls = recalled) -> Counted:
    administrator = await asyncpg.connect(place.owner_url)
    neighbours, world = [await open_office(place.database, place.vault)], World(seed)
    while len(neighbours) < len(SIZES):
        office = await open_office(place.database, place.vault)
        if await part_of(administrator, office) == await part_of(administrator, neighbours[0]):
            neighbours.append(office)
    sizes = [max(AT_MOST, size * times // QUESTIONS) for size in SIZES]
    people = [
        await learn(office, f"U{size}", world.vectors(size)) for office, size in zip(neighbours, sizes, strict=True)
    ]
    await administrator.execute("analyze memories, memory_vectors")
    await administrator.close()
    # One connection, whose statements are all prepared before long.
    one = Database(SecretStr(place.app_url), pool_size=1)
    right: dict[int, list[float]] = {size: [] for size in sizes}
    amiss: dict[str, list[str]] = {"too_few": [], "of_others": [], "recall_below_95_of_100": []}
    try:
        for number, vector in enumerate(world.vectors(max(times, EXECUTIONS))):
            for person, size in zip(people, sizes, strict=True):
                async with one.tenant_session(person.office.tenant_id) as session:
                    found = await recalls(session, person, vector)
                if len(set(found)) != AT_MOST:
                    amiss["too_few"].append(f"{len(set(found))} of {size} at execution {number + 1}")
                amiss["of_others"] += [str(each) for each in set(found) - set(person.ids)]
                right[size].append(len(person.nearest(vector) & set(found)) / AT_MOST)
            tell_progress(number + 1, max(times, EXECUTIONS))
    finally:
        await one.close()
    means = {size: round(float(np.mean(each)), 3) for size, each in right.items()}
    amiss["recall_below_95_of_100"] = [f"{mean} of {size}" for size, mean in means.items() if mean < 0.95]
    return Counted({"questions": len(right[sizes[0]]) * len(sizes), "recall_at_10": means}, amiss)


async def afterwards(session: AsyncSession, person: Person, vector: Any) -> list[UUID]:
    """By the index that all tenants share, of whose nearest those of others are left out afterwards."""
    await session.execute(text("set local enable_sort = off"))
    await session.execute(text("set local enable_seqscan = off"))
    rows = await session.execute(
        text(
            "select memory_id from (select memory_id, contact_id from memory_vectors where dimensions = 384"
            " order by (vector::halfvec(384)) <=> cast(:vector as halfvec(384)) limit 40) near"
            " where contact_id = :contact limit 10"
        ),
        {"vector": str(vector.tolist()), "contact": person.contact_id},
    )
    return list(rows.scalars())


async def tampered(place: Standing, times: int, seed: int, *, anchors_within_reach: bool = False) -> Counted:
    chosen: list[Tampering] = random.Random(seed).sample(TAMPERINGS, min(times, len(TAMPERINGS)))
    unnoticed = []
    with tempfile.TemporaryDirectory() as folder:
        for number, tampering in enumerate(chosen, 1):
            office = await open_office(place.database, place.vault)
            async with open_trail(office, SecretStr(place.owner_url), Path(folder) / str(number)) as trail:
                await tell(trail)
                async with trail.tampering() as administrator:
                    await tampering.change(trail, administrator)
                if anchors_within_reach:
                    await _anchor_again(trail)
                if (await trail.verify()).broken is None:
                    unnoticed.append(tampering.what)
            tell_progress(number, len(chosen))
    return Counted({"tamperings": len(chosen)}, {"unnoticed": unnoticed})


async def _anchor_again(trail: Trail) -> None:
    """Whoever may do anything to the database may also write the anchors, as where they are kept in it."""
    trail.anchor_file.unlink()
    async with trail.tampering() as administrator:
        await administrator.execute("update audit_seals set anchored_at = null where tenant_id = $1", trail.tenant_id)
    await trail.anchor()


ENTRIES: Final = (
    Entry(
        "F17",
        "A migration makes a mistake that would let somebody across the walls between tenants",
        "The audit of the catalogue finds each mistake, and nothing in the database as it is migrated.",
        full=len(MISTAKES),
        short=len(MISTAKES),
        run=partial(alone, mistakes),
    ),
    Entry(
        "F18",
        "Tasks of many tenants share few connections, are cancelled, fail and lose savepoints",
        "Nobody sees a row of another tenant, and a connection that is given back knows no tenant.",
        full=10_000,
        short=400,
        run=partial(alone, pooled),
        twin=partial(alone, partial(pooled, careless=True)),
    ),
    Entry(
        "F19",
        "Tenants with 200 to 100,000 memories are neighbours in one index of vectors",
        "Everybody recalls ten of their own at each execution, and 95 of 100 are the nearest.",
        full=QUESTIONS,
        short=2,
        run=partial(alone, skewed),
        twin=partial(alone, partial(skewed, recalls=afterwards)),
    ),
    Entry(
        "F29",
        "A superuser changes the audit trail, with its triggers off and its hashes made to fit",
        "Each change is named.",
        full=len(TAMPERINGS),
        short=len(TAMPERINGS),
        run=partial(alone, tampered),
        twin=partial(alone, partial(tampered, anchors_within_reach=True)),
    ),
)
