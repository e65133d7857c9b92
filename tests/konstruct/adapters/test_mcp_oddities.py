"""HttpMcp against servers that no SDK makes: broken ones, hostile ones, and web sites that are none."""

import asyncio
import gzip
import json
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from aiohttp import web
from pydantic import JsonValue

from konstruct.adapters.mcp import MOST_PAGES, HttpMcp
from konstruct.errors import ToolFailed, WebError, WebRefused, WebUncertain, WebUnreachable
from konstruct.source_ports import McpResult, McpServer
from tests.support.http import reset_connection, serve

Json = dict[str, Any]
Step = Callable[[web.Request, Json], Awaitable[web.StreamResponse]]

TLS = ssl.create_default_context()
TOKEN = "token-of-acme"
UNSEEN = "[Content that is not shown: %s]"


class OddServer:
    """Speaks the older manner by hand; ``steps`` says what it does at a method, where that is not the usual."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.asked: list[Json] = []
        self.elsewhere = 0
        self.url = ""

    async def _post(self, request: web.Request) -> web.StreamResponse:
        message: Json = await request.json()
        self.asked.append(message)
        method = message.get("method", "")
        if step := self.steps.get(method):
            return await step(request, message)
        match method:
            case "initialize":
                greeting = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "odd"}}
                return answer(message, greeting, {"mcp-session-id": "session-1"})
            case "tools/call":
                return answer(message, {"content": [{"type": "text", "text": "Done."}]})
            case "server/discover":
                return web.Response(status=400, text="What?")
            case _:
                return web.Response(status=202)

    async def _delete(self, request: web.Request) -> web.Response:
        return web.Response(status=405)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/mcp", self._post)
        app.router.add_delete("/mcp", self._delete)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        return app

    def count(self, method: str) -> int:
        return sum(message.get("method") == method for message in self.asked)


def answer(message: Json, result: Json, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=headers)


def replies(status: int = 200, **response: Any) -> Step:
    async def reply(request: web.Request, message: Json) -> web.Response:
        return web.Response(status=status, **response)

    return reply


def complains(status: int, text: str) -> Step:
    async def complain(request: web.Request, message: Json) -> web.Response:
        error = {"code": -32000, "message": text}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error}, status=status)

    return complain


def streams(*chunks: bytes, cut: bool = False) -> Step:
    """``ID`` in them becomes the request's own."""

    async def stream(request: web.Request, message: Json) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk.replace(b"ID", str(message["id"]).encode()))
        if cut:
            reset_connection(request)
        return response

    return stream


async def resets(request: web.Request, message: Json) -> web.StreamResponse:
    reset_connection(request)
    return web.Response()


async def hangs(request: web.Request, message: Json) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def asks_for_ever(request: web.Request, message: Json) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b'data: {"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{}}\n\n')


async def says_nothing_for_ever(request: web.Request, message: Json) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b"x" * 10_000)


async def compresses(request: web.Request, message: Json) -> web.StreamResponse:
    body = gzip.compress(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}).encode())
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


HTML = replies(text="<html>Welcome</html>", content_type="text/html")
AS_JSON = "application/json"
ANOTHERS = replies(text='{"jsonrpc":"2.0","id":99,"result":{}}', content_type=AS_JSON)
ELSEWHERE = {"Location": "/elsewhere"}


@pytest.fixture
async def odd() -> AsyncIterator[OddServer]:
    odd = OddServer()
    async with serve(odd.app()) as url:
        odd.url = f"{url}/mcp"
        yield odd


@pytest.fixture
def mcp() -> HttpMcp:
    return HttpMcp(lambda: httpx2.AsyncClient(verify=TLS, trust_env=False))


