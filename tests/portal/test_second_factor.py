"""Second factors in the browser: set up, asked for at sign-in, used to confirm, turned off, and demanded by tenants."""

import re
import time

import httpx
import pyotp
import pytest
from sqlmodel import col, select

from konstruct.accounts import sessions
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import AuditEvent, UserSession
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.support.authenticator import SecurityKey
from tests.support.members import COOKIE, Enrolled, enrolled, let_time_pass

SECURITY = "/account/security"
_LETTERS = re.compile(r"<code>((?:[A-Z2-7]{4} ?)+)</code>")
_CODE = re.compile(r"<code>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</code>")


@pytest.fixture
async def ana(portal: httpx.AsyncClient, database: Database, vault: Vault) -> Enrolled:
    person = await enrolled(database, vault)
    portal.cookies.set(COOKIE, person.cookie)
    return person


@pytest.fixture
def key() -> SecurityKey:
    return SecurityKey(origin="https://localhost")


async def set_up_app(portal: httpx.AsyncClient) -> tuple[pyotp.TOTP, list[str]]:
    """The app, whose code of now is still to be taken, and the recovery codes."""
    begun = await portal.post(f"{SECURITY}/authenticator/begin", follow_redirects=True)
    [letters] = _LETTERS.findall(begun.text)
    assert "data:image/svg+xml" in begun.text
    app = pyotp.TOTP(letters.replace(" ", ""))
    answer = await portal.post(f"{SECURITY}/authenticator", data={"code": app.at(time.time(), counter_offset=-1)})
    assert answer.status_code == 200, answer.text
    return app, _CODE.findall(answer.text)


async def add_passkey(portal: httpx.AsyncClient, key: SecurityKey, name: str = "Laptop") -> httpx.Response:
    options = (await portal.post(f"{SECURITY}/passkeys/options")).json()
    return await portal.post(f"{SECURITY}/passkeys", data={"name": name, "answer": key.create(options)})


async def sign_in(visitor: httpx.AsyncClient, person: Enrolled, to: str = "/") -> httpx.Response:
    return await visitor.post("/sign-in", data={"email": person.email, "password": person.password, "next": to})


async def who(visitor: httpx.AsyncClient, database: Database) -> sessions.SignedIn | None:
    held = visitor.cookies.get(COOKIE)
    return await sessions.find(database, held) if held else None


async def factor_of(database: Database, person: Enrolled) -> list[str]:
    """How the person signed in where they did, the latest last."""
    async with database.account_session(person.user_id) as session:
        return list(await session.scalars(select(UserSession.factor).order_by(col(UserSession.created_at))))


async def test_an_app_is_asked_for_after_the_password_and_nothing_opens_before(
    portal: httpx.AsyncClient, database: Database, settings: Settings, ana: Enrolled
) -> None:
    app, codes = await set_up_app(portal)
    assert len(set(codes)) == 10
    async with browser(settings) as visitor:
        answer = await sign_in(visitor, ana, f"/t/{ana.slug}/home")
        assert answer.headers["location"] == "/sign-in/factor"
        assert visitor.cookies.get(COOKIE) is None
        assert (await visitor.get(f"/t/{ana.slug}/home")).headers["location"].startswith("/sign-in?")
        assert "The six digits" in (await visitor.get("/sign-in/factor")).text

        wrong = await visitor.post("/sign-in/factor", data={"code": "000000"})
        assert wrong.status_code == 422
        assert "This code is not right" in wrong.text
        right = await visitor.post("/sign-in/factor", data={"code": app.now()})

        assert (right.status_code, right.headers["location"]) == (303, f"/t/{ana.slug}/home")
        assert await who(visitor, database)
    assert (await factor_of(database, ana))[-1] == "password+app"


async def test_a_code_that_was_seen_over_a_shoulder_opens_nothing(
    portal: httpx.AsyncClient, database: Database, settings: Settings, ana: Enrolled
) -> None:
    app, _ = await set_up_app(portal)
    code = app.now()
    async with browser(settings) as visitor:
        await sign_in(visitor, ana)
        await visitor.post("/sign-in/factor", data={"code": code})
    async with browser(settings) as thief:
        await sign_in(thief, ana)
        assert (await thief.post("/sign-in/factor", data={"code": code})).status_code == 422
        assert await who(thief, database) is None


