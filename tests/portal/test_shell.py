"""The frame around the pages: where one may go, what is found, and who may see it."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal import access
from portal.app import build
from portal.guard import Guard
from tests.support.members import enrolled
from tests.support.office import Office

_PLACES = re.compile(r"<aside.*?</aside>", re.DOTALL)


async def test_the_sidebar_leads_where_ones_role_allows_and_marks_where_one_is(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    viewer = await enrolled(database, vault, role="viewer", tenant=owner.tenant_id)
    for who, sees_settings in ((owner, True), (viewer, False)):
        page = await portal.get(f"/t/{owner.slug}/team", headers={"cookie": f"{access.COOKIE}={who.cookie}"})
        [sidebar] = _PLACES.findall(page.text)
        assert (f'href="/t/{owner.slug}/settings"' in sidebar) == sees_settings
        current = re.findall(r'href="([^"]+)"[^>]*aria-current="page"', sidebar)
        assert current == [f"/t/{owner.slug}/team"]


async def test_a_page_that_a_role_may_not_open_says_so_within_the_tenant(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    viewer = await enrolled(database, vault, role="viewer")
    answer = await portal.get(f"/t/{viewer.slug}/settings", headers={"cookie": f"{access.COOKIE}={viewer.cookie}"})

    assert answer.status_code == 403
    assert "Your role does not allow it." in answer.text
    assert _PLACES.search(answer.text)


async def found(portal: httpx.AsyncClient, slug: str, cookie: str, words: str) -> str:
    answer = await portal.get(
        f"/t/{slug}/search", params={"q": words}, headers={"cookie": f"{access.COOKIE}={cookie}", "hx-request": "true"}
    )
    assert answer.status_code == 200
    return answer.text


async def test_employees_channels_and_members_are_found_by_what_they_are_called(
    portal: httpx.AsyncClient, database: Database, vault: Vault, office: Office
) -> None:
    who = await enrolled(database, vault, tenant=office.tenant_id, name="Zoë Ångström")

    assert f'href="/t/{who.slug}/employees/' in await found(portal, who.slug, who.cookie, "aDa")
    assert f'href="/t/{who.slug}/channels/' in await found(portal, who.slug, who.cookie, "slack")
    assert "Zoë Ångström" in await found(portal, who.slug, who.cookie, "zoë å")
    for words in ("", "  ", "%", "nobody is called so"):
        assert "href" not in await found(portal, who.slug, who.cookie, words)


async def test_nothing_of_another_tenant_is_found(
    portal: httpx.AsyncClient, database: Database, vault: Vault, office: Office
) -> None:
    stranger = await enrolled(database, vault)
    insider = await enrolled(database, vault, tenant=office.tenant_id)

    assert "href" not in await found(portal, stranger.slug, stranger.cookie, "ada")
    answer = await portal.get(
        f"/t/{insider.slug}/search?q=ada", headers={"cookie": f"{access.COOKIE}={stranger.cookie}"}
    )
    assert answer.status_code == 404


async def test_what_somebody_is_called_is_text(portal: httpx.AsyncClient, database: Database, vault: Vault) -> None:
    who = await enrolled(database, vault, name="<img src=x onerror=alert(1)>")
    for path in ("team", "search?q=onerror"):
        page = await portal.get(f"/t/{who.slug}/{path}", headers={"cookie": f"{access.COOKIE}={who.cookie}"})
        assert "&lt;img src=x" in page.text
        assert "<img src=x" not in page.text


@pytest.fixture
async def unset(nothing: Settings) -> AsyncIterator[Guard]:
    guard = build(nothing)
    yield guard
    await guard.services.close()


async def test_the_portal_runs_whatever_is_not_set_and_says_what_is_amiss(unset: Guard) -> None:
    transport = httpx.ASGITransport(unset, raise_app_exceptions=False)
    cookie = {access.COOKIE: "k" * 43}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", cookies=cookie) as visitor:
        page = await visitor.get("/t/acme/home")
        assert (await visitor.get("/status")).status_code == 200

    assert page.status_code == 503
    assert "KONSTRUCT_" not in page.text
    assert 'href="/status"' in page.text
