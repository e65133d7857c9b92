"""What is tried on what another tenant's people sign in with besides a password, and on what a tenant demands of them.

Each is tried in a session of a tenant, and those on people in the session of a person as well: what they sign in with
is not the tenant's.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import pyotp
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.accounts import factors, linked_accounts, passkeys, recovery_codes, team, tenant_factors, totp
from konstruct.accounts.factors import Held
from konstruct.accounts.id_tokens import Identity
from konstruct.accounts.linked_accounts import Link
from konstruct.accounts.passkeys import Site
from konstruct.accounts.permissions import Role
from konstruct.accounts.tenant_factors import Standing
from konstruct.errors import Conflict, NotFound, Unauthentic
from konstruct.identity import TenantId
from konstruct.tables import Authenticator, LinkedAccount, Passkey
from konstruct.tables.base import utc_now
from tests.support.authenticator import SecurityKey
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

SITE: Final = Site.of("https://konstruct.example")
ISSUER: Final = "https://id.example"

_on_paper: Final[dict[TenantId, SecretStr]] = {}
"""One code of each owner's, which cannot be read again."""


def key_of(office: Furnished) -> SecurityKey:
    """The owner's, which makes the same passkey and the same signatures each time."""
    private_key = ec.derive_private_key(office.tenant_id.int, ec.SECP256R1())
    return SecurityKey(SITE.origin, is_counting=False, credential_id=office.tenant_id.bytes, private_key=private_key)


async def fortify(office: Furnished) -> None:
    """The owner has one of each kind, all in use; the agent is setting up an app."""
    owner, agent = await person(office, "owner"), await person(office, "agent")
    async with office.database.account_session(owner) as session:
        # No code of its app was taken yet, so that one that is tried is refused for whose it is.
        sealed = office.vault.seal_own("totp", owner, pyotp.random_base32())
        session.add(Authenticator(user_id=owner, sealed=sealed, confirmed_at=utc_now()))
        await _register(session, owner, key_of(office))
        await linked_accounts.link(session, owner, "id", identity(owner))
        _on_paper[office.tenant_id] = (await recovery_codes.replace(session, owner))[0]
    async with office.database.account_session(agent) as session:
        assert await totp.begin(session, office.vault, agent)


async def person(office: Furnished, role: Role) -> UUID:
    async with office.session() as session:
        return next(member.user_id for member in await team.members(session) if member.role == role)


def identity(user_id: UUID) -> Identity:
    return Identity(ISSUER, str(user_id), None, False, None)


async def _owner(office: Furnished) -> UUID:
    return await person(office, "owner")


async def _register(session: AsyncSession, user_id: UUID, key: SecurityKey) -> Passkey:
    asked = passkeys.ask_to_register(SITE, user_id, "dora@example.com", "Dora", [])
    answer = key.create(asked.options)
    return await passkeys.register(session, SITE, user_id, "Canary", challenge=asked.challenge, answer=answer)


async def _code(office: Furnished, role: Role) -> str:
    """As the person's own telephone shows it now."""
    user_id = await person(office, role)
    async with office.database.account_session(user_id) as session:
        row = await session.get_one(Authenticator, user_id)
    return pyotp.TOTP(office.vault.open_own("totp", user_id, row.sealed)).now()


async def _passkey(b: Furnished) -> UUID:
    async with b.database.account_session(await _owner(b)) as session:
        return (await session.scalars(select(Passkey.id))).one()


async def _link(b: Furnished) -> Link:
    async with b.database.account_session(await _owner(b)) as session:
        return Link(await _owner(b), (await session.scalars(select(LinkedAccount.id))).one())