async def call(mcp: HttpMcp, odd: OddServer, *, time_limit: float = 20.0) -> McpResult:
    server = McpServer(odd.url, {"Authorization": f"Bearer {TOKEN}"})
    return await mcp.call(server, "act", {}, time_limit=time_limit, most_bytes=50_000, idempotency_key="key-1")


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        pytest.param(HTML, WebRefused, "makes no sense", id="a web page"),
        pytest.param(replies(content_type=AS_JSON), WebRefused, "makes no sense", id="nothing"),
        pytest.param(replies(status=202), WebRefused, "makes no sense", id="accepted, and no answer"),
        pytest.param(replies(text="{}", content_type=AS_JSON), WebRefused, "makes no sense", id="no message"),
        pytest.param(ANOTHERS, WebRefused, "makes no sense", id="the answer to something else"),
        pytest.param(replies(status=400), WebRefused, r"refuses the call \(400\)", id="400"),
        pytest.param(replies(status=401), WebRefused, "credentials", id="401"),
        pytest.param(replies(status=403), WebRefused, "credentials", id="403"),
        pytest.param(replies(status=404), WebUnreachable, "forgotten the session", id="404"),
        pytest.param(replies(status=429), WebUnreachable, "too often", id="429"),
        pytest.param(replies(status=500), WebUncertain, "with 500. It may have", id="500"),
        pytest.param(replies(status=502, text="<html>" * 20_000), WebUncertain, "with 502", id="502 and a long page"),
        pytest.param(replies(status=504, content_type=AS_JSON), WebUncertain, "with 504", id="504"),
        pytest.param(complains(400, "No."), ToolFailed, "an error: No.", id="400 with a reason"),
        pytest.param(complains(500, "Oh."), ToolFailed, "an error: Oh.", id="500 with a reason"),
        pytest.param(replies(status=302, headers=ELSEWHERE), WebRefused, "another address", id="302"),
        pytest.param(replies(status=307, headers=ELSEWHERE), WebRefused, "another address", id="307"),
        pytest.param(resets, WebUncertain, "may have", id="killed"),
        pytest.param(streams(), WebUncertain, "may have", id="a stream of nothing"),
        pytest.param(streams(b'data: {"jsonrpc":'), WebUncertain, "may have", id="a stream that ends in the middle"),
        pytest.param(streams(b'data: {"jsonrpc":', cut=True), WebUncertain, "may have", id="a stream that is cut"),
        pytest.param(streams(b"data: hello\n\n"), WebRefused, "makes no sense", id="a stream of something else"),
        pytest.param(says_nothing_for_ever, WebRefused, "more than 50,000 bytes", id="one endless line"),
        pytest.param(asks_for_ever, WebRefused, "keeps asking", id="endless requests"),
        pytest.param(compresses, WebRefused, "compresses", id="compressed unasked"),
    ],
)
async def test_a_call_that_goes_wrong_is_not_tried_again(
    mcp: HttpMcp, odd: OddServer, step: Step, error: type[WebError | ToolFailed], words: str
) -> None:
    odd.steps["tools/call"] = step

    with pytest.raises(error, match=words) as raised:
        await call(mcp, odd)

    assert type(raised.value) is error
    assert odd.count("tools/call") == 1
    assert odd.elsewhere == 0
    told = "".join(traceback.format_exception(raised.value))
    assert TOKEN not in told
    assert odd.url not in told


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param(HTML, WebRefused, id="a web page"),
        pytest.param(replies(status=404), WebRefused, id="404"),
        pytest.param(replies(status=405), WebRefused, id="405: the oldest manner"),
        pytest.param(replies(status=401), WebRefused, id="401"),
        pytest.param(replies(status=500), WebUnreachable, id="500"),
        pytest.param(complains(503, "Too many sessions."), WebUnreachable, id="503 with a reason"),
        pytest.param(complains(400, "Too old."), WebRefused, id="400 with a reason"),
        pytest.param(replies(status=307, headers=ELSEWHERE), WebRefused, id="307"),
        pytest.param(resets, WebUnreachable, id="killed"),
        pytest.param(streams(), WebUnreachable, id="a stream of nothing"),
        pytest.param(says_nothing_for_ever, WebRefused, id="one endless line"),
    ],
)
async def test_what_goes_wrong_before_the_call_is_certain(
    mcp: HttpMcp, odd: OddServer, step: Step, error: type[WebError]
) -> None:
    odd.steps["initialize"] = step

    with pytest.raises(error) as raised:
        await call(mcp, odd)

    assert type(raised.value) is error
    assert "may have" not in str(raised.value)
    assert odd.count("tools/call") == 0
    assert odd.elsewhere == 0


@pytest.mark.parametrize(
    ("step", "error"),
    [(replies(status=403), WebRefused), (replies(status=500), WebUnreachable), (resets, WebUnreachable)],
)
async def test_a_server_that_does_not_take_the_end_of_the_greeting_is_not_called(
    mcp: HttpMcp, odd: OddServer, step: Step, error: type[WebError]
) -> None:
    odd.steps["notifications/initialized"] = step

    with pytest.raises(error):
        await call(mcp, odd)
    assert odd.count("tools/call") == 0


async def test_a_server_that_hangs_before_the_call_was_certainly_not_called(mcp: HttpMcp, odd: OddServer) -> None:
    odd.steps["initialize"] = hangs

    with pytest.raises(WebUnreachable):
        await call(mcp, odd, time_limit=0.5)


