"""What holds for every answer of the portal, errors included."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from konstruct.settings import Settings
from portal.app import Guard, build

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def portal(nothing: Settings) -> Guard:
    guard = build(nothing)
    assert isinstance(guard.app, FastAPI)

    @guard.app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("canary")

    return guard


@pytest.fixture
async def visitor(portal: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(portal, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/static/portal.css", 200), ("/health/live", 200), ("/nowhere", 404), ("/static/no", 404)],
)
async def test_every_answer_is_for_this_visitor_alone_and_runs_no_script(
    visitor: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await visitor.get(path)

    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert "style=" not in answer.text


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/broken", 500)])
async def test_an_error_is_a_page_without_details(visitor: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await visitor.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert "/static/portal.css" in answer.text
    assert "canary" not in answer.text
    assert "Error" not in answer.text


async def test_what_a_page_links_to_is_there(visitor: httpx.AsyncClient) -> None:
    for path, kind in (("/static/portal.css", "text/css"), ("/static/icon.svg", "image/svg+xml")):
        assert path in (await visitor.get("/")).text
        assert (await visitor.get(path)).headers["content-type"].startswith(kind)


async def test_nothing_can_be_posted(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.post("/")).status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost@evil.example", "", "[::1"])
async def test_a_name_that_is_not_the_portals_gets_no_page(visitor: httpx.AsyncClient, host: str) -> None:
    answer = await visitor.get("/", headers={"host": host})

    assert answer.status_code == 400
    assert "What a reply needs" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "10.0.0.7:8080"])
async def test_names_of_this_machine_and_the_address_that_was_set_are_known(nothing: Settings, host: str) -> None:
    portal = build(nothing.model_copy(update={"portal_host": "10.0.0.7"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(portal), base_url="http://portal") as visitor:
        assert (await visitor.get("/", headers={"host": host})).status_code == 200


async def test_whoever_keeps_it_running_may_ask_by_any_name(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/health/live", headers={"host": "10.1.2.3:8080"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