async def _begin(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await totp.begin(session, a.vault, await _owner(b))


async def _begin_anew(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await totp.begin(session, a.vault, await person(b, "agent"))


async def _attempt(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await totp.attempt(session, a.vault, await person(b, "agent"), "eve@example.com")


async def _confirm(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await totp.confirm(session, a.vault, await person(b, "agent"), await _code(b, "agent"))


async def _take_code(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await totp.take(session, a.vault, await _owner(b), await _code(b, "owner"))


async def _is_on(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await totp.is_on(session, await _owner(b))


async def _remove_totp(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await totp.remove(session, await _owner(b))


async def _take_from_paper(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await recovery_codes.take(session, await _owner(b), _on_paper[b.tenant_id].get_secret_value())


async def _replace(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await recovery_codes.replace(session, await _owner(b))
    await session.flush()


async def _left(session: AsyncSession, a: Furnished, b: Furnished) -> int:
    return await recovery_codes.left(session, await _owner(b))


async def _remove_paper(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await recovery_codes.remove(session, await _owner(b))


async def _list_passkeys(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await passkeys.listing(session, await _owner(b))


async def _register_for_them(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await _register(session, await _owner(b), SecurityKey(SITE.origin))


async def _register_theirs(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await _register(session, await _owner(a), key_of(b))


async def _show(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    asked = passkeys.ask_to_show(SITE)
    answer = key_of(b).get(asked.options)
    return await passkeys.show(session, SITE, await _owner(b), challenge=asked.challenge, answer=answer)


async def _show_as_own(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    asked = passkeys.ask_to_show(SITE)
    answer = key_of(b).get(asked.options)
    return await passkeys.show(session, SITE, await _owner(a), challenge=asked.challenge, answer=answer)


async def _rename(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await passkeys.rename(session, await _owner(b), await _passkey(b), "Not yours")


async def _remove_passkey(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await passkeys.remove(session, await _owner(b), await _passkey(b))


async def _list_links(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await linked_accounts.listing(session, await _owner(b))


async def _link_to_them(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await linked_accounts.link(session, await _owner(b), "id", Identity(ISSUER, "eve", None, False, None))


async def _link_to_oneself(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await linked_accounts.link(session, await _owner(a), "id", identity(await _owner(b)))


async def _note_use(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await linked_accounts.note_use(session, await _link(b))


async def _unlink(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    theirs = await _link(b)
    return await linked_accounts.unlink(session, theirs.user_id, theirs.account_id)


async def _held(session: AsyncSession, a: Furnished, b: Furnished) -> Held:
    return await factors.held(session, await _owner(b))


async def _first_codes(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await factors.first_codes(session, await _owner(b))
    await session.flush()


async def _remove_app(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await factors.remove_app(session, await _owner(b))


async def _remove_last(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await factors.remove_passkey(session, await _owner(b), await _passkey(b))


async def _forget(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await factors.forget(session, await _owner(b))


async def _of_members(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return await _owner(b) in await factors.of_members(session)


async def _require(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await tenant_factors.require(session, b.tenant_id, True, actor="a")


ON_PEOPLE: Final[dict[str, tuple[Attempt, object]]] = {
    "accounts.totp.begin": (_begin, DBAPIError),
    "accounts.totp.begin in place of theirs": (_begin_anew, DBAPIError),
    "accounts.totp.attempt": (_attempt, None),
    "accounts.totp.confirm": (_confirm, False),
    "accounts.totp.take": (_take_code, False),
    "accounts.totp.is_on": (_is_on, False),
    "accounts.totp.remove": (_remove_totp, False),
    "accounts.recovery_codes.take": (_take_from_paper, False),
    "accounts.recovery_codes.replace": (_replace, DBAPIError),
    "accounts.recovery_codes.left": (_left, 0),
    "accounts.recovery_codes.remove": (_remove_paper, None),
    "accounts.passkeys.listing": (_list_passkeys, []),
    "accounts.passkeys.register": (_register_for_them, DBAPIError),
    "accounts.passkeys.register of a key of b": (_register_theirs, Conflict),
    "accounts.passkeys.show": (_show, Unauthentic),
    "accounts.passkeys.show as a's": (_show_as_own, Unauthentic),
    "accounts.passkeys.rename": (_rename, NotFound),
    "accounts.passkeys.remove": (_remove_passkey, NotFound),
    "accounts.linked_accounts.listing": (_list_links, []),
    "accounts.linked_accounts.link": (_link_to_them, DBAPIError),
    "accounts.linked_accounts.note_use": (_note_use, None),
    "accounts.linked_accounts.unlink": (_unlink, NotFound),
    "accounts.factors.held": (_held, Held(False, False, 0, 0, 0)),
    "accounts.factors.first_codes": (_first_codes, DBAPIError),
    "accounts.factors.remove_app": (_remove_app, False),
    "accounts.factors.remove_passkey": (_remove_last, NotFound),
    "accounts.factors.forget": (_forget, False),
    "accounts.factors.of_members": (_of_members, False),
}
"""Which come out the same whether a tenant tries them or a person."""

BETWEEN_PEOPLE: Final[dict[str, tuple[Attempt, object]]] = {
    **ON_PEOPLE,
    "accounts.linked_accounts.link of an account of b": (_link_to_oneself, Conflict),
}

ON_FACTORS: Final[dict[str, tuple[Attempt, object]]] = {
    **ON_PEOPLE,
    # Its own owner has a factor, and its own agent none; there is nobody else.
    "accounts.tenant_factors.standing": (
        lambda s, a, b: tenant_factors.standing(s),
        Standing(False, 1, ["Anna Berg"]),
    ),
    "accounts.tenant_factors.require": (_require, NoResultFound),
}
