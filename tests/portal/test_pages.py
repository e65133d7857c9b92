"""What holds for every answer of the portal, errors included."""

from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.settings import Settings
from portal.app import build
from portal.guard import Guard

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def guard(nothing: Settings) -> Guard:
    guard = build(nothing)

    @guard.app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("canary")

    return guard


@pytest.fixture
async def visitor(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 303),
        ("/status", 200),
        ("/static/app.css", 200),
        ("/health/live", 200),
        ("/nowhere", 404),
        ("/broken", 500),
    ],
)
async def test_every_answer_runs_only_our_own_scripts_and_is_shown_in_no_frame(
    visitor: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await visitor.get(path)

    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers
    assert "style=" not in answer.text.replace("data-style=", "")
    assert "<script>" not in answer.text


async def test_pages_are_kept_by_nobody_and_files_for_as_long_as_they_are_the_same(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/status")
    assert page.headers["cache-control"] == "no-store"
    [address] = [word for word in page.text.split('"') if word.startswith("/static/app.css")]

    assert "immutable" in (await visitor.get(address)).headers["cache-control"]
    assert (await visitor.get("/static/app.css")).headers["cache-control"] == "no-cache"
    # What is not there may be there after the next release.
    assert (await visitor.get("/static/vendor/none.js")).headers["cache-control"] == "no-store"


async def test_what_a_page_links_to_is_there(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/status")
    addresses = {word.partition("#")[0] for word in page.text.split('"') if word.startswith("/static/")}

    assert len(addresses) > 5
    for address in addresses:
        assert (await visitor.get(address)).status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/broken", 500)])
async def test_an_error_is_a_page_without_details(visitor: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await visitor.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "/static/app.css" in answer.text
    assert "canary" not in answer.text
    assert "Error" not in answer.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost@evil.example", "", "[::1"])
async def test_a_name_that_is_not_the_portals_gets_no_page(visitor: httpx.AsyncClient, host: str) -> None:
    answer = await visitor.get("/status", headers={"host": host})

    assert answer.status_code == 400
    assert "What a reply needs" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "10.0.0.7:8080", "portal.example"]
)
async def test_names_of_this_machine_and_the_addresses_that_were_set_are_known(nothing: Settings, host: str) -> None:
    portal = build(
        nothing.model_copy(update={"portal_host": "10.0.0.7", "portal_public_url": "https://portal.example/"})
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(portal), base_url="http://portal") as visitor:
        assert (await visitor.get("/status", headers={"host": host})).status_code == 200


async def test_where_the_portal_is_reached_by_https_browsers_are_to_stay_with_it(nothing: Settings) -> None:
    portal = build(nothing.model_copy(update={"portal_public_url": "https://portal.example"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(portal), base_url="http://portal") as visitor:
        behind_a_proxy = await visitor.get("/health/live", headers={"host": "portal.example"})
        on_this_machine = await visitor.get("/health/live", headers={"host": "localhost:8080"})

    assert "max-age" in behind_a_proxy.headers["strict-transport-security"]
    assert "strict-transport-security" not in on_this_machine.headers


async def test_whoever_keeps_it_running_may_ask_by_any_name(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/health/live", headers={"host": "10.1.2.3:8080"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
