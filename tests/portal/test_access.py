"""Who is let in to a page: on an app of a few routes, with real sessions."""

import re
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI

from konstruct.accounts import sessions
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal import access, errors
from portal.access import Member, Person, anybody, may, signed_in
from portal.services import Services
from tests.support.members import COOKIE, Enrolled, enrolled, let_time_pass

router = APIRouter()


@router.get("/t/{tenant}/team")
async def team(member: Annotated[Member, Depends(may("team.read"))]) -> dict[str, object]:
    return {"role": member.role, "may_edit": member.may("team.edit"), "actor": member.actor}


@router.post("/t/{tenant}/team")
async def edit_team(member: Annotated[Member, Depends(may("team.edit", recent=True))]) -> str:
    return member.role


@router.get("/account")
async def account(person: Annotated[Person, Depends(signed_in())]) -> str:
    return person.email


@router.get("/sign-in", dependencies=[Depends(anybody())])
async def sign_in() -> str:
    return "sign in"


@pytest.fixture
async def visitor(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.services = services = Services(settings)
    errors.install(app)
    access.install(app)
    app.include_router(router)
    list(access.declared(app.routes))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
        yield client
    await services.close()


def as_(client: httpx.AsyncClient, person: Enrolled) -> None:
    client.cookies.set(COOKIE, person.cookie)


async def test_a_member_is_let_in_with_their_role(visitor: httpx.AsyncClient, database: Database, vault: Vault) -> None:
    viewer = await enrolled(database, vault, "viewer")
    as_(visitor, viewer)

    answer = await visitor.get(f"/t/{viewer.slug}/team")

    assert answer.json() == {"role": "viewer", "may_edit": False, "actor": viewer.actor}
    assert (await visitor.get("/account")).json() == viewer.email


async def test_a_role_that_may_not_is_refused_and_another_tenant_is_not_there(
    visitor: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    viewer, stranger = await enrolled(database, vault, "viewer"), await enrolled(database, vault)
    as_(visitor, viewer)

    assert (await visitor.post(f"/t/{viewer.slug}/team")).status_code == 403
    foreign, missing = await visitor.get(f"/t/{stranger.slug}/team"), await visitor.get("/t/nobody-here/team")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    pages = [page.text.replace(slug, "") for page, slug in ((foreign, stranger.slug), (missing, "nobody-here"))]
    # All but when they were made.
    assert len({re.sub(r'data-now="\d+"', "", page) for page in pages}) == 1


async def test_who_is_not_signed_in_comes_back_to_where_they_were(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/t/acme/team?role=admin")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/t/acme/team%3Frole%3Dadmin"


async def test_a_form_that_comes_too_late_is_told_of(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/t/acme/team", headers={"referer": "https://localhost/t/acme/team?tab=2"})
    assert answer.headers["location"] == "/sign-in?next=/t/acme/team%3Ftab%3D2&lost=1"

    partial = await visitor.post(
        "/t/acme/team", headers={"hx-request": "true", "hx-current-url": "https://localhost/t/acme/team"}
    )
    assert partial.headers["hx-redirect"] == "/sign-in?next=/t/acme/team&lost=1"


async def test_what_is_delicate_is_asked_for_again(
    visitor: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    as_(visitor, owner)
    assert (await visitor.post(f"/t/{owner.slug}/team")).json() == "owner"

    await let_time_pass(database, owner)

    answer = await visitor.post(f"/t/{owner.slug}/team", headers={"referer": f"https://localhost/t/{owner.slug}/team"})
    assert answer.headers["location"] == f"/account/confirm?next=/t/{owner.slug}/team&lost=1"
    assert (await visitor.get(f"/t/{owner.slug}/team")).status_code == 200


async def test_a_session_that_was_ended_opens_nothing(
    visitor: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    as_(visitor, owner)
    async with database.account_session(owner.user_id) as session:
        assert await sessions.end(session, owner.session_id)

    answer = await visitor.get("/account")

    assert answer.headers["location"] == "/sign-in?next=/account"
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]


@pytest.mark.parametrize("held", ["", "x", "A" * 43, "' or true --"])
async def test_what_is_no_session_opens_nothing(visitor: httpx.AsyncClient, held: str) -> None:
    answer = await visitor.get("/account", headers={"cookie": f"{COOKIE}={held}"})
    assert answer.status_code == 303


def test_an_app_with_a_route_that_leaves_it_open_is_not_built() -> None:
    for path, dependencies in (
        ("/account", []),
        ("/account", [Depends(anybody()), Depends(signed_in())]),
        ("/account", [Depends(may("team.read"))]),
        ("/t/{tenant}/team", [Depends(signed_in())]),
    ):
        app = FastAPI(openapi_url=None)
        app.get(path, dependencies=dependencies)(sign_in)
        with pytest.raises(Misconfigured):
            list(access.declared(app.routes))


@pytest.mark.parametrize(
    "said",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\nb",
        "\\/evil",
        "evil",
    ],
)
def test_nobody_is_sent_elsewhere(said: str) -> None:
    assert access.local_path(said) == "/"


def test_a_path_within_the_portal_is_gone_on_to() -> None:
    assert access.local_path("/t/acme/team?role=admin") == "/t/acme/team?role=admin"
