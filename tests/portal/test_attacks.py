"""What hostile visitors send: it is refused in a sentence, whatever it is, and gets nobody further."""

import re
import secrets
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from konstruct.accounts import factors, mails, sessions
from konstruct.accounts.tenant_factors import require
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.support.members import COOKIE, PASSWORD, Enrolled, enrolled, sign_in
from tests.support.office import open_office

_NASTY = ("a\0b", "9" * 5_000)
_OF_DESIGNER = (
    *("name", "role", "system_prompt", "language", "picture", "models", "tools", "knowledge", "caps.steps"),
    *("rule.0.name", "rule.0.when", "rule.0.when.v", "rule.0.to", "hours.mon", "revision", "edit", "people", "days"),
)
"""Of forms that are read as a whole."""


def held(person: Enrolled) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={person.cookie}"}


@pytest.fixture
async def anna(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


def _fields(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.body_params)
    for inner in dependant.dependencies:
        yield from _fields(inner)


async def test_no_form_breaks_by_what_is_typed_into_it(settings: Settings, database: Database, vault: Vault) -> None:
    """Each with all of its fields full of what no database takes, or of more digits than a number may have."""
    office = await open_office(database, vault)
    owner = await enrolled(database, vault, "owner", office.tenant_id)
    guard = build(settings)
    assert isinstance(guard.app, FastAPI)
    places = {"tenant": owner.slug, "key": "ada", "provider": "openai", "number": "1"}
    broken = {}
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    said = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=said) as visitor:
        for route in iter_route_contexts(guard.app.routes):
            if not isinstance(route.original_route, APIRoute) or "POST" not in (route.methods or ()):
                continue
            if route.path == "/sign-out":
                continue
            names = list(_fields(route.dependant)) or _OF_DESIGNER
            path = re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], str(office.tenant_id)), str(route.path))
            for nasty in _NASTY:
                answer = await visitor.post(path, data=dict.fromkeys(names, nasty), headers=held(owner))
                if answer.status_code >= 500:
                    broken[f"{route.path} {nasty[:3]!r}"] = answer.status_code
    await guard.services.close()
    assert broken == {}


@pytest.mark.parametrize("referer", ["http://[", "//evil.example", "https://evil.example/x"])
async def test_where_somebody_came_from_leads_nowhere_else(portal: httpx.AsyncClient, referer: str) -> None:
    answer = await portal.post("/account", headers={"referer": referer})
    assert answer.status_code == 303
    assert answer.headers["location"] in ("/sign-in?next=/&lost=1", "/sign-in?next=/x&lost=1")


async def test_addresses_in_any_alphabet_are_led_to(portal: httpx.AsyncClient, anna: Enrolled) -> None:
    for headers, name in (({}, "location"), ({"hx-request": "true"}, "hx-redirect")):
        led = await portal.get("/sign-in", params={"next": "/漢"}, headers=held(anna) | headers)
        assert led.headers[name] == "/%E6%BC%A2"


@pytest.mark.parametrize("host", ["[", "localhost:x", "evil.example", "localhost@evil.example", "localhost.", ""])
async def test_pages_are_for_known_names_alone(portal: httpx.AsyncClient, host: str) -> None:
    answer = await portal.get("/sign-in", headers={"host": host})
    assert answer.status_code == 400
    assert "evil.example" not in answer.text


