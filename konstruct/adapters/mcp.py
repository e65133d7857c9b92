"""Mcp over mcp_wire: what a server lists and answers becomes ours, within limits, and what goes wrong becomes WebError.

Each call is a session and a connection of its own, so no tenant's credentials ever meet another's.
"""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import httpx2
import structlog
from pydantic import JsonValue

from konstruct.adapters.mcp_wire import BadStatus, McpSession, Nonsense, ServerError, WireError
from konstruct.errors import ToolFailed, WebError, WebRefused, WebUncertain, WebUnreachable
from konstruct.source_ports import McpResult, McpServer, McpTool

log = structlog.get_logger(__name__)

MOST_TOOLS: Final = 200
MOST_PAGES: Final = 50
MOST_PAGE_BYTES: Final = 4_000_000
LONGEST_NAME: Final = 128
LONGEST_DESCRIPTION: Final = 4_000
LARGEST_SCHEMA_BYTES: Final = 32_000
LONGEST_COMPLAINT: Final = 500

IDEMPOTENCY_META_KEY: Final = "konstruct/idempotency-key"

# Control characters, and what is there without being seen: it can turn text around, or hide some in it.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)

_Got = TypeVar("_Got")


class HttpMcp:
    """Stateless; one for all tenants."""

    def __init__(self, open_client: Callable[[], httpx2.AsyncClient]) -> None:
        """``open_client`` makes the client of each call, and decides which addresses may be asked at all."""
        self._open_client = open_client

    async def tools(self, server: McpServer, *, time_limit: float) -> list[McpTool]:
        return await self._within(time_limit, server, _list)

    async def call(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, JsonValue],
        *,
        time_limit: float,
        most_bytes: int,
        idempotency_key: str,
    ) -> McpResult:
        async def ask(session: McpSession) -> McpResult:
            return _result(
                await session.request(
                    "tools/call",
                    {"name": tool, "arguments": dict(arguments)},
                    most_bytes=most_bytes,
                    meta={IDEMPOTENCY_META_KEY: idempotency_key},
                    headers={"idempotency-key": idempotency_key},
                )
            )

        return await self._within(time_limit, server, ask)

    async def _within(self, time_limit: float, server: McpServer, ask: Callable[[McpSession], Awaitable[_Got]]) -> _Got:
        async with self._open_client() as client:
            session = McpSession(client, server)
            try:
                async with asyncio.timeout(time_limit):
                    await session.open()
                    return await ask(session)
            except (WebError, ToolFailed, WireError, httpx2.HTTPError, TimeoutError) as error:
                failure = _judged(error, server, has_called=session.has_called)
            finally:
                # Outside the time limit, so that an answer which came in time is not lost over it.
                await session.close()
        # Raised out here, so that httpx's own text, which holds addresses, is not chained to it.
        raise failure


async def _list(session: McpSession) -> list[McpTool]:
    tools: dict[str, McpTool] = {}
    left_out = 0
    params: dict[str, JsonValue] = {}
    for _ in range(MOST_PAGES):
        page = await session.request("tools/list", params, most_bytes=MOST_PAGE_BYTES)
        described = page.get("tools")
        if not isinstance(described, list):
            raise Nonsense
        for one in described:
            tool = _tool(one)
            if tool is None or tool.name in tools or len(tools) == MOST_TOOLS:
                left_out += 1
            else:
                tools[tool.name] = tool
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str) or left_out > MOST_TOOLS:
            break
        params = {"cursor": cursor}
    if left_out:
        log.warning("mcp.tools_left_out", kept=len(tools), left_out=left_out)
    return list(tools.values())


def _tool(described: object) -> McpTool | None:
    """None: it is no tool, or more of one than a model should be shown."""
    tool = _clean(described)
    if not isinstance(tool, dict) or not isinstance(described, dict):
        return None
    name, description = tool.get("name"), tool.get("description") or ""
    parameters, result_schema = tool.get("inputSchema"), tool.get("outputSchema")
    # A name is sent back, so one that had to be cleaned would be another's.
    if not isinstance(name, str) or name != described["name"] or not 0 < len(name) <= LONGEST_NAME:
        return None
    if not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION:
        return None
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        return None
    if not isinstance(result_schema, dict | None):
        return None
    if any(len(_canonical(schema)) > LARGEST_SCHEMA_BYTES for schema in (parameters, result_schema)):
        return None
    digest = hashlib.sha256(_canonical([name, description, parameters, result_schema])).hexdigest()
    return McpTool(name, description, parameters, result_schema, digest)


