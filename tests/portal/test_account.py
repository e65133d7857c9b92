"""What a person does with their own account."""

import re
import secrets

import httpx
import pytest

from konstruct.accounts import mails, sessions
from konstruct.db import Database
from konstruct.vault import Vault
from portal.access import COOKIE
from portal.pages.account import DELETE_WORD
from tests.support.members import PASSWORD, Enrolled, enrolled, let_time_pass, sign_in


@pytest.fixture
async def anna(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


def held(person: Enrolled) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={person.cookie}"}


async def test_name_and_time_zone_are_changed(portal: httpx.AsyncClient, database: Database, anna: Enrolled) -> None:
    answer = await portal.post(
        "/account", data={"name": "  Anna   Maria ", "time_zone": "Europe/Vienna"}, headers=held(anna)
    )
    assert answer.status_code == 303
    found = await sessions.find(database, anna.cookie)
    assert found is not None
    assert (found.name, found.time_zone) == ("Anna Maria", "Europe/Vienna")

    for data, says in (({"name": ""}, "Write your name."), ({"name": "A", "time_zone": "Mars"}, "Choose a time zone")):
        answer = await portal.post("/account", data=data, headers=held(anna))
        assert answer.status_code == 422
        assert says in answer.text


async def test_sessions_are_listed_and_ended(portal: httpx.AsyncClient, database: Database, anna: Enrolled) -> None:
    others = [await sign_in(database, anna.user_id) for _ in range(3)]
    page = await portal.get("/account/sessions", headers=held(anna))
    assert page.text.count("Firefox on Linux") >= 4
    assert page.text.count("This browser") == 1
    found = await sessions.find(database, others[0])
    assert found is not None

    await portal.post(f"/account/sessions/{found.session_id}/end", headers=held(anna))
    assert [await sessions.find(database, other) is None for other in others] == [True, False, False]

    await portal.post("/account/sessions/end-others", headers=held(anna))
    assert [await sessions.find(database, other) is None for other in others] == [True, True, True]
    assert await sessions.find(database, anna.cookie) is not None


async def test_a_session_of_somebody_else_is_not_ended(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    eve = await enrolled(database, vault, name="Eve")
    await portal.post(f"/account/sessions/{anna.session_id}/end", headers=held(eve))
    assert await sessions.find(database, anna.cookie) is not None


async def test_a_new_password_signs_out_all_other_browsers(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    other = await sign_in(database, anna.user_id)
    weak = await portal.post("/account/password", data={"password": "password1234"}, headers=held(anna))
    assert weak.status_code == 422

    answer = await portal.post(
        "/account/password", data={"password": "seven green bottles hanging"}, headers=held(anna)
    )

    assert answer.status_code == 303
    assert await sessions.find(database, other) is None
    assert await sessions.find(database, anna.cookie) is None
    assert await sessions.find(database, answer.cookies[COOKIE]) is not None
    assert [mail.subject for mail in await mails.kept(database, vault, 1_000) if mail.to == anna.email] == [
        "Your password was changed"
    ]


async def test_a_new_address_counts_once_its_link_was_followed(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    new = f"anna-{secrets.token_hex(5)}@example.org"
    await portal.post("/account/email", data={"email": new}, headers=held(anna))
    mail = next(mail for mail in await mails.kept(database, vault, 1_000) if mail.to == new)
    found = re.search(r"token=([A-Za-z0-9_-]{43})", mail.text)
    assert found
    assert new in (await portal.get("/verify", params={"token": found[1]}, headers=held(anna))).text
    signed_in = await sessions.find(database, anna.cookie)
    assert signed_in is not None
    assert signed_in.email == anna.email

    await portal.post("/verify", data={"token": found[1]}, headers=held(anna))

    signed_in = await sessions.find(database, anna.cookie)
    assert signed_in is not None
    assert signed_in.email == new
    told = [mail.subject for mail in await mails.kept(database, vault, 1_000) if mail.to == anna.email]
    assert told == ["Your e-mail address was changed"]


async def test_an_address_of_somebody_else_is_not_taken(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    ben = await enrolled(database, vault, name="Ben")
    answers = [
        await portal.post("/account/email", data={"email": email}, headers=held(anna))
        for email in (ben.email, f"free-{secrets.token_hex(5)}@example.com")
    ]
    assert [answer.status_code for answer in answers] == [303, 303]
    told = [mail.subject for mail in await mails.kept(database, vault, 1_000) if mail.to == ben.email]
    assert told == ["You already have an account"]


async def test_who_confirms_comes_back_with_another_session(
    portal: httpx.AsyncClient, database: Database, anna: Enrolled
) -> None:
    await let_time_pass(database, anna)
    answer = await portal.get("/account/password", headers=held(anna))
    assert answer.headers["location"] == "/account/confirm?next=/account/password"
    wrong = await portal.post("/account/confirm", data={"password": "wrong"}, headers=held(anna))
    assert wrong.status_code == 422

    answer = await portal.post(
        "/account/confirm", data={"password": PASSWORD, "next": "/account/password"}, headers=held(anna)
    )

    assert answer.headers["location"] == "/account/password"
    assert await sessions.find(database, anna.cookie) is None
    found = await sessions.find(database, answer.cookies[COOKIE])
    assert found is not None
    assert found.is_recent


async def test_a_person_makes_one_more_business_and_is_its_owner(
    portal: httpx.AsyncClient, database: Database, anna: Enrolled
) -> None:
    answer = await portal.post("/account/tenants/new", data={"name": "Zweirad Österreich"}, headers=held(anna))

    slug = re.fullmatch(r"/t/(zweirad-osterreich[-0-9a-f]*)/setup", answer.headers["location"])
    assert slug
    found = await sessions.find(database, anna.cookie)
    assert found is not None
    assert [(seat.slug, seat.role) for seat in found.seats] == [(anna.slug, "owner"), (slug[1], "owner")]
    assert (await portal.get(f"/t/{slug[1]}/home", headers=held(anna))).status_code == 200


async def test_an_account_is_deleted_when_that_was_typed(
    portal: httpx.AsyncClient, database: Database, vault: Vault, anna: Enrolled
) -> None:
    ben = await enrolled(database, vault, "agent", anna.tenant_id, name="Ben")
    answer = await portal.post("/account/delete", data={"confirmation": "yes"}, headers=held(ben))
    assert answer.status_code == 422
    answer = await portal.post("/account/delete", data={"confirmation": DELETE_WORD}, headers=held(ben))
    assert answer.headers["location"] == "/sign-in"
    assert await sessions.find(database, ben.cookie) is None

    answer = await portal.post("/account/delete", data={"confirmation": DELETE_WORD}, headers=held(anna))
    assert answer.status_code == 422
    assert "Nobody else is an owner" in answer.text
