"""How the gateway and the portal are served: whoever speaks slowly, or not at all, holds nobody up.

Uvicorn waits for as long as a client pleases: for the head of a request, for the rest of a body that has been answered
already, and for somebody to read the answer. Here each of these has its end; and when there are as many connections as
there may be, the one that has waited longest without a whole request makes room for the next.
"""

import asyncio
import resource
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType
from typing import Any, ClassVar, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from konstruct import ending

_SOFT_FILES: Final = 8_192
"""Files that the process may have open, where the machine lets it."""


@dataclass(frozen=True)
class Limits:
    head_seconds: float = 10.0
    """From the first byte of a request, or from when it was connected, to the end of its headers."""
    head_bytes: int = 64_000
    headers: int = 100
    rest_seconds: float = 5.0
    """In which the rest of a body comes in that nobody reads any more; and how many bytes of it."""
    rest_bytes: int = 32_000_000
    read_seconds: float = 30.0
    """In which somebody has to read some of what stands there for them."""
    waiting: int = 16
    """Requests on one connection that wait for the answer to an earlier one."""
    connections: int = 4_096


class _TooMuch(Exception):
    """Raised where the parser calls, which then reports that the request is not valid."""


class Bounded(HttpToolsProtocol):
    """One connection, looked at every second by the server."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._is_in_body = False
        self._is_too_much = False
        self._is_refused = False
        self._loose = 0
        """Bytes since the last thing that was made out: what is no head and no part of a body."""
        self._head_bytes = 0
        self._rest_bytes = 0
        self._waits_since = 0.0
        """Since it was connected, or had the last head or answer."""
        self._head_since: float | None = None
        self._answered_since: float | None = None
        """When the answer was given, or it was refused, before the request was whole."""
        self._stuck_since: float | None = None

    @property
    def is_waiting(self) -> bool:
        """For a whole request."""
        return self._is_in_body or self._is_refused or self.cycle is None or self.cycle.response_complete

    def look(self, now: float) -> None:
        """Ends the connection when somebody has taken too long."""
        if self.transport.is_closing() and self._stuck_since is None:
            # What was written is still to be read.
            self._stuck_since = now
        if _is_over(self._stuck_since, self.limits.read_seconds, now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif _is_over(self._answered_since, self.limits.rest_seconds, now):
            self.transport.close()
        elif _is_over(self._head_since, self.limits.head_seconds, now):
            if self._loose:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
            else:
                self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn's.
        super().connection_made(transport)
        self._waits_since = self._head_since = self.loop.time()
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        self._loose += len(data)
        if self._answered_since is not None:
            self._rest_bytes += len(data)
        if self._rest_bytes > self.limits.rest_bytes:
            self.transport.close()
            return
        if self._is_refused:
            return
        super().data_received(data)
        if self.transport.is_closing() or self._is_refused:
            return
        if self._loose > self.limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_since is None and not self._is_in_body and self.is_waiting:
            self._head_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_body:
            # Behind the body: by now the headers have been read, and nothing may be added to them.
            return
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.headers) > self.limits.headers or len(self.pipeline) >= self.limits.waiting:
            self._is_too_much = True
            raise _TooMuch
        super().on_headers_complete()
        self._loose = 0
        self._is_in_body = True
        self._head_since = self._answered_since = None
        self._waits_since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._loose = self._rest_bytes = 0
        self._is_in_body = False
        self._answered_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._waits_since = self.loop.time()
        if self._is_in_body and self.cycle.response_complete:
            self._answered_since = self._waits_since

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck_since = None

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser gives up."""
        is_large = self._is_too_much
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if is_large else HTTPStatus.BAD_REQUEST)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            self._is_too_much = True
            raise _TooMuch

    def _refuse(self, status: HTTPStatus) -> None:
        is_answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if self.pipeline or is_answering:
            # What is written in between would be taken for a part of that answer.
            self.transport.abort()
            return
        says = status.phrase.encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, says, len(says), says)
        )
        # Closed while something still comes in, the connection would be reset and the answer never read.
        self.transport.write_eof()
        self._is_refused, self._head_since = True, None
        self._answered_since = self.loop.time()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _make_room(self) -> None:
        """Where all are at work, the newest has to go."""
        waiting = [
            each
            for each in self.connections
            if isinstance(each, Bounded) and each.is_waiting and each is not self and not each.transport.is_closing()
        ]
        oldest = min(waiting, key=lambda each: each._waits_since, default=self)
        # It is told of its end a moment later only, and would be found again by then.
        self.connections.discard(oldest)
        oldest.transport.abort()


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, beside: AbstractAsyncContextManager[None] | None = None) -> None:
        """``beside``: open for as long as it serves."""
        super().__init__(config)
        self._beside = AsyncExitStack()
        self._to_open = beside or nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._beside.enter_async_context(self._to_open)
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Bounded):
                    connection.look(now)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # It is called while this one serves alone, and so in its loop.
        ending.end_within(ending.EDGE_ENDS_WITHIN, asyncio.get_running_loop())
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Answers that are streams would be waited for.
        if end_streams := getattr(self.config.app, "end_streams", None):
            end_streams()
        await super().shutdown(sockets)
        await self._beside.aclose()


def configured(application: Any, *, limits: Limits | None = None, **options: Any) -> uvicorn.Config:
    """``options``: as uvicorn takes them."""

    class Here(Bounded):
        pass

    Here.limits = limits or Limits()
    # There are no web sockets here; whoever asks for one is answered as if they had not.
    return uvicorn.Config(
        application, http=Here, ws="none", log_config=None, access_log=False, server_header=False, **options
    )


def limits_here() -> Limits:
    """As many connections as leave the process enough files for all else that it does. Raises the process's limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _SOFT_FILES if hard == resource.RLIM_INFINITY else min(_SOFT_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    most = Limits.connections
    return Limits(connections=most if soft == resource.RLIM_INFINITY else min(most, soft * 3 // 4))


def _is_over(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
