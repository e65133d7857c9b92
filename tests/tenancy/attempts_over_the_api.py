"""What one tenant may try on another's keys and approvals; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import api_keys, approvals
from konstruct.errors import NotFound, Unauthentic
from konstruct.tables import ApiKey, Approval
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


def key_name(office: Furnished) -> str:
    return f"canary-{office.tenant_id}"


async def _actor_of(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        key = (await theirs.scalars(select(ApiKey))).one()
    return await api_keys.actor_of(session, key.id)


async def _list_keys(session: AsyncSession, a: Furnished, b: Furnished) -> int:
    return len(await api_keys.listing(session))


async def approval_of(b: Furnished) -> Approval:
    async with b.session() as theirs:
        return (await theirs.scalars(select(Approval))).one()


async def _find(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await approvals.read(session, a.vault, (await approval_of(b)).id)


async def _list(session: AsyncSession, a: Furnished, b: Furnished) -> set[UUID]:
    return {asked.tenant_id for asked in await approvals.listing(session, a.vault)} - {a.tenant_id}


async def _decide(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    theirs = await approval_of(b)
    return await approvals.decide(
        session, a.vault, theirs.id, is_yes=True, fingerprint=theirs.fingerprint, by="slack:U1"
    )


async def _settings(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return (await approvals.settings(session)).deciders


OVER_THE_API: dict[str, tuple[Attempt, object]] = {
    "api_keys.make": (
        lambda s, a, b: api_keys.make(s, b.tenant_id, "stolen", ["approvals:read"], actor="a"),
        DBAPIError,
    ),
    "api_keys.actor_of": (_actor_of, Unauthentic),
    "api_keys.listing": (_list_keys, 1),
    "api_keys.revoke": (lambda s, a, b: api_keys.revoke(s, a.tenant_id, key_name(b), actor="a"), NotFound),
    "approvals.read": (_find, NotFound),
    "approvals.listing": (_list, set()),
    "approvals.decide": (_decide, NotFound),
    "approvals.settings": (_settings, ()),
}
