"""Putting everything that is sealed under the deployment's newest key, beside processes that seal and open meanwhile.

Each tenant gets a new data key. From the transaction on that stores it, all that is sealed is under it (see
``konstruct.vault``); then what is kept is sealed anew, some rows at a time. How far it is, is in the rows themselves:
whoever is killed half-way is followed by the next, who begins where there is still something to do.

Contacts' own keys stay what they are, and with them what is kept of contacts: they are sealed anew, not replaced.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from cryptography.fernet import Fernet
from sqlalchemy import Column, ColumnElement, Table, TextClause, bindparam, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from konstruct import audit
from konstruct.db import Database
from konstruct.errors import KeyMissing, Unavailable
from konstruct.tables import TenantKey
from konstruct.tables.factors import Authenticator
from konstruct.vault import DataKeys, Vault, decrypted

log = structlog.get_logger(__name__)

Place = tuple[str, str, str]
SEALED_FOR_TENANTS: Final[Sequence[Place]] = (
    ("contact_keys", "contact_id", "wrapped"),
    ("connections", "id", "sealed_secrets"),
    ("whatsapp_drafts", "id", "sealed_secrets"),
    ("tools", "id", "sealed_secrets"),
    ("model_keys", "id", "sealed"),
    ("contact_erasures", "id", "sealed"),
)
"""Table, the key besides the tenant, and the column: all that is under tenants' data keys."""
AT_ONCE: Final = 500
"""Rows of one transaction."""
LOOKED_AT: Final = 50
"""Businesses whose keys a program tries its own on when it starts."""
_PAUSE: Final = 0.2
"""Seconds, before what somebody held is tried again."""
_FIRST: Final = UUID(int=0)
_FIRST_DIGEST: Final = b""

Report = Callable[[str], None]


@dataclass
class Rekeyed:
    """What was done, and what could not be."""

    tenants: int = 0
    values: int = 0
    unopened: list[str] = field(default_factory=list)
    """Where something lies that no key of this deployment opens: ids alone."""


async def rekey(database: Database, vault: Vault, report: Report, *, at_once: int = AT_ONCE) -> Rekeyed:
    """Goes on until all is under the newest key. What no key opens stays as it is, and is told."""
    done = Rekeyed()
    async for tenant_id in _ids(database, "select tenant_id from tenants_with_keys(:after, :at_most)"):
        await _rekey_tenant(database, vault, tenant_id, done, at_once)
        done.tenants += 1
        if done.tenants % 100 == 0:
            report(f"{done.tenants} businesses, {done.values} values so far")
    report(f"{done.tenants} businesses have a key that was made under the newest of the deployment's.")
    async for user_id in _ids(database, "select user_id from people_with_authenticators(:after, :at_most)"):
        async with database.account_session(user_id) as session:
            row = await session.get(Authenticator, user_id, with_for_update=True)
            if row is not None and (fresh := _fresh_own(vault, row.sealed, f"authenticators {user_id}", done)):
                row.sealed = fresh
    await _reseal_of_nobody(database, vault, done, _MAILS, _FIRST, at_once)
    await _reseal_of_nobody(database, vault, done, _CEREMONIES, _FIRST_DIGEST, at_once)
    return done


async def have_keys(database: Database, vault: Vault) -> None:
    """Looks at the keys of some businesses, so that who starts with wrong keys ends before it takes anything on. Where
    the database cannot be asked, or has no tables yet, it says nothing: what is under a key that is lacking waits.

    Raises:
        KeyMissing: no business' key opens with those of this deployment.
    """
    known, strange = 0, 0
    try:
        async with database.system_session() as session:
            page = {"after": _FIRST, "at_most": LOOKED_AT}
            statement = text("select tenant_id from tenants_with_keys(:after, :at_most)")
            tenant_ids = list(await session.scalars(statement, page))
        for tenant_id in tenant_ids:
            async with database.tenant_session(tenant_id) as session:
                row = await session.get(TenantKey, tenant_id)
            is_known = row is not None and vault.has_wrapped(row)
            known, strange = known + is_known, strange + (row is not None and not is_known)
    except (Unavailable, DBAPIError) as error:
        log.warning("keys_not_looked_at", error=type(error).__name__)
        return
    if strange and not known:
        raise KeyMissing(
            "Nothing in this database opens with KONSTRUCT_ENCRYPTION_KEYS: set the keys that it was filled with."
        )
    if strange:
        log.error("keys_missing", businesses=strange, looked_at=known + strange)


