"""An MCP server on loopback: the official SDK's, behind a bearer token, with tools that misbehave when told to.

    double = McpDouble()
    async with double.running():
        ...                      # double.url, double.requests, double.acts
    async with double.running():
        ...                      # again, at the same address

It lives in one event loop; a call that hangs waits for ``may_answer``.
"""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ImageContent,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
    Tool,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from tests.support.http import ASGIApp, serve

Ctx = ServerRequestContext[Any, Request]
Answer = CallToolResult | InputRequiredResult
Manner = Literal["newer", "older", "older, without sessions"]
"""How it speaks: the protocol's revision of 2026, or those before, with a session or in plain JSON without one."""

TOOLS: Final = ("add", "slow", "fail", "break", "echo", "huge", "picture", "count", "ask", "chatter")
PAGE: Final = 5
NUMBER: Final = {"type": "number"}
SUM: Final[dict[str, Any]] = {"type": "object", "properties": {"sum": NUMBER}, "required": ["sum"]}
NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
A_FORM: Final[dict[str, Any]] = {"type": "object", "properties": {"name": {"type": "string"}}}


@dataclass
class Asked:
    """A request as it came in, and who sent it."""

    method: str
    headers: dict[str, str]


@dataclass
class McpDouble:
    manner: Manner = "newer"
    tokens: set[str] = field(default_factory=lambda: {"token-of-acme"})
    description: str = "Changes its mind."
    """Of the tool ``moody``."""
    says: dict[str, str] = field(default_factory=dict)
    """What ``echo`` adds for those who name one of these as ``of``."""
    extra: list[Tool] = field(default_factory=list)
    """Listed after its own."""
    requests: list[Asked] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    """By the name of the tool."""
    acts: list[str] = field(default_factory=list)
    """The idempotency keys for which ``count`` did something."""
    has_given_up: asyncio.Event = field(default_factory=asyncio.Event)
    """A call of ``slow`` ended before it had answered."""
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Calls that hang when it stops are cut off."""
        server: Server[Any] = Server("double", on_list_tools=self._list, on_call_tool=self._call)
        in_json = self.manner == "older, without sessions"
        app = server.streamable_http_app(json_response=in_json, stateless_http=in_json)
        async with serve(self._guarded(app), port=self.port) as url:
            self.port = urlsplit(url).port or 0
            yield

    def _guarded(self, app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            request = Request(scope, receive)
            self.requests.append(Asked(request.method, dict(request.headers)))
            version = request.headers.get("mcp-protocol-version", HANDSHAKE_PROTOCOL_VERSIONS[-1])
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                await PlainTextResponse("Who are you?", 401)(scope, receive, send)
            elif self.manner != "newer" and version not in HANDSHAKE_PROTOCOL_VERSIONS:
                await PlainTextResponse("Bad Request: Unsupported protocol version", 400)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return guarded

    async def _list(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListToolsResult:
        start = int(params.cursor) if params is not None and params.cursor else 0
        tools = [Tool(name=name, description=f"Does {name}.", input_schema=NO_ARGUMENTS) for name in TOOLS[1:]]
        tools.insert(0, Tool(name="add", description="Adds.", input_schema=NO_ARGUMENTS, output_schema=SUM))
        tools += [Tool(name="moody", description=self.description, input_schema=NO_ARGUMENTS), *self.extra]
        return ListToolsResult(
            tools=tools[start : start + PAGE], next_cursor=str(start + PAGE) if start + PAGE < len(tools) else None
        )

    async def _call(self, ctx: Ctx, params: CallToolRequestParams) -> Answer:
        self.calls[params.name] += 1
        if params.name not in TOOLS:
            raise MCPError(METHOD_NOT_FOUND, f"Unknown tool: {params.name}")
        tool: Callable[[Ctx, dict[str, Any]], Awaitable[Answer]] = getattr(self, f"_{params.name}")
        return await tool(ctx, params.arguments or {})

    async def _add(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        total = arguments["a"] + arguments["b"]
        return CallToolResult(content=[TextContent(text=f"It is {total}.")], structured_content={"sum": total})

    async def _slow(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.has_given_up.set()
            raise
        return _text("At last.")

    async def _fail(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        return CallToolResult(content=[TextContent(text="The stock is empty.")], is_error=True)

    async def _break(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        assert ctx.request is not None
        raise MCPError(INVALID_PARAMS, f"No such \u202efield; you are {ctx.request.headers['authorization']}.")

    async def _echo(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        assert ctx.request is not None
        said = {"headers": dict(ctx.request.headers), "meta": dict(ctx.meta or {}), "arguments": arguments}
        if (added := self.says.get(str(arguments.get("of")))) is not None:
            said["says"] = added
        return CallToolResult(content=[], structured_content=json.loads(json.dumps(said)))

    async def _huge(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        return _text("x" * arguments["bytes"])

    async def _picture(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        data = base64.b64encode(b"png" * 100).decode()
        return CallToolResult(
            content=[
                TextContent(text="See\x00 below."),
                ImageContent(data=data, mime_type="image/png"),
                ResourceLink(name="sheet", uri="file:///sheet.pdf"),
            ]
        )

    async def _count(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        assert ctx.request is not None
        key = ctx.request.headers["idempotency-key"]
        if key not in self.acts:
            self.acts.append(key)
        return _text(str(len(self.acts)))

    async def _ask(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        form = ElicitRequestFormParams(message="Who is it?", requested_schema=A_FORM)
        if self.manner == "newer":
            return InputRequiredResult(input_requests={"who": ElicitRequest(params=form)})
        try:
            await ctx.session.elicit_form(form.message, form.requested_schema, ctx.request_id)
        except MCPError as error:
            return _text(f"It was refused: {error.error.message}")
        return _text("It was answered.")

    async def _chatter(self, ctx: Ctx, arguments: dict[str, Any]) -> Answer:
        for so_far in range(arguments["times"]):
            await ctx.session.send_progress_notification("nobody", so_far, related_request_id=str(ctx.request_id))
            await asyncio.sleep(0)  # It goes on when nobody listens any more, and must let others go on, too.
        return _text("That was all.")


def _text(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])
