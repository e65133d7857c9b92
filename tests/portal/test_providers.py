"""Signing in, signing up, linking and confirming through a provider; and what strangers try with all of it."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from sqlalchemy import update

from konstruct.accounts import linked_accounts, sessions, totp
from konstruct.accounts.sessions import SignedIn
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import User
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.support.members import COOKIE, Enrolled, enrolled, let_time_pass
from tests.support.oidc_double import Lies, OidcDouble

BACK = "https://localhost/sign-in/with/double/callback"
SECURITY = "/account/security"


@pytest.fixture
async def double() -> AsyncIterator[OidcDouble]:
    double = OidcDouble(redirect_uris={BACK})
    async with double.running():
        yield double
    assert not double.complaints


@pytest.fixture
def with_double(settings: Settings, double: OidcDouble) -> Settings:
    return settings.model_copy(update={"oidc_providers": (double.settings(),)})


@pytest.fixture
async def visitor(with_double: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(with_double) as visitor:
        yield visitor


@pytest.fixture
async def ana(database: Database, vault: Vault, double: OidcDouble) -> Enrolled:
    """Somebody with an account here, and one of the same address at the provider."""
    person = await enrolled(database, vault)
    double.person = {"sub": f"sub-of-{person.email}", "email": person.email, "email_verified": True}
    return person


async def who(visitor: httpx.AsyncClient, database: Database) -> SignedIn | None:
    held = visitor.cookies.get(COOKIE, domain="") or visitor.cookies.get(COOKIE)
    return await sessions.find(database, held) if held else None


async def walk(visitor: httpx.AsyncClient, double: OidcDouble, path: str = "/sign-in/with/double") -> httpx.Response:
    """Out to the provider and back; the answer to the coming back."""
    out = await visitor.get(path)
    assert out.status_code == 303, out.text
    assert out.headers["location"].startswith(double.issuer), out.headers["location"]
    back = await double.walk(out.headers["location"])
    return await visitor.get(back, headers={"sec-fetch-site": "cross-site"})


async def linked(database: Database, person: Enrolled) -> list[str]:
    async with database.account_session(person.user_id) as session:
        return [account.subject for account in await linked_accounts.listing(session, person.user_id)]


async def test_an_address_that_both_sides_know_is_let_in_and_linked(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, ana: Enrolled
) -> None:
    assert "Go on with Double" in (await visitor.get("/sign-in")).text
    answer = await walk(visitor, double, f"/sign-in/with/double?next=/t/{ana.slug}/team")

    assert answer.headers["location"] == f"/t/{ana.slug}/team"
    found = await who(visitor, database)
    assert found
    assert found.user_id == ana.user_id
    assert await linked(database, ana) == [double.person["sub"]]


async def test_a_link_is_by_the_accounts_name_and_not_by_its_address(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, vault: Vault, ana: Enrolled
) -> None:
    await walk(visitor, double)
    visitor.cookies.clear()
    ben = await enrolled(database, vault)
    double.person |= {"email": ben.email, "email_verified": False}

    await walk(visitor, double)

    found = await who(visitor, database)
    assert found
    assert found.user_id == ana.user_id


@pytest.mark.parametrize("verified", [False, None, "true"])
async def test_an_address_that_the_provider_does_not_answer_for_opens_nothing(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, ana: Enrolled, verified: object
) -> None:
    double.person["email_verified"] = verified
    known = await walk(visitor, double)
    double.person["email"] = "nobody-at-all@acme.example"
    unknown = await walk(visitor, double)

    assert (known.status_code, unknown.status_code) == (403, 403)
    assert "link Double there" in known.text
    assert known.text.replace(ana.email, "…") == unknown.text.replace("nobody-at-all@acme.example", "…")
    assert await who(visitor, database) is None
    assert await linked(database, ana) == []


async def test_what_is_forged_foreign_or_old_lets_nobody_in(
    visitor: httpx.AsyncClient,
    with_double: Settings,
    double: OidcDouble,
    database: Database,
    ana: Enrolled,
) -> None:
    async with browser(with_double) as other:
        mine = await double.walk((await visitor.get("/sign-in/with/double")).headers["location"])
        theirs = await double.walk((await other.get("/sign-in/with/double")).headers["location"])
        # An attacker's answer, which the browser of somebody else is sent to.
        foreign = await visitor.get(theirs)
        assert foreign.headers["location"] == "/sign-in"
        # With it that attempt is over: the true answer comes too late.
        assert (await visitor.get(mine)).headers["location"] == "/sign-in"
        forged = await other.get(f"{BACK}?code=x&state=forged")
        assert forged.headers["location"] == "/sign-in"
        for each in (visitor, other):
            assert await who(each, database) is None
    answer = await walk(visitor, double)
    assert answer.headers["location"] == "/"
    replayed = await double.walk((await visitor.get("/sign-in/with/double")).headers["location"])
    assert (await visitor.get(replayed)).headers["location"] == "/"
    visitor.cookies.clear()
    assert (await visitor.get(replayed)).headers["location"] == "/sign-in"
    assert await who(visitor, database) is None


@pytest.mark.parametrize(
    "lies", [Lies({"nonce": "another"}), Lies({"aud": "another"}), Lies(signed_with="nothing"), Lies({"exp": 1})]
)
async def test_a_token_that_lies_lets_nobody_in(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, ana: Enrolled, lies: Lies
) -> None:
    double.lies = lies
    answer = await walk(visitor, double)
    assert answer.headers["location"] == "/sign-in"
    assert "did not work" in (await visitor.get("/sign-in")).text
    assert await who(visitor, database) is None


async def test_the_second_factor_is_asked_for_all_the_same(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, vault: Vault, ana: Enrolled
) -> None:
    async with database.account_session(ana.user_id) as session:
        await totp.begin(session, vault, ana.user_id)
        shown = await totp.attempt(session, vault, ana.user_id, ana.email)
        assert shown
        app = pyotp.TOTP(shown.letters.replace(" ", ""))
        assert await totp.confirm(session, vault, ana.user_id, app.now())
    answer = await walk(visitor, double)
    assert answer.headers["location"] == "/sign-in/factor"
    assert await who(visitor, database) is None


async def test_whoever_has_no_account_makes_one(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database
) -> None:
    double.person = {"sub": "new", "email": "New@Acme.example", "email_verified": True, "name": "Nele Neu"}
    answer = await walk(visitor, double)
    assert answer.headers["location"] == "/sign-up/with"
    form = (await visitor.get("/sign-up/with")).text
    assert 'value="Nele Neu"' in form
    assert "new@acme.example" in form
    missing = await visitor.post("/sign-up/with", data={"name": "Nele Neu", "business": ""})
    assert missing.status_code == 422
    assert "the name of your business" in missing.text

    made = await visitor.post("/sign-up/with", data={"name": "Nele Neu", "business": "Neu & Co"})

    assert made.headers["location"].startswith("/t/neu-co")
    found = await who(visitor, database)
    assert found
    assert (found.email, found.name, found.seats[0].role) == ("new@acme.example", "Nele Neu", "owner")
    again = await visitor.post("/sign-up/with", data={"name": "Nele Neu", "business": "Neu & Co"})
    assert again.headers["location"] == "/sign-up"
    visitor.cookies.clear()
    assert (await walk(visitor, double)).headers["location"] == "/"
    found_again = await who(visitor, database)
    assert found_again
    assert found_again.user_id == found.user_id


async def test_a_provider_is_linked_by_who_is_signed_in_and_unlinked(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, ana: Enrolled
) -> None:
    double.person = {"sub": f"other-{ana.email}", "email": "private@elsewhere.example"}
    visitor.cookies.set(COOKIE, ana.cookie, domain="localhost.local")
    from_elsewhere = await visitor.get(f"{SECURITY}/providers/double", headers={"sec-fetch-site": "cross-site"})
    assert from_elsewhere.headers["location"] == SECURITY
    answer = await walk(visitor, double, f"{SECURITY}/providers/double")
    assert answer.headers["location"] == SECURITY
    assert "private@elsewhere.example" in (await visitor.get(SECURITY)).text
    await let_time_pass(database, ana)
    assert (await visitor.get(f"{SECURITY}/providers/double")).headers["location"].startswith("/account/confirm")

    confirmed = await walk(visitor, double, f"/account/confirm/with/double?next={SECURITY}")

    assert confirmed.headers["location"] == SECURITY
    assert double.asked[-1]["prompt"] == "login"
    async with database.account_session(ana.user_id) as session:
        [account] = await linked_accounts.listing(session, ana.user_id)
    await visitor.post(f"{SECURITY}/providers/{account.id}/unlink")
    assert await linked(database, ana) == []


async def test_a_provider_that_asked_nobody_anything_confirms_nothing(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, ana: Enrolled
) -> None:
    visitor.cookies.set(COOKIE, ana.cookie, domain="localhost.local")
    await walk(visitor, double, f"{SECURITY}/providers/double")
    await let_time_pass(database, ana)
    double.lies = Lies(claims={"auth_time": int(utc_now().timestamp()) - 3_600})
    answer = await walk(visitor, double, "/account/confirm/with/double")
    assert urlsplit(answer.headers["location"]).path == "/account/confirm"
    assert "did not ask you who you are" in (await visitor.get("/account/confirm")).text

    double.lies = Lies(claims={"auth_time": int(utc_now().timestamp())})
    answer = await walk(visitor, double, f"/account/confirm/with/double?next={SECURITY}")
    assert answer.headers["location"] == SECURITY


async def test_an_account_opens_one_person_and_what_is_not_linked_confirms_nothing(
    visitor: httpx.AsyncClient,
    with_double: Settings,
    double: OidcDouble,
    database: Database,
    vault: Vault,
    ana: Enrolled,
) -> None:
    await walk(visitor, double)
    ben = await enrolled(database, vault)
    async with browser(with_double) as other:
        other.cookies.set(COOKIE, ben.cookie, domain="localhost.local")
        await walk(other, double, f"{SECURITY}/providers/double")
        assert "opens another account here" in (await other.get(SECURITY)).text
        await let_time_pass(database, ben)
        answer = await walk(other, double, "/account/confirm/with/double")
        assert urlsplit(answer.headers["location"]).path == "/account/confirm"
        assert (await other.post(f"{SECURITY}/authenticator/begin")).headers["location"].startswith("/account/confirm")
    assert await linked(database, ben) == []


async def test_an_answer_to_somebody_else_links_nothing(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, vault: Vault, ana: Enrolled
) -> None:
    visitor.cookies.set(COOKIE, ana.cookie, domain="localhost.local")
    out = (await visitor.get(f"{SECURITY}/providers/double")).headers["location"]
    ben = await enrolled(database, vault)
    visitor.cookies.set(COOKIE, ben.cookie, domain="localhost.local")
    await visitor.get(await double.walk(out))
    assert await linked(database, ana) + await linked(database, ben) == []


async def test_the_only_way_in_is_not_unlinked(
    visitor: httpx.AsyncClient, double: OidcDouble, database: Database, ana: Enrolled
) -> None:
    await walk(visitor, double)
    async with database.account_session(ana.user_id) as session:
        await session.execute(update(User).values(password_hash=None))
        [account] = await linked_accounts.listing(session, ana.user_id)
    await visitor.post(f"{SECURITY}/providers/{account.id}/unlink")
    assert await linked(database, ana) == [double.person["sub"]]
    assert "with this account alone" in (await visitor.get(SECURITY)).text


async def test_a_provider_that_is_away_or_wrongly_set_up_is_told_of(
    visitor: httpx.AsyncClient, double: OidcDouble
) -> None:
    double.metadata = {"issuer": "https://evil.example"}
    assert (await visitor.get("/sign-in/with/double")).headers["location"] == "/sign-in"
    assert "is not set up right" in (await visitor.get("/sign-in")).text
    assert (await visitor.get("/sign-in/with/unheard-of")).status_code == 404


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_nobody_is_sent_elsewhere(visitor: httpx.AsyncClient, double: OidcDouble, ana: Enrolled, to: str) -> None:
    assert (await walk(visitor, double, f"/sign-in/with/double?next={to}")).headers["location"] == "/"
    sent = parse_qs(urlsplit(str(double.asked[-1]["redirect_uri"])).query)
    assert sent == {}
