"""Toasts that outlast a redirect, fragments for htmx, and that nothing from a cookie becomes HTML."""

import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Request
from starlette.responses import Response

from konstruct.settings import Settings
from portal.app import build
from portal.guard import Guard
from portal.rendering import TOAST_COOKIE, Toast, environment, redirect, render

PAGE = environment.from_string(
    '{% extends "layouts/plain.html" %}{% block title %}T{% endblock %}'
    "{% block main %}<h1>T</h1>{% block list %}<p>{{ word }}</p>{% endblock %}{% endblock %}"
)
PARTIAL = {"hx-request": "true", "hx-request-type": "partial"}


@pytest.fixture(scope="module")
def guard(nothing: Settings) -> Guard:
    guard = build(nothing)

    @guard.app.get("/page")
    async def page(request: Request) -> Response:
        return render(request, PAGE, block="list", word="<i>word</i>")

    @guard.app.get("/said")
    async def said(request: Request) -> Response:
        return render(request, PAGE, block="list", word="w", toast=Toast("Done & dusted."))

    @guard.app.post("/save")
    async def save(request: Request) -> Response:
        return redirect(request, "/page", toast=Toast("Saved <b>Mara</b>.", undo="/undo?id=1"))

    return guard


@pytest.fixture
async def visitor(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    said_by_browsers = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=said_by_browsers) as client:
        yield client


async def test_a_toast_is_shown_on_the_next_page_once_as_text(visitor: httpx.AsyncClient) -> None:
    saved = await visitor.post("/save")
    assert (saved.status_code, saved.headers["location"]) == (303, "/page")
    cookie = saved.headers["set-cookie"]
    assert all(word in cookie for word in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"))

    # A part of a page that comes first leaves it to the page.
    assert "Saved" not in (await visitor.get("/page", headers=PARTIAL)).text
    first = await visitor.get("/page")
    assert "Saved &lt;b&gt;Mara&lt;/b&gt;." in first.text
    assert 'action="/undo?id=1"' in first.text
    assert "Saved" not in (await visitor.get("/page")).text


async def test_htmx_is_led_on_by_its_own_header(visitor: httpx.AsyncClient) -> None:
    saved = await visitor.post("/save", headers=PARTIAL)

    assert (saved.status_code, saved.headers["hx-redirect"]) == (200, "/page")
    assert "Saved" in (await visitor.get("/page")).text


async def test_htmx_gets_the_block_it_asked_for_and_people_the_page(visitor: httpx.AsyncClient) -> None:
    part, page = await visitor.get("/page", headers=PARTIAL), await visitor.get("/page")

    assert part.text == "<p>&lt;i&gt;word&lt;/i&gt;</p>"
    assert part.text in page.text
    assert page.text.startswith("<!doctype html>")
    assert "HX-Request" in page.headers["vary"]
    whole = await visitor.get("/page", headers={"hx-request": "true", "hx-request-type": "full"})
    assert whole.text.startswith("<!doctype html>")


async def test_a_toast_comes_along_with_a_part(visitor: httpx.AsyncClient) -> None:
    part = await visitor.get("/said", headers=PARTIAL)

    assert part.text.startswith("<p>w</p><hx-partial")
    assert "Done &amp; dusted." in part.text


def written(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        "no base64 at all",
        written("text"),
        written({"text": "canary"}),
        written({"text": 7, "kind": "info", "undo": None}),
        written({"text": "canary", "kind": "\"><script>alert('x')</script>", "undo": None}),
        written({"text": "canary", "kind": ["info"], "undo": None}),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 5_000).decode(),
    ],
)
async def test_a_cookie_that_is_not_ours_is_dropped(visitor: httpx.AsyncClient, value: str) -> None:
    answer = await visitor.get("/page", headers={"cookie": f"{TOAST_COOKIE}={value}"})

    assert answer.status_code == 200
    assert "canary" not in answer.text
    assert "alert(" not in answer.text
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("undo", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"])
async def test_undo_leads_nowhere_else(visitor: httpx.AsyncClient, undo: str) -> None:
    value = written({"text": "Saved.", "kind": "success", "undo": undo})
    answer = await visitor.get("/page", headers={"cookie": f"{TOAST_COOKIE}={value}"})

    assert "Saved." in answer.text
    assert "Undo" not in answer.text
    assert undo not in answer.text
