"""What goes wrong, as a page and as a part of one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from uuid import UUID

import httpx
import pytest
from fastapi import HTTPException
from structlog.testing import capture_logs

from konstruct.errors import (
    BadInput,
    Conflict,
    KonstructError,
    Misconfigured,
    NotAllowed,
    NotFound,
    TooMany,
    Unauthentic,
    Unavailable,
)
from konstruct.settings import Settings
from portal.app import build
from portal.errors import SAYS
from portal.guard import Guard

ERRORS: dict[str, Exception] = {
    "input": BadInput("Give it a name."),
    "nothing": NotFound("There is no employee called ada."),
    "conflict": Conflict("Somebody else changed it meanwhile."),
    "forbidden": NotAllowed("Only owners may do this."),
    "often": TooMany("Try again in a moment.", timedelta(seconds=41.5)),
    "stranger": Unauthentic("This passkey is not known here."),
    "away": Unavailable("canary of the database"),
    "lacking": Misconfigured("KONSTRUCT_CANARY is not set."),
    "unforeseen": KonstructError("canary"),
    "broken": RuntimeError("canary"),
    "http": HTTPException(403),
    "told": HTTPException(409, "It was published by Ana a minute ago."),
}


@pytest.fixture(scope="module")
def guard(nothing: Settings) -> Guard:
    guard = build(nothing)

    @guard.app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    @guard.app.get("/invitations-away/{token}")
    async def invited(token: str) -> None:
        raise Unavailable("It is away.")

    @guard.app.get("/rows/{row_id}")
    async def row(row_id: UUID, page: int = 1) -> None:
        return None

    return guard


@pytest.fixture
async def visitor(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("input", 422, "Give it a name."),
        ("nothing", 404, "There is no employee called ada."),
        ("conflict", 409, "Somebody else changed it meanwhile."),
        ("forbidden", 403, "Only owners may do this."),
        ("often", 429, "Try again in a moment."),
        ("stranger", 401, "This passkey is not known here."),
        ("away", 503, SAYS[503][1]),
        ("lacking", 503, SAYS[503][1]),
        ("unforeseen", 500, SAYS[500][1]),
        ("broken", 500, "What it was stands in the portal's log."),
        ("http", 403, "Your role does not allow it."),
        ("told", 409, "It was published by Ana a minute ago."),
    ],
)
async def test_each_error_is_a_page_or_where_htmx_asked_a_toast(
    visitor: httpx.AsyncClient, name: str, status: int, says: str
) -> None:
    page = await visitor.get(f"/raise/{name}")
    part = await visitor.get(f"/raise/{name}", headers={"hx-request": "true", "hx-request-type": "partial"})

    for answer in (page, part):
        assert answer.status_code == status
        assert says in unescape(answer.text)
        assert "canary" not in answer.text.lower()
    assert page.text.startswith("<!doctype html>")
    assert "<h1>" in page.text
    assert part.text.startswith('<hx-partial hx-target="#toaster"')
    # So that nothing of it takes the place of what was asked for.
    assert part.headers["hx-reswap"] == "none"


async def test_who_comes_too_often_is_told_when_to_come_again(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/raise/often")).headers["retry-after"] == "42"


async def test_an_address_with_an_id_that_is_none_is_an_address_that_nothing_is_at(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/rows/no-id")).status_code == 404
    assert (await visitor.get("/rows/01890000-0000-7000-8000-000000000000?page=two")).status_code == 422


async def test_a_method_that_a_page_does_not_take_says_so(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/status", headers={"sec-fetch-site": "same-origin"})

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert "This page does not do that." in answer.text


async def test_what_is_not_there_when_something_is_missing_leads_to_the_status_page(visitor: httpx.AsyncClient) -> None:
    assert 'href="/status"' in (await visitor.get("/raise/away")).text
    assert 'href="/status"' not in (await visitor.get("/raise/nothing")).text


async def test_no_link_that_lets_somebody_in_is_written_to_the_log(visitor: httpx.AsyncClient) -> None:
    token = "canary-of-a-token-that-opens-an-account-now"
    with capture_logs() as logs:
        assert (await visitor.get(f"/invitations-away/{token}")).status_code == 503
    assert [each["path"] for each in logs] == ["/invitations-away/…"]
