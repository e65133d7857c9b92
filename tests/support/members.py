"""People who are signed in without having walked through signing in, for tests of what comes after it."""

import secrets
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from konstruct.accounts import sessions, tokens
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.permissions import Role
from konstruct.accounts.sessions import Client
from konstruct.db import Database
from konstruct.identity import TenantId, new_id
from konstruct.tables import Membership, Tenant, User
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

PASSWORD: Final = "four quiet lanterns drifting"
COOKIE: Final = "__Host-konstruct"
_CLIENT: Final = Client("Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0", "127.0.0.1")

_hashes: Final[dict[str, str]] = {}


@dataclass(frozen=True)
class Enrolled:
    user_id: UUID
    tenant_id: TenantId
    slug: str
    cookie: str
    """What the browser holds as ``__Host-konstruct``."""
    email: str
    password: str
    name: str
    session_id: UUID
    role: str

    @property
    def cookies(self) -> dict[str, str]:
        return {COOKIE: self.cookie}

    @property
    def browser_cookie(self) -> Any:
        """As Playwright takes it, for a portal on this machine."""
        place = {"domain": "127.0.0.1", "path": "/", "secure": True, "httpOnly": True, "sameSite": "Lax"}
        return {"name": COOKIE, "value": self.cookie, **place}

    @property
    def actor(self) -> str:
        return f"user:{self.user_id}"


async def enrolled(
    database: Database,
    vault: Vault,
    role: Role = "owner",
    tenant: UUID | None = None,
    *,
    name: str = "Anna Berg",
    email: str | None = None,
    password: str = PASSWORD,
    factor: str = "password",
) -> Enrolled:
    """A new person with this role in a tenant, one of their own unless it is given, who has just signed in.

    ``vault`` is at hand for tests; nothing of a person is sealed by it.
    """
    user_id = new_id()
    email = email or f"{name.split()[0].lower()}-{secrets.token_hex(5)}@example.com"
    await make_user(database, user_id, email, name, password)
    if tenant is None:
        tenant = await new_tenant(database)
    async with database.account_session(user_id, tenant_id=tenant) as session:
        session.add(Membership(tenant_id=tenant, user_id=user_id, role=role))
    cookie = await sign_in(database, user_id, factor=factor)
    found = await sessions.find(database, cookie)
    assert found is not None
    slug = next(seat.slug for seat in found.seats if seat.tenant_id == tenant)
    return Enrolled(user_id, TenantId(tenant), slug, cookie, email, password, name, found.session_id, role)


async def make_user(database: Database, user_id: UUID, email: str, name: str, password: str = PASSWORD) -> None:
    if password not in _hashes:
        # Once for all: Argon2 takes a sixth of a second, and this password is the same everywhere.
        _hashes[password] = await Passwords().hash(password)
    async with database.account_session(user_id) as session:
        session.add(User(id=user_id, email=email, name=name, password_hash=_hashes[password]))


async def new_tenant(database: Database, name: str = "Acme Bikes") -> UUID:
    """A tenant of nobody yet."""
    tenant_id = new_id()
    async with database.tenant_session(tenant_id) as session:
        session.add(Tenant(id=tenant_id, slug=f"acme-{secrets.token_hex(5)}", name=name))
    return tenant_id


async def sign_in(database: Database, user_id: UUID, *, factor: str = "password") -> str:
    """One more browser; returns what it holds."""
    async with database.account_session(user_id) as session:
        return await sessions.begin(session, user_id, _CLIENT, factor=factor)


async def let_time_pass(database: Database, person: Enrolled) -> None:
    """As if the person had shown who they are longer ago than delicate pages take it."""
    async with database.account_session(person.user_id) as session:
        for current in await sessions.listing(session):
            if current.digest == tokens.digest(person.cookie):
                current.authenticated_at = utc_now() - 2 * sessions.RECENT
