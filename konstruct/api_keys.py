"""Keys with which programs act for a tenant: made, shown once, found by their digest, revoked. None is ever stored."""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import bindparam, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import enforcing
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, Unauthentic
from konstruct.identity import TenantId, new_id
from konstruct.tables import ApiKey
from konstruct.tables.base import utc_now

Scope = Literal[
    "approvals:read",
    "approvals:decide",
    "audit:read",
    "billing:read",
    "channels:read",
    "channels:write",
    "contacts:read",
    "contacts:write",
    "conversations:read",
    "employees:read",
    "employees:write",
    "handoffs:read",
    "handoffs:act",
    "knowledge:read",
    "knowledge:write",
    "reports:read",
    "settings:read",
    "settings:write",
    "team:read",
    "team:write",
    "tools:read",
    "tools:write",
]
SCOPES: Final[tuple[str, ...]] = get_args(Scope)

_PREFIX: Final = "kst_"
"""So that scanners for leaked secrets, and people, know one when they see it."""
_BYTES: Final = 32
_SHAPE: Final = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_NAME: Final = re.compile("[a-z][a-z0-9-]{0,62}")

_USE_IS_NOTED_EVERY: Final = timedelta(minutes=5)
"""Not at every request: each would wait for the one before it, at the key's row."""

_USED = update(ApiKey).where(col(ApiKey.id) == bindparam("key_id")).values(last_used_at=bindparam("now"))
_FOUND = text("select * from find_api_key(:digest)")
_NAME_OF = select(ApiKey.name).where(col(ApiKey.id) == bindparam("key_id"), col(ApiKey.revoked_at).is_(None))


@dataclass(frozen=True)
class Principal:
    """Whose program it is that asks, and what it may do."""

    tenant_id: TenantId
    key_id: UUID
    scopes: frozenset[str]


@dataclass(frozen=True)
class KnownKey:
    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def make(session: AsyncSession, tenant_id: UUID, name: str, scopes: Collection[str], *, actor: str) -> SecretStr:
    """The new key, which nobody can be told again.

    Raises:
        BadInput: the name or a scope cannot be one.
        Conflict: the name is taken. A revoked key keeps its own, for the audit trail names keys.
        OverPlan: the API is not part of the tenant's plan.
    """
    await enforcing.require_feature(session, "api")
    if not _NAME.fullmatch(name):
        raise BadInput("A key's name is made of lower-case letters, digits and hyphens, and begins with a letter.")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise BadInput(f"Say what the key may do, with one or more of these scopes: {', '.join(SCOPES)}.")
    key = _PREFIX + secrets.token_urlsafe(_BYTES)
    made: UUID | None = await session.scalar(
        insert(ApiKey)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            name=name,
            digest=_digest(key),
            scopes=sorted(set(scopes)),
            created_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        .returning(col(ApiKey.id))
    )
    if made is None:
        raise Conflict(f"There is, or was, a key called {name!r} already: choose another name.")
    _record(session, tenant_id, actor, "api_key.created", made, name, scopes=sorted(set(scopes)))
    return SecretStr(key)


async def find(database: Database, key: str) -> Principal:
    """Raises Unauthentic for whatever is no key, or no longer one, and does not say which; OverPlan for one of a tenant
    whose plan does not include the API."""
    row = None
    if _SHAPE.fullmatch(key):
        # By the digest of all of it: how long that takes says nothing of how much of a guess was right.
        async with database.system_session() as session:
            row = (await session.execute(_FOUND, {"digest": _digest(key)})).one_or_none()
    if row is None:
        raise Unauthentic("This API key is not valid: make one in the portal, or with `konstruct api-key create`.")
    if row.last_used_at is None or row.last_used_at < utc_now() - _USE_IS_NOTED_EVERY:
        async with database.tenant_session(row.tenant_id) as session:
            await session.execute(_USED, {"key_id": row.key_id, "now": utc_now()})
    if row.is_billed:
        async with database.tenant_session(row.tenant_id) as session:
            await enforcing.require_feature(session, "api", adds=False)
    return Principal(row.tenant_id, row.key_id, frozenset(row.scopes))


async def actor_of(session: AsyncSession, key_id: UUID) -> str:
    """What the key is called where it says who did something. Raises Unauthentic when it was revoked meanwhile."""
    name = await session.scalar(_NAME_OF, {"key_id": key_id})
    if name is None:
        raise Unauthentic("This API key was revoked.")
    return f"api:{name}"


async def listing(session: AsyncSession) -> list[KnownKey]:
    """Oldest first, revoked ones too."""
    rows = await session.scalars(select(ApiKey).order_by(col(ApiKey.id)))
    return [KnownKey(row.id, row.name, row.scopes, row.created_at, row.last_used_at, row.revoked_at) for row in rows]


async def revoke(session: AsyncSession, tenant_id: UUID, name: str, *, actor: str) -> bool:
    """From its commit on the key opens nothing. False when it did not before; NotFound when there is none."""
    key = await session.scalar(select(ApiKey).where(col(ApiKey.name) == name).with_for_update())
    if key is None:
        raise NotFound(f"There is no key called {name!r}.")
    if key.revoked_at is not None:
        return False
    key.revoked_at = utc_now()
    _record(session, tenant_id, actor, "api_key.revoked", key.id, name)
    return True


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _record(
    session: AsyncSession, tenant_id: UUID, actor: str, action: str, key_id: UUID, name: str, **detail: Any
) -> None:
    audit.record(session, tenant_id=tenant_id, actor=actor, action=action, key_id=str(key_id), name=name, **detail)
