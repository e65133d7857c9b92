"""Requests are known by the templates of their routes; what strangers write into them is in no span and no label."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from konstruct.observing.requests import OURS_ALONE, Observed
from tests.support.numbers import Counted
from tests.support.spans import Spans

SECRET = "heron-secret"


def app() -> Observed:
    inner, outer = FastAPI(telemetry=OURS_ALONE), FastAPI(telemetry=OURS_ALONE)

    @inner.get("/things/{thing}")
    async def thing(thing: str) -> dict[str, str]:
        return {"thing": thing}

    @outer.get("/people/{person}")
    async def person(person: str) -> PlainTextResponse:
        return PlainTextResponse(person)

    @outer.get("/broken")
    async def broken() -> None:
        raise RuntimeError(SECRET)

    @outer.get("/health/live")
    async def live() -> None:
        return None

    outer.mount("/api/v1", inner)
    return Observed(outer, "test")


async def ask(method: str, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "label"),
    [
        ("GET", f"/people/{SECRET}?said={SECRET}", "/people/{person}", 200, "GET"),
        ("GET", f"/api/v1/things/{SECRET}", "/api/v1/things/{thing}", 200, "GET"),
        ("GET", f"/api/v1/{SECRET}", "/api/v1/{path}", 404, "GET"),
        ("GET", f"/{SECRET}", "other", 404, "GET"),
        ("POST", f"/people/{SECRET}", "/people/{person}", 405, "POST"),
        (SECRET.upper(), "/people/1", "/people/{person}", 405, "other"),
        ("GET", "/broken", "/broken", 500, "GET"),
    ],
)
async def test_a_request_is_one_span_and_one_count(
    spans: Spans, method: str, path: str, route: str, status: int, label: str
) -> None:
    counted = Counted()
    assert (await ask(method, path)).status_code == status
    [span] = spans.ended
    assert span.name == f"{label} {route}"
    attributes: dict[str, Any] = dict(span.attributes or {})
    assert attributes["http.route"] == route
    assert attributes["http.response.status_code"] == status
    assert span.status.is_ok is (status < 500)
    assert SECRET not in span.to_json().lower()
    labels = {"service": "test", "route": route, "method": label, "status": str(status)}
    assert counted.of("konstruct_http_requests_total") == counted.of("konstruct_http_requests_total", **labels) == 1
    assert counted.of("konstruct_http_request_seconds_count", service="test", route=route) == 1


async def test_probes_are_left_out(spans: Spans) -> None:
    counted = Counted()
    await ask("GET", "/health/live")
    assert spans.ended == []
    assert counted.of("konstruct_http_requests_total") == 0


async def test_a_stranger_chooses_no_trace(spans: Spans) -> None:
    await ask("GET", "/people/1", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    [span] = spans.ended
    assert span.parent is None
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" != "a" * 32
