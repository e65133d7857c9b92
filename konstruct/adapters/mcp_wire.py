"""A session with one MCP server over streamable HTTP, in the protocol's older manner (a handshake) or its newer one.

The SDK's own client is not used: it brings an HTTP client of its own, reads answers of any size, hides what HTTP said,
and keeps tasks and a second stream open. Of the SDK only the types of what goes over the wire are.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import httpx2
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION
from pydantic import JsonValue, ValidationError

from konstruct.errors import WebError, WebRefused, WebUnreachable
from konstruct.source_ports import McpServer

CLIENT: Final[dict[str, JsonValue]] = {"name": "Konstruct", "version": "1"}

# What a server says of itself is a few lines.
MOST_GREETING_BYTES: Final = 256_000

# Nothing is offered that a server could ask for; one that goes on asking is not worth its answers.
MOST_REQUESTS_REFUSED: Final = 10

# After the last answer, or in a cancelled call: a server that does not listen is left to its own clock.
FAREWELL_SECONDS: Final = 1.0

_HEADERS: Final = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    # What is small on the wire may be huge once unpacked.
    "accept-encoding": "identity",
}

_PLAIN_HEADER: Final = re.compile(r"(?!=\?base64\?)[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class WireError(Exception):
    """What may come of a request besides what WebError and httpx say."""


class ServerError(WireError):
    """The answer is an error of JSON-RPC; its text is the server's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class BadStatus(WireError):
    """HTTP said no, without a word of this protocol."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Nonsense(WireError):
    """A whole answer came, and it is none of this protocol."""


class Unfinished(WireError):
    """The answer ended, in good order, before it had said anything."""


class McpSession:
    """One after the other: ``open``, requests, ``close``. Raises WireError's, WebError's and httpx's errors."""

    def __init__(self, client: httpx2.AsyncClient, server: McpServer) -> None:
        self.has_called = False
        """A tool's call may have gone out."""
        self._client = client
        self._server = server
        self._version = LATEST_MODERN_VERSION
        self._session_id = ""
        self._requests = 0

    async def open(self) -> None:
        """Finds a version of the protocol that both sides speak. Runs no tool."""
        try:
            known = await self.request("server/discover", {}, most_bytes=MOST_GREETING_BYTES)
        except (ServerError, BadStatus, Nonsense):
            # Servers of the older manner know no such method, and each has its own way of saying so.
            known = {}
        versions = known.get("supportedVersions")
        if isinstance(versions, list) and LATEST_MODERN_VERSION in versions:
            return
        self._version = ""
        greeting = await self.request(
            "initialize",
            {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": CLIENT},
            most_bytes=MOST_GREETING_BYTES,
        )
        version = greeting.get("protocolVersion")
        if version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise WebRefused("The MCP server speaks no version of the protocol that is known here.")
        self._version = version
        async with self._sent("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"}) as response:
            _check(response)
            if response.status_code >= 400:
                raise BadStatus(response.status_code)

    async def close(self) -> None:
        """Lets the server forget the session, if it keeps one. Takes ``FAREWELL_SECONDS`` at most, raises nothing."""
        if self._session_id:
            with suppress(httpx2.HTTPError, WebError, TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS), self._sent("DELETE"):
                    pass

    async def request(
        self,
        method: str,
        params: Mapping[str, JsonValue],
        *,
        most_bytes: int,
        meta: Mapping[str, JsonValue] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Its result, as the server sent it. ``most_bytes``: of all that comes in answer, notifications included."""
        self._requests += 1
        headers = dict(headers or {})
        meta = dict(meta or {})
        if self._version == LATEST_MODERN_VERSION:
            meta |= {
                PROTOCOL_VERSION_META_KEY: self._version,
                CLIENT_INFO_META_KEY: CLIENT,
                CLIENT_CAPABILITIES_META_KEY: {},
            }
            headers["mcp-method"] = method
            if isinstance(name := params.get("name"), str):
                headers["mcp-name"] = _header(name)
        message: dict[str, JsonValue] = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": {**params}}
        if meta:
            message["params"] = {**params, "_meta": meta}
        self.has_called = self.has_called or method == "tools/call"
        async with self._sent("POST", message, headers) as response:
            _check(response)
            if response.status_code == 404 and self._session_id:
                raise WebUnreachable("The MCP server has forgotten the session in which it was asked.")
            if method == "initialize":
                self._session_id = response.headers.get("mcp-session-id", "")
            return await self._result(response, most_bytes)

    async def _result(self, response: httpx2.Response, most_bytes: int) -> dict[str, Any]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream" and response.status_code < 400:
            return await self._streamed(response, most_bytes)
        try:
            if kind != "application/json":
                raise Nonsense
            whole = b"".join([chunk async for chunk in _bytes(response, most_bytes)])
            result = self._answer(_read(whole), response.status_code)
            if result is None:
                raise Nonsense
        except Nonsense:
            # Whatever it is, a status that says no is what counts.
            if response.status_code >= 400:
                raise BadStatus(response.status_code) from None
            raise
        return result

    async def _streamed(self, response: httpx2.Response, most_bytes: int) -> dict[str, Any]:
        events = _Events()
        refused = 0
        async for chunk in _bytes(response, most_bytes):
            for event in events.feed(chunk):
                message = _read(event)
                if isinstance(message, JSONRPCRequest):
                    refused += 1
                    await self._refuse(message, refused)
                elif (result := self._answer(message, response.status_code)) is not None:
                    return result
        raise Unfinished

    def _answer(self, message: JSONRPCMessage, status: int) -> dict[str, Any] | None:
        """None: it is no answer to the latest request."""
        if isinstance(message, JSONRPCError) and (message.id is None or str(message.id) == str(self._requests)):
            raise ServerError(message.error.message, status)
        if isinstance(message, JSONRPCResponse) and str(message.id) == str(self._requests):
            return message.result
        return None

    async def _refuse(self, request: JSONRPCRequest, count: int) -> None:
        """Sampling, elicitation, roots: this client said that it has none of them."""
        if count > MOST_REQUESTS_REFUSED:
            told = "The MCP server keeps asking for what it is not offered. It may have acted all the same."
            raise WebRefused(told, may_have_acted=True)
        answer: dict[str, JsonValue] = {"jsonrpc": "2.0", "id": request.id}
        if request.method == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": "This client does not offer that."}
        async with self._sent("POST", answer):
            pass

    @asynccontextmanager
    async def _sent(
        self, method: str, message: Mapping[str, JsonValue] | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[httpx2.Response]:
        try:
            everything = httpx2.Headers(self._server.headers)
            everything.update(_HEADERS)
            if self._version:
                everything["mcp-protocol-version"] = self._version
            if self._session_id:
                everything["mcp-session-id"] = self._session_id
            everything.update(headers)
            body = None if message is None else json.dumps(message).encode()
            # Whoever asks says how long all of it may take.
            request = self._client.build_request(
                method, self._server.url, content=body, headers=everything, timeout=None
            )
        except (httpx2.InvalidURL, ValueError):
            raise WebRefused("The MCP server's address or headers are not well-formed. Correct them.") from None
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            await response.aclose()


class _Events:
    """Cuts a stream of server-sent events into the data of each message."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._kind = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        first, *others = chunk.split(b"\n")
        self._line.append(first)
        for other in others:
            line = b"".join(self._line).removesuffix(b"\r")
            self._line = [other]
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif field == b"event":
                self._kind = value.strip()
            elif not line:
                data, kind = b"\n".join(self._data), self._kind
                self._data, self._kind = [], b""
                # An event without data only numbers the stream, for those who would take it up again.
                if data and kind in (b"", b"message"):
                    yield data


async def _bytes(response: httpx2.Response, most_bytes: int) -> AsyncGenerator[bytes]:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > most_bytes:
            told = f"The MCP server did answer, with more than {most_bytes:,} bytes, which is not taken in."
            raise WebRefused(told, may_have_acted=True)
        yield chunk


def _read(data: bytes) -> JSONRPCMessage:
    try:
        return jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValidationError:
        raise Nonsense from None


def _check(response: httpx2.Response) -> None:
    if response.status_code in (401, 403):
        raise WebRefused(
            f"The MCP server refuses the credentials that it was given ({response.status_code}). Give it valid ones."
        )
    if 300 <= response.status_code < 400:
        raise WebRefused(
            "The MCP server sends whoever asks to another address. Give that one instead, if you trust it."
        )
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        told = "The MCP server compresses its answers unasked, which is not taken in."
        raise WebRefused(told, may_have_acted=True)


def _header(value: str) -> str:
    if _PLAIN_HEADER.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="