async def test_a_recovery_code_opens_once_and_new_ones_end_the_old(
    portal: httpx.AsyncClient, database: Database, settings: Settings, ana: Enrolled
) -> None:
    _, codes = await set_up_app(portal)
    for code, opens in ((codes[0], True), (codes[0], False)):
        async with browser(settings) as visitor:
            await sign_in(visitor, ana)
            await visitor.post("/sign-in/factor", data={"code": code})
            assert (await who(visitor, database) is not None) is opens
    assert "9 of 10 are left" in (await portal.get(SECURITY)).text
    again = await portal.post(f"{SECURITY}/recovery-codes")
    assert set(_CODE.findall(again.text)).isdisjoint(codes)
    async with browser(settings) as visitor:
        await sign_in(visitor, ana)
        assert (await visitor.post("/sign-in/factor", data={"code": codes[1]})).status_code == 422


async def test_guesses_at_the_code_are_slowed_down(
    portal: httpx.AsyncClient, settings: Settings, ana: Enrolled
) -> None:
    await set_up_app(portal)
    async with browser(settings) as visitor:
        await sign_in(visitor, ana)
        answers = [(await visitor.post("/sign-in/factor", data={"code": f"00000{n}"})).status_code for n in range(6)]
    assert answers == [422] * 4 + [429] * 2 or answers == [422] * 5 + [429]


async def test_what_another_browser_began_is_not_this_ones(settings: Settings, portal: httpx.AsyncClient) -> None:
    async with browser(settings) as visitor:
        visitor.cookies.set("__Host-konstruct-factor", "x" * 43)
        for answer in (
            await visitor.get("/sign-in/factor"),
            await visitor.post("/sign-in/factor", data={"code": "123456"}),
            await visitor.post("/sign-in/factor/passkey", data={"answer": "{}"}),
        ):
            assert answer.headers["location"] == "/sign-in"
        assert (await visitor.post("/sign-in/factor/passkey/options")).status_code == 401


async def test_a_passkey_signs_in_without_a_password(
    portal: httpx.AsyncClient, database: Database, settings: Settings, ana: Enrolled, key: SecurityKey
) -> None:
    added = await add_passkey(portal, key)
    assert len(_CODE.findall(added.text)) == 10
    assert "Laptop" in (await portal.get(SECURITY)).text
    async with browser(settings) as visitor:
        options = (await visitor.post("/sign-in/passkey/options")).json()
        assert "allowCredentials" not in options or options["allowCredentials"] == []
        said = {"answer": key.get(options), "next": f"/t/{ana.slug}/team"}
        answer = await visitor.post("/sign-in/passkey", data=said)
        assert answer.headers["location"] == f"/t/{ana.slug}/team"
        found = await who(visitor, database)
        assert found
        assert found.user_id == ana.user_id
        # The same answer once more: its challenge is gone.
        visitor.cookies.delete(COOKIE)
        assert (await visitor.post("/sign-in/passkey", data=said)).headers["location"] == "/sign-in"
        assert await who(visitor, database) is None
    assert (await factor_of(database, ana))[-1] == "passkey"


async def test_a_passkeys_answer_is_taken_for_what_it_was_asked_and_where(
    portal: httpx.AsyncClient, database: Database, settings: Settings, ana: Enrolled, key: SecurityKey
) -> None:
    await add_passkey(portal, key)
    async with browser(settings) as visitor, browser(settings) as other:
        answer = key.get((await visitor.post("/sign-in/passkey/options")).json())
        await other.post("/sign-in/passkey/options")
        await other.post("/sign-in/passkey", data={"answer": answer})
        assert await who(other, database) is None
    await let_time_pass(database, ana)
    answer = key.get((await portal.post("/account/confirm/passkey/options")).json())
    taken = await portal.post(f"{SECURITY}/passkeys", data={"name": "Second", "answer": answer})
    assert taken.headers["location"].startswith("/account/confirm")
    async with browser(settings) as visitor:
        options = (await visitor.post("/sign-in/passkey/options")).json()
        elsewhere = key.get(options, origin="https://konstruct.evil")
        await visitor.post("/sign-in/passkey", data={"answer": elsewhere})
        assert await who(visitor, database) is None


async def test_no_passkey_is_for_a_number(settings: Settings) -> None:
    async with browser(settings) as visitor:
        answer = await visitor.post("https://127.0.0.1/sign-in/passkey/options")
    assert answer.status_code == 422
    assert "localhost" in answer.json()["error"]


