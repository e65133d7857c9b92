"""New accounts. None is made before the link in the mail was followed: nobody holds an address that is not theirs.

Whether an address has an account already is told to its mailbox, and to nobody else.
"""

from dataclasses import dataclass
from hmac import compare_digest
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from konstruct.accounts import businesses, fields, letters, links, mails, throttle, tokens
from konstruct.accounts.links import Link
from konstruct.accounts.passwords import LONGEST, Passwords
from konstruct.accounts.sessions import Client
from konstruct.accounts.signing_in import find_user
from konstruct.db import Database
from konstruct.errors import Conflict, Unauthentic
from konstruct.identity import new_id
from konstruct.ports import Limiter
from konstruct.tables import User
from konstruct.tables.base import utc_now
from konstruct.vault import Vault


@dataclass(frozen=True)
class SignUp:
    name: str
    email: str
    password: SecretStr
    business: str
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Pending:
    """Somebody who has followed the link and has still to say that it was them."""

    link: Link
    name: str
    email: str
    business: str

    def is_of(self, browser: str | None) -> bool:
        """Whether it is the browser that signed up, so that the password need not be asked for again."""
        return browser is not None and compare_digest(tokens.digest(browser).hex(), self.link.content["browser"])


async def ask(
    database: Database,
    vault: Vault,
    passwords: Passwords,
    limiter: Limiter,
    site: str,
    client: Client,
    wanted: SignUp,
) -> str:
    """Mails a link to the address; returns what the browser is to hold to be known when it comes back.

    ``site``: the portal's address. Raises BadInput for fields that were checked before, and TooMany.
    """
    name, email = fields.name(wanted.name), fields.email(wanted.email)
    business = fields.name(wanted.business, "the name of your business")
    password = wanted.password.get_secret_value()
    await throttle.mail(limiter, client, email)
    await passwords.require_strong(password, (name, email, business))
    hashed = await passwords.hash(password)
    browser = tokens.new_token()
    existing = await find_user(database, email)
    user_id = new_id()
    async with database.account_session(user_id) as session:
        # Also where nobody is told of the link, so that it takes just as long.
        token = await links.make(
            session,
            user_id,
            "sign_up",
            name=name,
            email=email,
            business=business,
            password_hash=hashed,
            time_zone=fields.time_zone_or_utc(wanted.time_zone),
            browser=tokens.digest(browser).hex(),
        )
        if existing is not None:
            mails.put(session, vault, letters.has_account(email, f"{site}/sign-in", f"{site}/reset"))
        else:
            mails.put(session, vault, letters.confirm_sign_up(email, f"{site}/verify?token={token}"))
    return browser


async def open_link(database: Database, token: str) -> Pending:
    """Uses nothing up: programs that look through mails follow links, too. Raises NotFound."""
    link = await links.open(database, token, "sign_up")
    return Pending(link, link.content["name"], link.content["email"], link.content["business"])


async def confirm(
    database: Database,
    passwords: Passwords,
    pending: Pending,
    *,
    browser: str | None,
    password: SecretStr | None,
    is_billed: bool = False,
) -> tuple[UUID, str]:
    """Makes the account and its first tenant; returns the person's id and the tenant's slug.

    Whoever signs up with somebody else's address knows the password, and the mailbox's owner has the link: only with
    both is there an account.

    Raises:
        Unauthentic: another browser signed up, and this is not the password.
        Conflict: the address has got an account meanwhile.
        NotFound: the link was used.
    """
    content = pending.link.content
    if not pending.is_of(browser):
        said = password.get_secret_value()[:LONGEST] if password else ""
        is_right, _ = await passwords.verify(said, content["password_hash"])
        if not is_right:
            raise Unauthentic("This is not the password that was chosen at sign-up.")
    user_id, tenant_id = pending.link.user_id, new_id()
    async with database.account_session(user_id, tenant_id=tenant_id) as session:
        await links.use(session, pending.link)
        made = await session.scalar(
            insert(User)
            .values(id=user_id, email=pending.email, name=pending.name, password_hash=content["password_hash"])
            .values(time_zone=content["time_zone"], language="en", verified_at=utc_now(), created_at=utc_now())
            .on_conflict_do_nothing(index_elements=["email"])
            .returning(col(User.id))
        )
        if made is None:
            raise Conflict("This address has an account already. Sign in instead.")
        slug = await businesses.create(
            session, tenant_id, user_id, pending.business, content["time_zone"], is_billed=is_billed
        )
    return user_id, slug
