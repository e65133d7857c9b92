"""From sign-up to the first session: nothing before the link, one account from it, and nothing told of others."""

import asyncio
import secrets
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.accounts import sessions, signing_in, signing_up
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.signing_up import SignUp
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, TooMany, Unauthentic
from konstruct.limits import LocalLimiter
from konstruct.vault import Vault
from tests.konstruct.accounts.conftest import HERE, SITE, Mailbox
from tests.support.members import PASSWORD, enrolled

Box = Callable[[str], Mailbox]


@pytest.fixture
def address() -> str:
    return f"carla-{secrets.token_hex(5)}@example.com"


class Visitor:
    def __init__(self, database: Database, vault: Vault, passwords: Passwords) -> None:
        self.database = database
        self._passwords = passwords
        self._vault = vault

    async def sign_up(self, email: str, *, password: str = PASSWORD, business: str = "Berg & Söhne") -> str:
        wanted = SignUp("Carla Berg", email, SecretStr(password), business, "Europe/Vienna")
        return await signing_up.ask(self.database, self._vault, self._passwords, LocalLimiter(), SITE, HERE, wanted)

    async def confirm(self, token: str, *, browser: str | None = None, password: str | None = None) -> str:
        pending = await signing_up.open_link(self.database, token)
        said = SecretStr(password) if password else None
        _, slug = await signing_up.confirm(self.database, self._passwords, pending, browser=browser, password=said)
        return slug


@pytest.fixture
def visitor(database: Database, vault: Vault, passwords: Passwords) -> Visitor:
    return Visitor(database, vault, passwords)


async def test_who_follows_the_link_has_an_account_and_owns_a_business(
    visitor: Visitor, database: Database, passwords: Passwords, mailbox: Box, address: str
) -> None:
    browser = await visitor.sign_up(address.upper())
    assert await signing_in.find_user(database, address) is None

    slug = await visitor.confirm(await mailbox(address).token(), browser=browser)

    user_id = await signing_in.check_password(database, passwords, LocalLimiter(), HERE, address, PASSWORD)
    token, _ = await signing_in.enter(database, user_id, HERE, factor="password", device=None)
    found = await sessions.find(database, token)
    assert found is not None
    assert (found.name, found.email, found.time_zone) == ("Carla Berg", address, "Europe/Vienna")
    assert [(seat.slug, seat.name, seat.role) for seat in found.seats] == [(slug, "Berg & Söhne", "owner")]
    assert slug.startswith("berg-sohne")


async def test_an_address_that_has_an_account_is_told_so_by_mail_alone(
    visitor: Visitor, database: Database, vault: Vault, mailbox: Box
) -> None:
    anna = await enrolled(database, vault)

    assert await visitor.sign_up(anna.email)

    assert await mailbox(anna.email).subjects() == ["You already have an account"]


async def test_from_another_browser_the_password_is_asked_for(
    visitor: Visitor, database: Database, mailbox: Box, address: str
) -> None:
    await visitor.sign_up(address)
    token = await mailbox(address).token()

    for said in (None, "not the password of it"):
        with pytest.raises(Unauthentic):
            await visitor.confirm(token, browser="A" * 43, password=said)
    assert await signing_in.find_user(database, address) is None

    await visitor.confirm(token, password=PASSWORD)
    assert await signing_in.find_user(database, address) is not None


async def test_a_link_makes_one_account_however_often_it_is_used(visitor: Visitor, mailbox: Box, address: str) -> None:
    browser = await visitor.sign_up(address)
    token = await mailbox(address).token()

    outcomes = await asyncio.gather(
        *(visitor.confirm(token, browser=browser) for _ in range(4)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotFound", "NotFound", "NotFound", "str"]
    with pytest.raises(NotFound):
        await visitor.confirm(token, browser=browser)


async def test_of_two_sign_ups_with_an_address_the_first_that_is_confirmed_counts(
    visitor: Visitor, mailbox: Box, address: str
) -> None:
    first = await visitor.sign_up(address)
    first_token = await mailbox(address).token()
    second = await visitor.sign_up(address, business="Other")
    second_token = await mailbox(address).token()

    await visitor.confirm(second_token, browser=second)

    with pytest.raises(Conflict, match="Sign in instead"):
        await visitor.confirm(first_token, browser=first)


async def test_a_link_that_is_too_old_opens_nothing(
    visitor: Visitor, database: Database, mailbox: Box, address: str
) -> None:
    browser = await visitor.sign_up(address)
    token = await mailbox(address).token()
    user_id = (await signing_up.open_link(database, token)).link.user_id
    async with database.account_session(user_id) as session:
        await session.execute(text("update account_tokens set expires_at = now()"))

    with pytest.raises(NotFound, match="too old"):
        await visitor.confirm(token, browser=browser)


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "too short"),
        ("password1234", "easy to guess"),
        ("qwertyuiopasd", "easy to guess"),
        ("bergundsoehne", "easy to guess"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("x" * 1_025, "too long"),
    ],
)
async def test_a_password_that_is_guessed_easily_is_turned_down_with_a_sentence(
    visitor: Visitor, address: str, password: str, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        await visitor.sign_up(address, password=password, business="Bergundsoehne")


async def test_long_passwords_and_those_of_other_scripts_are_taken(passwords: Passwords) -> None:
    for password in ("correct horse battery staple " * 10, "четыре тихих фонаря ночью", "ﬁve quiet ﬁelds of rye"):
        await passwords.require_strong(password)
    # The same however a keyboard writes it.
    hashed = await passwords.hash("cafés au matin brumeux")
    assert await passwords.verify("cafe\u0301s au matin brumeux", hashed) == (True, None)


async def test_nobody_is_mailed_without_end(
    database: Database, vault: Vault, passwords: Passwords, limiter: LocalLimiter, address: str
) -> None:
    wanted = SignUp("Carla", address, SecretStr(PASSWORD), "Berg")
    for _ in range(5):
        await signing_up.ask(database, vault, passwords, limiter, SITE, HERE, wanted)

    with pytest.raises(TooMany, match=r"Try again in \d+ minutes"):
        await signing_up.ask(database, vault, passwords, limiter, SITE, HERE, wanted)
