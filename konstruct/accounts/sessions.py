"""Where a person is signed in: begun, found again by what the browser holds, listed, and ended.

A session that lay idle for twelve hours, or is two weeks old, opens nothing.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.accounts import tokens
from konstruct.db import Database
from konstruct.identity import TenantId, new_id
from konstruct.tables import User, UserDevice, UserSession
from konstruct.tables.base import utc_now

IDLE: Final = timedelta(hours=12)
ABSOLUTE: Final = timedelta(days=14)
RECENT: Final = timedelta(minutes=10)
"""How long after showing who they are a person need not do so again for what is delicate."""
_SEEN_EVERY: Final = timedelta(minutes=1)
_MOST_DEVICES: Final = 20

_BROWSERS: Final = (
    (re.compile(r"Edg[A-Z]*/"), "Edge"),
    (re.compile(r"OPR/"), "Opera"),
    (re.compile(r"Firefox/"), "Firefox"),
    (re.compile(r"Chrom(e|ium)/"), "Chrome"),
    (re.compile(r"Safari/"), "Safari"),
)
_SYSTEMS: Final = (
    (re.compile(r"Android"), "Android"),
    (re.compile(r"iPhone|iPad"), "iOS"),
    (re.compile(r"Windows"), "Windows"),
    (re.compile(r"Mac OS X"), "macOS"),
    (re.compile(r"Linux|X11"), "Linux"),
)


@dataclass(frozen=True)
class Client:
    """The browser, as far as it is told of in the list of sessions."""

    agent: str = ""
    address: str = ""

    @property
    def browser(self) -> str:
        name = next((name for sign, name in _BROWSERS if sign.search(self.agent)), "Another browser")
        system = next((name for sign, name in _SYSTEMS if sign.search(self.agent)), None)
        return f"{name} on {system}" if system else name

    @property
    def network(self) -> str:
        """Where it is from, to whom throttles count: of IPv6, whoever has one address has 2⁶⁴ of them."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return "unknown"
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)


@dataclass(frozen=True)
class Seat:
    """A tenant that a person is a member of."""

    tenant_id: TenantId
    slug: str
    name: str
    role: str
    requires_second_factor: bool = False


@dataclass(frozen=True)
class SignedIn:
    """Whose session it is, and all that each request asks about them."""

    user_id: UUID
    session_id: UUID
    name: str
    email: str
    time_zone: str
    language: str
    authenticated_at: datetime
    seats: tuple[Seat, ...]

    @property
    def is_recent(self) -> bool:
        return self.authenticated_at > utc_now() - RECENT


async def begin(session: AsyncSession, user_id: UUID, client: Client, *, factor: str) -> str:
    """What the browser is to hold from now on. ``session``: the person's. ``factor``: how they showed who they are."""
    token = tokens.new_token()
    session.add(
        UserSession(
            user_id=user_id,
            id=new_id(),
            digest=tokens.digest(token),
            factor=factor,
            agent=client.browser,
            address=client.address[:45],
        )
    )
    await session.flush()
    return token


async def find(database: Database, token: str, *, is_used: bool = True) -> SignedIn | None:
    """Who holds it; None when it opens nothing, or nothing any more. ``is_used``: by the person, and not by a page that
    looks by itself, which keeps no session from lying idle."""
    if not tokens.is_token(token):
        return None
    async with database.system_session() as session:
        query = text("select * from find_user_session(:digest)")
        found = (await session.execute(query, {"digest": tokens.digest(token)})).one_or_none()
    if found is None:
        return None
    async with database.account_session(found.user_id) as session:
        row = (
            await session.execute(
                select(UserSession, User)
                .join(User, col(User.id) == col(UserSession.user_id))
                .where(col(UserSession.id) == found.session_id)
            )
        ).one_or_none()
        if row is None:
            return None
        current, user = row
        now = utc_now()
        if current.last_seen_at < now - IDLE or current.created_at < now - ABSOLUTE:
            await session.delete(current)
            return None
        if is_used and current.last_seen_at < now - _SEEN_EVERY:
            current.last_seen_at = now
        found_seats = await seats(session)
        return SignedIn(
            user.id,
            current.id,
            user.name,
            user.email,
            user.time_zone,
            user.language,
            current.authenticated_at,
            tuple(found_seats),
        )


async def seats(session: AsyncSession) -> Sequence[Seat]:
    """The tenants of the person whose session it is, the one that was joined first before the others."""
    rows = await session.execute(text("select * from my_memberships()"))
    return [Seat(TenantId(row.tenant_id), row.slug, row.name, row.role, row.requires_second_factor) for row in rows]


async def listing(session: AsyncSession) -> list[UserSession]:
    """Those of the person that still open something, the one last seen first."""
    now = utc_now()
    query = (
        select(UserSession)
        .where(col(UserSession.last_seen_at) >= now - IDLE, col(UserSession.created_at) >= now - ABSOLUTE)
        .order_by(col(UserSession.last_seen_at).desc())
    )
    return list(await session.scalars(query))


async def renew(session: AsyncSession, session_id: UUID, *, factor: str | None = None) -> str | None:
    """What the browser is to hold in place of what it held, which opens nothing any more; None when it was ended.

    ``factor``: how the person just showed again who they are.
    """
    token = tokens.new_token()
    changes: dict[str, object] = {"digest": tokens.digest(token)}
    if factor is not None:
        changes |= {"factor": factor, "authenticated_at": utc_now()}
    changed = await session.scalar(
        update(UserSession).where(col(UserSession.id) == session_id).values(changes).returning(col(UserSession.id))
    )
    return token if changed is not None else None


async def end(session: AsyncSession, session_id: UUID) -> bool:
    """False when there was none."""
    ended = await session.scalar(
        delete(UserSession).where(col(UserSession.id) == session_id).returning(col(UserSession.id))
    )
    return ended is not None


async def end_all(session: AsyncSession, *, but: UUID | None = None) -> int:
    """How many there were. ``but``: the one in which it is asked for."""
    query = delete(UserSession).returning(col(UserSession.id))
    if but is not None:
        query = query.where(col(UserSession.id) != but)
    return len((await session.scalars(query)).all())


async def know_device(session: AsyncSession, user_id: UUID, held: str | None) -> str | None:
    """Has this browser known as one of the person's; what it is to hold for that, unless it holds it already."""
    if held is not None and await is_known_device(session, held):
        return None
    token = tokens.new_token()
    session.add(UserDevice(user_id=user_id, id=new_id(), digest=tokens.digest(token)))
    await session.flush()
    kept = select(UserDevice.id).order_by(col(UserDevice.used_at).desc()).limit(_MOST_DEVICES)
    await session.execute(delete(UserDevice).where(col(UserDevice.id).not_in(kept)))
    return token


async def is_known_device(session: AsyncSession, held: str) -> bool:
    """Whether the person whose session it is has signed in with this browser before."""
    query = (
        update(UserDevice)
        .where(col(UserDevice.digest) == tokens.digest(held))
        .values(used_at=utc_now())
        .returning(col(UserDevice.id))
    )
    return await session.scalar(query) is not None
