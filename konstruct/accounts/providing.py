"""Whose account it is that somebody comes to from a provider, and new accounts for who comes for the first time."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from konstruct.accounts import businesses, fields, letters, linked_accounts, mails, signing_in
from konstruct.accounts.id_tokens import Identity
from konstruct.db import Database
from konstruct.errors import Conflict
from konstruct.identity import new_id
from konstruct.tables import User
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Newcomer:
    """Somebody without an account here, whose address the provider answers for."""

    provider: str
    issuer: str
    subject: str
    email: str
    name: str

    def facts(self) -> dict[str, str]:
        return dict(vars(self))

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> "Newcomer":
        return cls(*(facts[name] for name in ("provider", "issuer", "subject", "email", "name")))


async def account_of(
    database: Database, vault: Vault, site: str, provider: str, title: str, person: Identity
) -> UUID | None:
    """Whose account it opens; None when there is none.

    An account that has the same address is linked when the provider answers for the address: that address was shown to
    be its owner's here, too, before there was an account. Nobody else's word links anything.
    """
    linked = await linked_accounts.find(database, person)
    if linked is not None:
        async with database.account_session(linked.user_id) as session:
            await linked_accounts.note_use(session, linked)
        return linked.user_id
    if person.email is None or not person.is_email_proven:
        return None
    user_id = await signing_in.find_user(database, person.email)
    if user_id is not None:
        await link(database, vault, site, user_id, provider, title, person)
    return user_id


async def link(
    database: Database, vault: Vault, site: str, user_id: UUID, provider: str, title: str, person: Identity
) -> None:
    """Raises Conflict when it opens somebody else's account."""
    async with database.account_session(user_id) as session:
        if await linked_accounts.link(session, user_id, provider, person):
            user = await session.get_one(User, user_id)
            what = f"your {title} account now opens your account at Konstruct"
            mails.put(session, vault, letters.security_changed(user.email, user.name, what, f"{site}/account/security"))
    log.info("account.linked", user_id=str(user_id), provider=provider)


async def is_linked(database: Database, user_id: UUID, person: Identity) -> bool:
    """Whether it opens this person's account."""
    linked = await linked_accounts.find(database, person)
    return linked is not None and linked.user_id == user_id


async def sign_up(
    database: Database, newcomer: Newcomer, *, name: str, business: str | None, time_zone: str, is_billed: bool = False
) -> tuple[UUID, str | None]:
    """Makes the account, and the tenant if there is to be one; returns the person's id and the tenant's slug.

    Raises:
        BadInput: a name is none.
        Conflict: the address, or the provider's account, has got an account meanwhile.
    """
    name, email = fields.name(name), fields.email(newcomer.email)
    if business is not None:
        business = fields.name(business, "the name of your business")
    zone = fields.time_zone_or_utc(time_zone)
    user_id, tenant_id = new_id(), new_id()
    identity = Identity(newcomer.issuer, newcomer.subject, email, True, name)
    async with database.account_session(user_id, tenant_id=tenant_id if business else None) as session:
        made = await session.scalar(
            insert(User)
            .values(id=user_id, email=email, name=name, time_zone=zone, language="en")
            .values(verified_at=utc_now(), created_at=utc_now())
            .on_conflict_do_nothing(index_elements=["email"])
            .returning(col(User.id))
        )
        if made is None:
            raise Conflict("This address has an account already. Sign in instead.")
        await linked_accounts.link(session, user_id, newcomer.provider, identity)
        slug = None
        if business:
            slug = await businesses.create(session, tenant_id, user_id, business, zone, is_billed=is_billed)
    log.info("account.signed_up", user_id=str(user_id), provider=newcomer.provider)
    return user_id, slug