async def test_a_passkey_is_a_second_factor_and_confirms(
    portal: httpx.AsyncClient, database: Database, settings: Settings, ana: Enrolled, key: SecurityKey
) -> None:
    await add_passkey(portal, key)
    async with browser(settings) as visitor:
        assert (await sign_in(visitor, ana)).headers["location"] == "/sign-in/factor"
        options = (await visitor.post("/sign-in/factor/passkey/options")).json()
        assert len(options["allowCredentials"]) == 1
        await visitor.post("/sign-in/factor/passkey", data={"answer": key.get(options)})
        assert await who(visitor, database)
    await let_time_pass(database, ana)
    assert (await portal.post(f"{SECURITY}/recovery-codes")).headers["location"].startswith("/account/confirm")
    options = (await portal.post("/account/confirm/passkey/options")).json()
    said = {"answer": key.get(options), "next": SECURITY}
    assert (await portal.post("/account/confirm/passkey", data=said)).headers["location"] == SECURITY
    assert (await portal.post(f"{SECURITY}/recovery-codes")).status_code == 200


async def test_a_passkey_is_named_and_removed_by_its_owner_alone(
    portal: httpx.AsyncClient, database: Database, vault: Vault, ana: Enrolled, key: SecurityKey
) -> None:
    await add_passkey(portal, key)
    [place] = set(re.findall(rf"{SECURITY}/passkeys/[0-9a-f-]{{36}}", (await portal.get(SECURITY)).text))
    ben = await enrolled(database, vault)
    portal.cookies.set(COOKIE, ben.cookie)
    for path in ("rename", "remove"):
        await portal.post(f"{place}/{path}", data={"name": "Mine"})
    portal.cookies.set(COOKIE, ana.cookie)
    assert "Laptop" in (await portal.get(SECURITY)).text
    await portal.post(f"{place}/rename", data={"name": "Old laptop"})
    assert "Old laptop" in (await portal.get(SECURITY)).text
    await portal.post(f"{place}/remove")
    assert "A password alone protects this account" in (await portal.get(SECURITY)).text


async def test_an_app_is_turned_off_by_who_has_just_shown_who_they_are(
    portal: httpx.AsyncClient, database: Database, vault: Vault, settings: Settings, ana: Enrolled
) -> None:
    await set_up_app(portal)
    await let_time_pass(database, ana)
    assert (await portal.post(f"{SECURITY}/authenticator/remove")).headers["location"].startswith("/account/confirm")
    async with browser(settings) as visitor:
        assert (await sign_in(visitor, ana)).headers["location"] == "/sign-in/factor"
    fresh = await enrolled(database, vault, name="Ben Ode")
    portal.cookies.set(COOKIE, fresh.cookie)
    await set_up_app(portal)
    await portal.post(f"{SECURITY}/authenticator/remove")
    async with browser(settings) as visitor:
        await sign_in(visitor, fresh)
        assert await who(visitor, database)


async def test_a_wrong_code_at_set_up_turns_nothing_on(portal: httpx.AsyncClient, ana: Enrolled) -> None:
    await portal.post(f"{SECURITY}/authenticator/begin")
    answer = await portal.post(f"{SECURITY}/authenticator", data={"code": "000000"})
    assert answer.status_code == 422
    assert "data:image/svg+xml" in answer.text
    assert "Set up an app" in (await portal.get(SECURITY)).text


async def test_a_tenant_that_demands_one_opens_for_nobody_without(
    portal: httpx.AsyncClient, database: Database, vault: Vault, ana: Enrolled, key: SecurityKey
) -> None:
    setting = f"/t/{ana.slug}/settings/security"
    refused = await portal.post(setting, data={"required": "true"}, follow_redirects=True)
    assert "Add a second factor to your own account first" in refused.text
    await add_passkey(portal, key)
    agent = await enrolled(database, vault, "agent", ana.tenant_id, name="Cem Ak")
    await portal.post(setting, data={"required": "true"})
    assert "Cem Ak" in (await portal.get(setting)).text
    assert (await portal.get(f"/t/{ana.slug}/team")).text.count("2nd factor") == 1
    async with database.tenant_session(ana.tenant_id) as session:
        events = (await session.scalars(select(AuditEvent))).all()
    assert [(event.action, event.actor) for event in events] == [("tenant.second_factor", ana.actor)]

    portal.cookies.set(COOKIE, agent.cookie)
    for answer in (await portal.get(f"/t/{ana.slug}/home"), await portal.get(f"/t/{ana.slug}/employees/x")):
        if answer.status_code != 404:
            assert answer.headers["location"].startswith("/account/second-factor-needed?next=/t/")
    page = await portal.get("/account/second-factor-needed")
    assert "asks everybody" in page.text
    await add_passkey(portal, SecurityKey(origin=key.origin))
    assert (await portal.get(f"/t/{ana.slug}/home")).status_code == 200
    assert (await portal.post(setting, data={})).status_code == 403
