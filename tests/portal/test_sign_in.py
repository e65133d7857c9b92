"""From sign-up to sign-out as a browser walks it, and what is told to whom on the way."""

import re
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.accounts import mails
from konstruct.db import Database
from konstruct.limits import LocalLimiter
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.access import COOKIE
from portal.app import build
from portal.entering import DEVICE
from tests.support.members import PASSWORD, enrolled

_TOKEN = re.compile(r"(?:token=|/invitations/)([A-Za-z0-9_-]{43})")


@pytest.fixture
async def portal(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """With throttles that no other test has used up."""
    guard = build(settings.model_copy(update={"dev_mail": True}))
    vars(guard.services)["limiter"] = LocalLimiter()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(guard, raise_app_exceptions=False),
        base_url="https://localhost",
        headers={"sec-fetch-site": "same-origin", "user-agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/150.0"},
    ) as visitor:
        yield visitor
    await guard.services.close()


@pytest.fixture
def address() -> str:
    return f"dora-{secrets.token_hex(5)}@example.com"


async def mailed(database: Database, vault: Vault, to: str) -> list[mails.KeptMail]:
    return [mail for mail in await mails.kept(database, vault, 1_000) if mail.to == to]


async def token_in(database: Database, vault: Vault, to: str) -> str:
    found = _TOKEN.search((await mailed(database, vault, to))[0].text)
    assert found
    return found[1]


def sign_up(address: str, **changes: str) -> dict[str, str]:
    return {"name": "Dora", "email": address, "password": PASSWORD, "business": "Dora's Bikes", **changes}


async def test_a_newcomer_signs_up_confirms_and_is_in(
    portal: httpx.AsyncClient, database: Database, vault: Vault, address: str
) -> None:
    answer = await portal.post("/sign-up", data=sign_up(address))
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-up/sent")
    token = await token_in(database, vault, address)
    # A program that looks through mails follows the link, and nothing comes of it.
    for _ in range(2):
        page = await portal.get("/verify", params={"token": token})
        assert page.status_code == 200
        assert 'name="password"' not in page.text

    answer = await portal.post("/verify", data={"token": token})

    assert re.fullmatch(r"/t/dora-s-bikes(-\w+)?/setup", answer.headers["location"])
    assert (await portal.get(answer.headers["location"])).status_code == 200
    cookie = next(said for said in answer.headers.get_list("set-cookie") if said.startswith(f"{COOKIE}="))
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert (await portal.post("/verify", data={"token": token})).status_code == 404


async def test_from_another_browser_the_link_asks_for_the_password(
    portal: httpx.AsyncClient, database: Database, vault: Vault, address: str
) -> None:
    await portal.post("/sign-up", data=sign_up(address))
    portal.cookies.clear()
    token = await token_in(database, vault, address)
    assert 'name="password"' in (await portal.get("/verify", params={"token": token})).text

    answer = await portal.post("/verify", data={"token": token, "password": "another one entirely"})
    assert answer.status_code == 422
    assert COOKIE not in portal.cookies

    answer = await portal.post("/verify", data={"token": token, "password": PASSWORD})
    assert answer.status_code == 303


async def test_signing_up_with_a_known_address_looks_the_same(
    portal: httpx.AsyncClient, database: Database, vault: Vault, address: str
) -> None:
    known = await enrolled(database, vault)
    answers = [await portal.post("/sign-up", data=sign_up(said)) for said in (known.email, address)]

    assert [(answer.status_code, answer.headers["location"], answer.text) for answer in answers] == [
        (303, "/sign-up/sent", "")
    ] * 2
    names = [{said.partition("=")[0] for said in answer.headers.get_list("set-cookie")} for answer in answers]
    assert names[0] == names[1]


async def test_what_was_typed_stays_when_something_is_wrong(portal: httpx.AsyncClient, address: str) -> None:
    answer = await portal.post("/sign-up", data=sign_up("no address", name=" ", business="Zweirad <b>Dora</b>"))

    assert answer.status_code == 422
    assert "This is not an e-mail address" in answer.text
    assert "Write your name." in answer.text
    assert "Zweirad &lt;b&gt;Dora&lt;/b&gt;" in answer.text
    assert PASSWORD not in answer.text


