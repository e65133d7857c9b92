"""What is tried on the people of another tenant: its team, its invitations, and who is signed in."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.accounts import businesses, inviting, links, mails, resetting, sessions, team
from konstruct.accounts.links import Link
from konstruct.accounts.sessions import Client
from konstruct.accounts.team import By
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.ports import Mail
from konstruct.tables import AccountToken
from tests.support.members import enrolled
from tests.support.office import Furnished

SITE: Final = "https://konstruct.example"
_EVE: Final = By(UUID(int=0), "owner")


async def settle(office: Furnished) -> None:
    """With an owner, an agent, and somebody who is invited."""
    for role in ("owner", "agent"):
        person = await enrolled(office.database, office.vault, role, office.tenant_id)
        async with office.database.account_session(person.user_id) as session:
            await sessions.know_device(session, person.user_id, None)
            await links.make(session, person.user_id, "reset")
    async with office.session() as session:
        by = By((await team.members(session))[0].user_id, "owner")
        await inviting.invite(
            session, office.vault, SITE, office.tenant_id, by, "Anna", f"dora@{office.tenant_id}.example", "viewer"
        )


async def _owner(office: Furnished) -> UUID:
    async with office.session() as session:
        return next(member.user_id for member in await team.members(session) if member.role == "owner")


async def _invitation(office: Furnished) -> UUID:
    async with office.session() as session:
        return (await inviting.waiting(session))[0].id


async def _members(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await _owner(b) in {member.user_id for member in await team.members(session)}


async def _waiting(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await _invitation(b) in {invitation.id for invitation in await inviting.waiting(session)}


async def _use(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    owner = await _owner(b)
    async with b.database.account_session(owner) as theirs:
        token_id = (await theirs.scalars(select(AccountToken.id))).one()
    await links.use(session, Link(owner, token_id, "reset", {}))


async def _put(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    mails.put(session, a.vault, Mail(new_id(), ("dora@example.com",), "Canary", "Canary"))


async def _session_of(b: Furnished) -> UUID:
    async with b.database.account_session(await _owner(b)) as session:
        return (await sessions.listing(session))[0].id


async def _begin(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await sessions.begin(session, await _owner(b), Client(), factor="password")


async def _know(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await sessions.know_device(session, await _owner(b), None)


async def _make(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await links.make(session, await _owner(b), "reset")


async def _make_link(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await resetting.make_link(session, await _owner(b), SITE)


async def _create(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await businesses.create(session, b.tenant_id, await _owner(b), "Not yours", "UTC", is_billed=False)


async def _change_role(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await team.change_role(session, b.tenant_id, _EVE, await _owner(b), "viewer")


async def _remove(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await team.remove(session, b.tenant_id, _EVE, await _owner(b))


async def _is_last_owner(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await team.is_last_owner(session, await _owner(b))


async def _invite(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await inviting.invite(session, a.vault, SITE, b.tenant_id, _EVE, "Eve", "eve@example.com", "owner")


async def _withdraw(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await inviting.withdraw(session, b.tenant_id, _EVE, await _invitation(b))


async def _find_waiting(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await inviting.find_waiting(session, await _invitation(b))


async def _renew(session: AsyncSession, a: Furnished, b: Furnished) -> str | None:
    return await sessions.renew(session, await _session_of(b))


async def _end(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await sessions.end(session, await _session_of(b))


ON_ACCOUNTS: Final[dict[str, tuple[Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]], object]]] = {
    "accounts.businesses.create": (_create, DBAPIError),
    "accounts.inviting.invite": (_invite, DBAPIError),
    "accounts.inviting.waiting": (_waiting, False),
    "accounts.inviting.find_waiting": (_find_waiting, NotFound),
    "accounts.inviting.withdraw": (_withdraw, NotFound),
    "accounts.links.make": (_make, DBAPIError),
    "accounts.links.use": (_use, NotFound),
    "accounts.mails.put": (_put, None),
    "accounts.resetting.make_link": (_make_link, DBAPIError),
    "accounts.sessions.begin": (_begin, DBAPIError),
    "accounts.sessions.seats": (lambda s, a, b: sessions.seats(s), []),
    "accounts.sessions.listing": (lambda s, a, b: sessions.listing(s), []),
    "accounts.sessions.renew": (_renew, None),
    "accounts.sessions.end": (_end, False),
    "accounts.sessions.end_all": (lambda s, a, b: sessions.end_all(s), 0),
    "accounts.sessions.know_device": (_know, DBAPIError),
    "accounts.sessions.is_known_device": (lambda s, a, b: sessions.is_known_device(s, "A" * 43), False),
    "accounts.team.members": (_members, False),
    "accounts.team.change_role": (_change_role, NotFound),
    "accounts.team.remove": (_remove, NotFound),
    "accounts.team.is_last_owner": (_is_last_owner, False),
}