async def left(database: Database, newest_alone: Vault) -> dict[str, int]:
    """What does not open with the deployment's newest key alone, by where it lies: nothing, once all is rekeyed."""
    found: dict[str, int] = {}

    def count(where: str, opens: bool) -> None:
        if not opens:
            found[where] = found.get(where, 0) + 1

    async for tenant_id in _ids(database, "select tenant_id from tenants_with_keys(:after, :at_most)"):
        await _count_tenant(database, newest_alone, tenant_id, count)
    async for user_id in _ids(database, "select user_id from people_with_authenticators(:after, :at_most)"):
        async with database.account_session(user_id) as session:
            row = await session.get(Authenticator, user_id)
            count("authenticators", row is None or newest_alone.resealed_own(row.sealed) is not None)
    for statements, first in ((_MAILS, _FIRST), (_CEREMONIES, _FIRST_DIGEST)):
        async for rows in _of_nobody(database, statements, first, AT_ONCE):
            for _, sealed in rows:
                count(statements.table, newest_alone.resealed_own(sealed) is not None)
    return found


async def _rekey_tenant(database: Database, vault: Vault, tenant_id: UUID, done: Rekeyed, at_once: int) -> None:
    """Twice where somebody before us was killed while the newest key was another."""
    while (keys := await _begun(database, vault, tenant_id)) is not None:
        values = 0
        for place in SEALED_FOR_TENANTS:
            values += await _reseal_table(database, tenant_id, keys, place, done, at_once)
        done.values += values
        async with database.tenant_session(tenant_id) as session:
            row = await session.get(TenantKey, tenant_id, with_for_update=True)
            if row is not None and not row.is_resealed:
                row.is_resealed = True
                audit.record(
                    session,
                    tenant_id=tenant_id,
                    actor="operator",
                    action="tenant.rekeyed",
                    newest=row.newest,
                    values=values,
                )


async def _begun(database: Database, vault: Vault, tenant_id: UUID) -> DataKeys | None:
    """The keys with which what is left is to be sealed anew; None when nothing is left to do.

    Its lock waits for whoever is about to keep something under the key before, and holds up nobody for long.
    """
    async with database.tenant_session(tenant_id) as session:
        row = await session.get(TenantKey, tenant_id, with_for_update=True)
        if row is None or (row.newest == vault.newest and row.is_resealed):
            return None
        keys = vault.unwrapped(row)
        if row.is_resealed:
            keys = DataKeys(Fernet.generate_key(), keys.current, keys.digesting or keys.current)
            row.newest, row.is_resealed = vault.newest, False
        row.wrapped = vault.wrap(keys.current)
        row.previous = vault.wrap(keys.previous) if keys.previous is not None else None
        row.digesting = vault.wrap(keys.digesting) if keys.digesting is not None else None
    return keys


async def _reseal_table(
    database: Database, tenant_id: UUID, keys: DataKeys, place: Place, done: Rekeyed, at_once: int
) -> int:
    """How many values that took. What somebody else holds is come back to, so that neither waits for the other."""
    resealed, is_whole = 0, False
    while not is_whole:
        after, is_whole = _FIRST, True
        while True:
            async with database.tenant_session(tenant_id) as session:
                seen = await _page(session, place, after, at_once)
                if not seen:
                    break
                after = seen[-1][0]
                stale = [row_id for row_id, sealed in seen if decrypted(Fernet(keys.current), sealed) is None]
                held = await _page(session, place, _FIRST, at_once, held_of=stale) if stale else []
                resealed += await _reseal(session, place, keys, held, done)
                is_whole &= len(held) == len(stale)
        if not is_whole:
            await asyncio.sleep(_PAUSE)
    return resealed