async def test_signing_in_goes_on_to_where_one_was_and_nowhere_else(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    anna = await enrolled(database, vault)
    for said, to in ((f"/t/{anna.slug}/home?x=1", f"/t/{anna.slug}/home?x=1"), ("//evil.example/", "/")):
        portal.cookies.clear()
        answer = await portal.post("/sign-in", data={"email": anna.email.upper(), "password": PASSWORD, "next": said})
        assert (answer.status_code, answer.headers["location"]) == (303, to)
        answer = await portal.get("/sign-in", params={"next": said})
        assert answer.headers["location"] == to


async def test_a_wrong_password_and_an_unknown_account_are_answered_alike(
    portal: httpx.AsyncClient, database: Database, vault: Vault, address: str
) -> None:
    anna = await enrolled(database, vault)
    answers = []
    for email in (anna.email, address):
        answer = await portal.post("/sign-in", data={"email": email, "password": "not the password"})
        answers.append((answer.status_code, answer.text.replace(email, "")))

    assert answers[0] == answers[1]
    assert answers[0][0] == 422
    assert "The e-mail address or the password is wrong." in answers[0][1]


async def test_a_session_is_another_one_after_each_sign_in_and_ends_with_sign_out(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    anna = await enrolled(database, vault)
    held = []
    for _ in range(2):
        await portal.post("/sign-in", data={"email": anna.email, "password": PASSWORD})
        held.append(portal.cookies[COOKIE])
    assert held[0] != held[1]

    async def opens(token: str) -> bool:
        answer = await portal.get("/account", headers={"cookie": f"{COOKIE}={token}"})
        return answer.status_code != 303

    assert [await opens(token) for token in held] == [False, True]
    await portal.post("/sign-out", headers={"cookie": f"{COOKIE}={held[1]}"})
    assert not await opens(held[1])


async def test_who_guesses_is_slowed_down_and_a_browser_that_is_known_is_not(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    anna = await enrolled(database, vault)
    await portal.post("/sign-in", data={"email": anna.email, "password": PASSWORD})
    device = portal.cookies[DEVICE]
    portal.cookies.clear()
    guesses = [
        (await portal.post("/sign-in", data={"email": anna.email, "password": "wrong"})).status_code for _ in range(4)
    ]
    # The right password, too, for whoever has no browser that is known.
    answer = await portal.post("/sign-in", data={"email": anna.email, "password": PASSWORD})
    assert [*guesses, answer.status_code] == [422, 422, 422, 422, 429]
    assert re.search(r"Try again in \d+ seconds?\.", answer.text)

    answer = await portal.post(
        "/sign-in", data={"email": anna.email, "password": PASSWORD}, headers={"cookie": f"{DEVICE}={device}"}
    )
    assert answer.status_code == 303


async def test_a_device_of_one_person_is_none_of_another(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    eve, anna = await enrolled(database, vault, name="Eve"), await enrolled(database, vault)
    await portal.post("/sign-in", data={"email": eve.email, "password": PASSWORD})
    statuses = [
        (await portal.post("/sign-in", data={"email": anna.email, "password": "wrong"})).status_code for _ in range(6)
    ]
    assert statuses[-1] == 429


async def test_a_forgotten_password_is_set_anew_and_signs_out_everybody(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    anna = await enrolled(database, vault)
    assert (await portal.post("/reset", data={"email": anna.email})).headers["location"] == "/reset/sent"
    token = await token_in(database, vault, anna.email)
    assert anna.email in (await portal.get("/reset", params={"token": token})).text

    weak = await portal.post("/reset/password", data={"token": token, "password": "password1234"})
    assert weak.status_code == 422
    assert "easy to guess" in weak.text
    new = "seven green bottles hanging"
    answer = await portal.post("/reset/password", data={"token": token, "password": new})

    assert answer.headers["location"] == "/sign-in"
    assert (await portal.get("/account", headers={"cookie": f"{COOKIE}={anna.cookie}"})).status_code == 303
    assert (await portal.post("/reset/password", data={"token": token, "password": new})).status_code == 404
    for password, status in ((PASSWORD, 422), (new, 303)):
        answer = await portal.post("/sign-in", data={"email": anna.email, "password": password})
        assert answer.status_code == status
    assert [mail.subject for mail in await mailed(database, vault, anna.email)] == [
        "Your password was changed",
        "Set a new password",
    ]


async def test_asking_for_a_new_password_tells_nobody_who_has_an_account(
    portal: httpx.AsyncClient, database: Database, vault: Vault, address: str
) -> None:
    anna = await enrolled(database, vault)
    answers = [await portal.post("/reset", data={"email": email}) for email in (anna.email, address)]

    assert answers[0].headers.raw == answers[1].headers.raw
    assert (await mailed(database, vault, address))[0].subject == "There is no account with this address"


async def test_mails_are_shown_on_this_machine_and_only_where_none_can_be_sent(
    portal: httpx.AsyncClient, settings: Settings, address: str
) -> None:
    await portal.post("/sign-up", data=sign_up(address))
    page = await portal.get("/dev/mail")
    assert page.status_code == 200
    assert address in page.text
    for changes in (
        {"dev_mail": False},
        {"dev_mail": True, "portal_host": "0.0.0.0"},
        {"dev_mail": True, "smtp_url": "smtp://127.0.0.1:1"},
    ):
        guard = build(settings.model_copy(update=changes))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(guard, raise_app_exceptions=False), base_url="https://localhost"
        ) as visitor:
            assert (await visitor.get("/dev/mail")).status_code == 404
        await guard.services.close()
    guard = build(settings.model_copy(update={"dev_mail": True}))
    elsewhere = httpx.ASGITransport(guard, client=("192.0.2.1", 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=elsewhere, base_url="https://localhost") as visitor:
        assert (await visitor.get("/dev/mail")).status_code == 404
    await guard.services.close()