def _canonical(value: JsonValue) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _result(result: Mapping[str, Any]) -> McpResult:
    if result.get("resultType", "complete") != "complete":
        raise ToolFailed("The tool wants to ask something back before it goes on, which is not possible here.")
    content = result.get("content", [])
    structured = _clean(result.get("structuredContent"))
    if not isinstance(content, list) or (not content and "content" not in result and structured is None):
        raise Nonsense
    text = "\n\n".join(part for one in content for part in _readable(_clean(one)))
    return McpResult(text, structured, is_error=result.get("isError") is True)


def _readable(content: JsonValue) -> Iterator[str]:
    match content:
        case {"type": "text", "text": str(text)}:
            yield text
        case {"type": "resource_link", "uri": str(uri)} | {"type": "resource", "resource": {"uri": str(uri)}}:
            yield f"[A resource that is not shown: {uri}]"
        case {"type": str(kind), "mimeType": str(media_type)}:
            yield f"[Content that is not shown: {kind}, {media_type}]"
        case {"type": str(kind)}:
            yield f"[Content that is not shown: {kind}]"


def _clean(value: object) -> JsonValue:
    """A stranger's JSON, without what nobody sees in text and without numbers that JSON does not have."""
    match value:
        case str():
            return _UNSEEN.sub("", value)
        case dict():
            return {_UNSEEN.sub("", key): _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
    return None


def _judged(error: Exception, server: McpServer, *, has_called: bool) -> WebError | ToolFailed:
    """``has_called``: what is not known to have failed before may have been done."""
    match error:
        case WebUncertain() if not has_called:
            return WebUnreachable("The MCP server did not answer to the end.")
        case WebRefused(may_have_acted=True) if not has_called:
            return WebRefused(str(error))
        case WebError() | ToolFailed():
            return error
        case ServerError() if has_called:
            return ToolFailed(f"The server answers with an error: {_complaint(error, server)}")
        case ServerError(status=status) if status < 500 and status != 429:
            return WebRefused(f"The MCP server will not have it: {_complaint(error, server)}")
        case ServerError(status=status) | BadStatus(status=status):
            return _of_status(status, has_called=has_called)
        case Nonsense() if has_called:
            told = "The MCP server's answer makes no sense. It may have done what it was asked."
            return WebRefused(told, may_have_acted=True)
        case Nonsense():
            return WebRefused("What answers at this address is no MCP server. Check the address.")
    return _of_transport(error, has_called=has_called)


def _of_transport(error: Exception, *, has_called: bool) -> WebError:
    match error:
        case httpx2.UnsupportedProtocol() | httpx2.LocalProtocolError():
            return WebRefused("The MCP server's address or headers are not well-formed. Correct them.")
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return WebUnreachable("The MCP server cannot be reached.")
    if has_called:
        return WebUncertain("The MCP server did not answer to the end. It may have done what it was asked.")
    return WebUnreachable("The MCP server did not answer to the end.")


def _of_status(status: int, *, has_called: bool) -> WebError:
    if status == 429:
        return WebUnreachable("The MCP server has been asked too often (429).")
    if status in (408, *range(500, 600)):
        if has_called:
            return WebUncertain(f"The MCP server answers with {status}. It may have done what it was asked.")
        return WebUnreachable(f"The MCP server answers with {status}.")
    if has_called:
        return WebRefused(f"The MCP server refuses the call ({status}).")
    return WebRefused(f"No MCP server over streamable HTTP answers at this address ({status}). Check the address.")


def _complaint(error: ServerError, server: McpServer) -> str:
    """The server's text, without the credentials if it repeats them."""
    text = str(_clean(str(error)))
    for word in {word for value in server.headers.values() for word in value.split() if len(word) >= 8}:
        text = text.replace(word, "[redacted]")
    return text[:LONGEST_COMPLAINT]