async def test_a_server_that_is_gone_by_the_time_of_the_call_was_certainly_not_called(mcp: HttpMcp) -> None:
    odd = OddServer()
    runner = web.AppRunner(odd.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()

    async def stops(request: web.Request, message: Json) -> web.StreamResponse:
        await site.stop()
        response = web.Response(status=202)
        response.force_close()
        return response

    odd.steps["notifications/initialized"] = stops
    host, port = runner.addresses[0]
    odd.url = f"http://{host}:{port}/mcp"
    try:
        with pytest.raises(WebUnreachable):
            await call(mcp, odd)
    finally:
        await runner.cleanup()


async def test_a_version_that_nobody_knows_is_refused(mcp: HttpMcp, odd: OddServer) -> None:
    async def greets_oddly(request: web.Request, message: Json) -> web.StreamResponse:
        return answer(message, {"protocolVersion": "1999-12-31"})

    odd.steps["initialize"] = greets_oddly

    with pytest.raises(WebRefused, match="no version of the protocol"):
        await call(mcp, odd)


@pytest.mark.parametrize(
    "step",
    [
        streams(b'data: {"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"Yes."}]}}\n\n'),
        streams(
            b": hello\r\nid: 1\r\nretry: 10\r\ndata:\r\n\r",
            b'\nevent: other\r\ndata: nonsense\r\n\r\nevent: message\r\ndata: {"jsonrpc":"2.0",\r\ndata:"id":"ID",',
            b'"result":{"content":[{"type":"te',
            b'xt","text":"Yes."}]}}\r\n\r\n',
        ),
        streams(
            b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n',
            b'data: {"jsonrpc":"2.0","id":77,"result":{"content":[]}}\n\n',
            b'data: {"jsonrpc":"2.0","id":5,"method":"ping"}\n\n',
            b'data: {"jsonrpc":"2.0","id":"six","method":"roots/list"}\n\n',
            b'data: {"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"Yes."}]}}\n\n',
        ),
    ],
    ids=["plain", "in pieces", "between other messages"],
)
async def test_a_stream_is_read_however_it_is_written(mcp: HttpMcp, odd: OddServer, step: Step) -> None:
    odd.steps["tools/call"] = step

    assert (await call(mcp, odd)).text == "Yes."
    refusal = {"code": -32601, "message": "This client does not offer that."}
    assert [message for message in odd.asked if "method" not in message] in (
        [],
        [{"jsonrpc": "2.0", "id": 5, "result": {}}, {"jsonrpc": "2.0", "id": "six", "error": refusal}],
    )


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ('{"content":[]}', McpResult("", None, is_error=False)),
        ('{"structuredContent":[1,NaN,-Infinity,"a\\u0000b"]}', McpResult("", [1, None, None, "ab"], is_error=False)),
        (
            '{"content":["x",{"type":"text"},{"type":"text","text":5},{"type":"hologram"}],"isError":1}',
            McpResult(f"{UNSEEN % 'text'}\n\n{UNSEEN % 'text'}\n\n{UNSEEN % 'hologram'}", None, is_error=False),
        ),
    ],
)
async def test_what_is_odd_in_a_result_does_no_harm(
    mcp: HttpMcp, odd: OddServer, result: str, expected: McpResult
) -> None:
    odd.steps["tools/call"] = streams(f'data: {{"jsonrpc":"2.0","id":ID,"result":{result}}}\n\n'.encode())

    assert await call(mcp, odd) == expected


@pytest.mark.parametrize("result", ["{}", '{"content":"text"}'])
async def test_what_is_no_result_is_refused(mcp: HttpMcp, odd: OddServer, result: str) -> None:
    odd.steps["tools/call"] = streams(f'data: {{"jsonrpc":"2.0","id":ID,"result":{result}}}\n\n'.encode())

    with pytest.raises(WebRefused, match="makes no sense"):
        await call(mcp, odd)


async def test_pages_without_end_come_to_an_end(mcp: HttpMcp, odd: OddServer) -> None:
    async def turns_pages(request: web.Request, message: Json) -> web.StreamResponse:
        tools: list[JsonValue] = [5, {"name": "list", "inputSchema": {"type": "array"}}, {"name": "bare"}]
        return answer(message, {"tools": tools[:1] if message["params"] else tools, "nextCursor": "again"})

    odd.steps["tools/list"] = turns_pages

    assert await mcp.tools(McpServer(odd.url), time_limit=20) == []
    assert odd.count("tools/list") == MOST_PAGES


async def test_a_list_that_is_none_is_refused(mcp: HttpMcp, odd: OddServer) -> None:
    odd.steps["tools/list"] = streams(b'data: {"jsonrpc":"2.0","id":ID,"result":{"tools":{}}}\n\n')

    with pytest.raises(WebRefused, match="no MCP server"):
        await mcp.tools(McpServer(odd.url), time_limit=20)


@pytest.mark.parametrize(
    "server",
    [
        McpServer("not an address"),
        McpServer("http://[::1"),
        McpServer("ftp://127.0.0.1/mcp"),
        McpServer("http://127.0.0.1:9/mcp", {"X-Team": "a\r\nX-Other: b"}),
        McpServer("http://127.0.0.1:9/mcp", {"X-Team": "Zoë"}),
    ],
    ids=["no address", "half an address", "another scheme", "two headers in one", "a header beyond ASCII"],
)
async def test_what_is_not_well_formed_is_refused(mcp: HttpMcp, odd: OddServer, server: McpServer) -> None:
    if ":9/" in server.url:
        server = McpServer(odd.url, server.headers)

    with pytest.raises(WebRefused, match="not well-formed"):
        await mcp.tools(server, time_limit=20)