async def test_nobody_confirms_the_address_of_another_account(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    """Whose address it is may be talked into pressing the button; the account with their address is not theirs then."""
    theirs = f"ben-{secrets.token_hex(5)}@example.org"
    await portal.post("/account/email", data={"email": theirs}, headers=held(anna))
    mail = next(mail for mail in await mails.kept(database, vault, 1_000) if mail.to == theirs)
    found = re.search(r"token=([A-Za-z0-9_-]{43})", mail.text)
    assert found
    ben = await enrolled(database, vault, name="Ben Cole")
    for visit in (portal.get("/verify", params={"token": found[1]}), portal.post("/verify", data={"token": found[1]})):
        led = await visit
        assert led.headers["location"] == f"/sign-in?next=%2Fverify%3Ftoken%3D{found[1]}"
    for refused in (
        await portal.get("/verify", params={"token": found[1]}, headers=held(ben)),
        await portal.post("/verify", data={"token": found[1]}, headers=held(ben)),
    ):
        assert refused.status_code == 409
        assert "for another account" in refused.text
    signed_in = await sessions.find(database, anna.cookie)
    assert signed_in is not None
    assert signed_in.email == anna.email


async def test_a_new_password_ends_links_that_were_mailed_before(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    """Whoever had got in may have asked for the account to have an address of theirs."""
    for change, at in (("/account/password", held(anna)), ("/reset/password", {})):
        theirs = f"eve-{secrets.token_hex(5)}@example.org"
        eve = {"cookie": f"{COOKIE}={await sign_in(database, anna.user_id)}"}
        await portal.post("/account/email", data={"email": theirs}, headers=eve)
        await portal.post("/reset", data={"email": anna.email})
        found = {mail.to: re.search(r"token=([A-Za-z0-9_-]{43})", mail.text) for mail in await newest(database, vault)}
        link, reset = found[theirs], found[anna.email]
        assert link
        assert reset
        assert (await portal.get("/verify", params={"token": link[1]}, headers=eve)).status_code == 200
        done = await portal.post(change, data={"password": f"{PASSWORD} anew", "token": reset[1]}, headers=at)
        assert done.status_code == 303
        assert (await portal.get("/verify", params={"token": link[1]}, headers=eve)).status_code == 404


async def test_nobody_has_us_mail_what_they_like(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    address = f"victim-{secrets.token_hex(5)}@example.org"
    wanted = {"email": address, "name": "You won, see evil.example", "business": "Prizes", "password": PASSWORD}
    assert (await portal.post("/sign-up", data=wanted)).headers["location"] == "/sign-up/sent"
    told = [mail.subject + mail.text for mail in await newest(database, vault) if mail.to == address]
    assert len(told) == 1
    assert "won" not in told[0]
    for linked in ("https://evil.example", "Go to WWW.evil.example"):
        refused = await portal.post("/account", data={"name": linked, "time_zone": "UTC"}, headers=held(anna))
        assert refused.status_code == 422
        assert "without a link" in refused.text


async def newest(database: Database, vault: Vault) -> list[mails.KeptMail]:
    """Such as carry a link, the newest last."""
    return [mail for mail in reversed(await mails.kept(database, vault, 1_000)) if "token=" in mail.text]


async def test_passwords_are_not_judged_and_hashed_without_end(portal: httpx.AsyncClient, anna: Enrolled) -> None:
    answers = [
        await portal.post("/account/password", data={"password": "too weak"}, headers=held(anna)) for _ in range(11)
    ]
    assert [answer.status_code for answer in answers] == [*[422] * 10, 429]
    assert "too many attempts" in answers[-1].text


async def test_nor_are_those_that_a_link_has_somebody_choose(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    await portal.post("/reset", data={"email": anna.email})
    invited = f"emil-{secrets.token_hex(5)}@example.org"
    await portal.post(f"/t/{anna.slug}/team/invite", data={"email": invited, "role": "agent"}, headers=held(anna))
    kept = {mail.to: mail.text for mail in await mails.kept(database, vault, 1_000)}
    reset = re.search(r"token=([A-Za-z0-9_-]{43})", kept[anna.email])
    invitation = re.search(r"/invitations/([A-Za-z0-9_-]{43})", kept[invited])
    assert reset
    assert invitation
    weak = {"password": "too weak", "token": reset[1], "name": "Emil"}
    for path in ("/reset/password", f"/invitations/{invitation[1]}"):
        answers = [await portal.post(path, data=weak) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [*[422] * 10, 429]


async def test_businesses_are_not_made_without_end(portal: httpx.AsyncClient, anna: Enrolled) -> None:
    answers = [await portal.post("/account/tenants/new", data={"name": ""}, headers=held(anna)) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [*[422] * 10, 429]


async def test_rules_are_not_tried_out_without_end(portal: httpx.AsyncClient, database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    owner = await enrolled(database, vault, "owner", office.tenant_id)
    rule = {"rule.0.name": "a", "rule.0.when": "asked_for_human", "rule.0.then": "hand_off", "edit": "try"}
    answers = [
        await portal.post(f"/t/{owner.slug}/employees/ada/edit", data=rule, headers=held(owner)) for _ in range(21)
    ]
    assert [answer.status_code for answer in answers] == [*[200] * 20, 429]
    assert "Rules were tried out very often" in answers[-1].text


async def test_pictures_are_not_kept_without_end(portal: httpx.AsyncClient, database: Database, vault: Vault) -> None:
    """All are refused before they are looked at: these are too large."""
    office = await open_office(database, vault)
    owner = await enrolled(database, vault, "owner", office.tenant_id)
    large = {"upload": ("a.png", b"x" * 5_000_001, "image/png")}
    answers = [
        await portal.post(f"/t/{owner.slug}/employees/ada", data={"revision": "0"}, files=large, headers=held(owner))
        for _ in range(31)
    ]
    assert {answer.status_code for answer in answers[:-1]} == {422}
    assert answers[-1].status_code == 429


async def test_who_comes_back_from_slack_needs_the_second_factor_that_the_tenant_asks_for(
    portal: httpx.AsyncClient, database: Database, anna: Enrolled
) -> None:
    async with database.tenant_session(anna.tenant_id) as session:
        await require(session, anna.tenant_id, True, actor=anna.actor)
    assert not await factors.has_second(database, anna.user_id)
    state = f"{anna.tenant_id.hex}.{'a' * 43}"
    answer = await portal.get("/channels/slack/callback", params={"state": state, "code": "c"}, headers=held(anna))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/account/second-factor-needed?next=")
