"""Whose forms are taken, how large they may be, and what an answer may lead on to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Form, Request
from starlette.responses import PlainTextResponse, Response

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from portal.guard import MOST_BYTES, MOST_BYTES_WITH_FILES, Guard, allow_form_target
from tests.support.members import COOKIE, enrolled

HOST = "127.0.0.1:8080"


@pytest.fixture(scope="module")
def guard(nothing: Settings) -> Guard:
    guard = build(nothing)

    @guard.app.api_route("/act", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def act() -> Response:
        return PlainTextResponse("done")

    @guard.app.post("/kept")
    async def keep(text: Annotated[str, Form()]) -> Response:
        return PlainTextResponse(str(len(text)))

    @guard.app.get("/leading")
    async def lead(request: Request) -> Response:
        allow_form_target(request, "https://slack.com")
        return PlainTextResponse("a form")

    return guard


@pytest.fixture
async def visitor(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": ""}, False),
        # What browsers say of where it is from is not outweighed by an origin.
        ({"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}, False),
        ({"origin": f"http://{HOST}"}, True),
        ({"origin": f"https://{HOST}"}, True),
        ({"origin": "http://127.0.0.1:8081"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": f"http://{HOST}.evil.example"}, False),
        ({"origin": f"http://{HOST}@evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"origin": ""}, False),
        ({}, False),
        ({"referer": f"http://{HOST}/"}, False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_only_our_own_pages_change_anything(
    visitor: httpx.AsyncClient, method: str, said: dict[str, str], is_taken: bool
) -> None:
    answer = await visitor.request(method, "/act", headers=said)

    assert answer.status_code == (200 if is_taken else 403)
    assert (answer.text == "done") == is_taken
    if not is_taken:
        assert "This came from another site, so nothing was changed." in answer.text


async def test_links_from_elsewhere_may_be_followed(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/act", headers={"sec-fetch-site": "cross-site"})).status_code == 200


async def test_a_body_that_says_it_is_too_large_is_not_read(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/kept", data={"text": "x" * MOST_BYTES}, headers={"sec-fetch-site": "same-origin"})

    assert answer.status_code == 413
    assert "That is too large." in answer.text


async def test_a_body_that_does_not_say_how_large_it_is_is_read_to_its_limit(visitor: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"text="
        while sent < 100 * MOST_BYTES:
            sent += 100_000
            yield b"x" * 100_000

    answer = await visitor.post(
        "/kept",
        content=endless(),
        headers={"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 413
    assert sent <= 2 * MOST_BYTES


async def test_a_body_that_dribbles_in_is_waited_for_only_so_long(guard: Guard) -> None:
    never = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"text="
        await never.wait()

    transport = httpx.ASGITransport(Guard(guard.app, guard.services, time_limit=0.05), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        answer = await client.post(
            "/kept",
            content=stuck(),
            headers={"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"},
        )

    assert answer.status_code == 408
    assert "The request took too long." in answer.text


async def test_files_may_be_larger_than_words_for_who_is_signed_in(
    settings: Settings, database: Database, vault: Vault
) -> None:
    guard = build(settings)

    @guard.app.post("/kept")
    async def keep(text: Annotated[str, Form()]) -> Response:
        return PlainTextResponse(str(len(text)))

    said = {"sec-fetch-site": "same-origin"}
    known = said | {"cookie": f"{COOKIE}={(await enrolled(database, vault)).cookie}"}
    stranger = said | {"cookie": f"{COOKIE}={'a' * 43}"}
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        for size, headers, status in (
            (MOST_BYTES + 1, known, 200),
            (MOST_BYTES_WITH_FILES, known, 413),
            (MOST_BYTES + 1, stranger, 413),
            (MOST_BYTES + 1, said, 413),
            (MOST_BYTES // 2, said, 200),
        ):
            files = {"file": ("a.png", b"x" * size)}
            answer = await client.post("/kept", data={"text": "four"}, files=files, headers=headers)
            assert answer.status_code == status
    await guard.services.close()


@pytest.mark.parametrize("path", ["/act%00", "/act?q=%00"])
async def test_an_address_with_a_nul_is_none(visitor: httpx.AsyncClient, path: str) -> None:
    assert (await visitor.get(path)).status_code == 400


async def test_a_form_leads_to_another_site_only_where_its_page_says_so(visitor: httpx.AsyncClient) -> None:
    leading = (await visitor.get("/leading")).headers["content-security-policy"]
    other = (await visitor.get("/act")).headers["content-security-policy"]

    assert "form-action 'self' https://slack.com;" in leading
    assert "form-action 'self';" in other