async def _reseal(
    session: AsyncSession, place: Place, keys: DataKeys, held: Sequence[tuple[UUID, str]], done: Rekeyed
) -> int:
    table, key, column = _parts(place)
    fresh = []
    for row_id, sealed in held:
        if (opened := keys.opened(sealed)) is not None:
            fresh.append({"of_row": row_id, "fresh": Fernet(keys.current).encrypt(opened).decode()})
        elif (where := f"{table.name} {row_id}") not in done.unopened:
            done.unopened.append(where)
    if fresh:
        changed = table.update().where(key == bindparam("of_row")).values({column: bindparam("fresh")})
        await session.execute(changed, fresh)
    return len(fresh)


async def _page(
    session: AsyncSession, place: Place, after: UUID, at_most: int, *, held_of: Sequence[UUID] = ()
) -> list[tuple[UUID, str]]:
    """The next rows of the session's tenant; or those of these that nobody holds, which are ours then."""
    _, key, column = _parts(place)
    query = select(key, column).where(key > after, column.is_not(None)).order_by(key).limit(at_most)
    if held_of:
        query = query.where(key.in_(held_of)).with_for_update(skip_locked=True)
    return [(row[0], row[1]) for row in await session.execute(query)]


def _parts(place: Place) -> tuple[Table, ColumnElement[UUID], Column[str]]:
    table = SQLModel.metadata.tables[place[0]]
    return table, table.c[place[1]], table.c[place[2]]


async def _count_tenant(
    database: Database, newest_alone: Vault, tenant_id: UUID, count: Callable[[str, bool], None]
) -> None:
    async with database.tenant_session(tenant_id) as session:
        row = await session.get(TenantKey, tenant_id)
        if row is None:
            return
        wrapped = [each for each in (row.wrapped, row.previous, row.digesting) if each is not None]
        is_ours = all(newest_alone.resealed_own(each) is not None for each in wrapped)
        count("tenant_keys", is_ours and row.is_resealed)
        cipher = Fernet(newest_alone.unwrapped(row).current) if is_ours else None
    for place in SEALED_FOR_TENANTS:
        after = _FIRST
        while True:
            async with database.tenant_session(tenant_id) as session:
                rows = await _page(session, place, after, AT_ONCE)
            if not rows:
                break
            after = rows[-1][0]
            for _, sealed in rows:
                count(place[0], cipher is not None and decrypted(cipher, sealed) is not None)


@dataclass(frozen=True)
class _OfNobody:
    """How rows are read and written that only functions of the database reach."""

    table: str
    read: TextClause
    write: TextClause


_MAILS: Final = _OfNobody(
    "mails",
    text("select id, sealed from sealed_mails(:after, :at_most)"),
    text("select reseal_mail(:key, :before, :fresh)"),
)
_CEREMONIES: Final = _OfNobody(
    "ceremonies",
    text("select digest, sealed from sealed_ceremonies(:after, :at_most)"),
    text("select reseal_ceremony(:key, :before, :fresh)"),
)


async def _reseal_of_nobody(
    database: Database, vault: Vault, done: Rekeyed, statements: _OfNobody, first: UUID | bytes, at_once: int
) -> None:
    async for rows in _of_nobody(database, statements, first, at_once):
        async with database.system_session() as session:
            for key, sealed in rows:
                if fresh := _fresh_own(vault, sealed, f"{statements.table} {key}", done):
                    await session.execute(statements.write, {"key": key, "before": sealed, "fresh": fresh})


async def _of_nobody(
    database: Database, statements: _OfNobody, first: UUID | bytes, at_once: int
) -> AsyncIterator[Sequence[tuple[Any, str]]]:
    after: Any = first
    while True:
        async with database.system_session() as session:
            found = (await session.execute(statements.read, {"after": after, "at_most": at_once})).all()
        if not found:
            return
        yield [(row[0], row[1]) for row in found]
        after = found[-1][0]


def _fresh_own(vault: Vault, sealed: str, where: str, done: Rekeyed) -> str | None:
    """None: it is to stay as it is."""
    fresh = vault.resealed_own(sealed)
    if fresh is None:
        done.unopened.append(where)
        return None
    done.values += 1
    return fresh


async def _ids(database: Database, query: str) -> AsyncIterator[UUID]:
    after, statement = _FIRST, text(query)
    while True:
        async with database.system_session() as session:
            ids = list(await session.scalars(statement, {"after": after, "at_most": AT_ONCE}))
        for each in ids:
            yield each
        if not ids:
            return
        after = ids[-1]
