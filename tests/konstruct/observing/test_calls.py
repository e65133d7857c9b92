"""What goes out is a span that knows where to, and neither what for nor with which key."""

import aiohttp
import pytest
from aiohttp import web

from konstruct.adapters.slack import open_session
from konstruct.observing import traces
from tests.support.http import serve
from tests.support.spans import Spans, parent_of

SECRET = "heron-secret"


async def answer(request: web.Request) -> web.Response:
    assert "traceparent" not in request.headers
    return web.Response(status=int(request.match_info["status"]))


@pytest.mark.parametrize(("status", "is_ok"), [(200, True), (404, False), (503, False)])
async def test_a_call_is_a_span_below_what_makes_it(spans: Spans, status: int, is_ok: bool) -> None:
    app = web.Application()
    app.router.add_post("/{name}/{status}", answer)
    async with serve(app) as url, open_session() as session:
        with traces.span("send"):
            headers = {"Authorization": f"Bearer {SECRET}"}
            await session.post(f"{url}/{SECRET}/{status}?q={SECRET}", data=SECRET, headers=headers)
    call, send = spans.ended
    assert send.context is not None
    assert parent_of(call) == f"{send.context.trace_id:032x}-{send.context.span_id:016x}"
    assert call.name == "POST"
    assert call.attributes is not None
    assert call.attributes["server.address"] == "127.0.0.1"
    assert call.attributes["http.response.status_code"] == status
    assert call.status.is_ok is is_ok
    assert SECRET not in call.to_json()


async def test_a_call_that_reaches_nobody_says_how_it_failed(spans: Spans) -> None:
    async with serve(web.Application()) as gone:
        pass
    async with open_session() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{gone}/{SECRET}")
    [call] = spans.ended
    assert call.attributes is not None
    assert call.attributes["error.type"] == "ClientConnectorError"
    assert not call.status.is_ok
    assert SECRET not in call.to_json()
