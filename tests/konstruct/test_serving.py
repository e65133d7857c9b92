"""Whoever speaks slowly, too much or not at all: what becomes of them, and of the others meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from konstruct.serving import Limits
from tests.support.http import serve

SOON = Limits(head_seconds=0.2, rest_seconds=0.2, read_seconds=0.2, connections=4, waiting=3)
PATIENCE = 60
"""Seconds; nothing here depends on how fast it goes."""
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo:
    """Counts what it is sent; ``/early`` answers before the body is there, and ``/long`` without end."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
                await receive()
                await send({"type": answer})
            return
        if scope["path"] == "/long":
            await self._endless(receive, send)
            return
        body = b"" if scope["path"] == "/early" else await _whole(receive)
        told = b"%d headers, %d bytes" % (len(scope["headers"]), len(body))
        length = (b"content-length", str(len(told)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": told})

    async def _endless(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        watching = asyncio.ensure_future(receive())
        while not watching.done():
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await asyncio.sleep(0)
        self.left.set()


async def _whole(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> bytes:
        """One whole answer, with its head."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            [length] = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
            return head + await self._reader.readexactly(int(length.split(b":")[1]))

    async def rest(self) -> bytes:
        """All until the other side ends it, however it does."""
        found = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self._reader.read(65_536):
                    found += data
            except ConnectionError:
                pass
        return found

    async def dribble(self, piece: bytes) -> None:
        """Goes on until the other side has ended it."""
        async with asyncio.timeout(PATIENCE):
            try:
                while not self._writer.is_closing() and not self._reader.at_eof():
                    self._writer.write(piece)
                    await self._writer.drain()
                    await asyncio.sleep(0.05)
            except ConnectionError:
                pass

    def close(self) -> None:
        self._writer.close()


class Server:
    def __init__(self, app: Echo, url: str) -> None:
        self.app = app
        self._port = urlsplit(url).port
        self._wires: list[Wire] = []

    async def connect(self, *said: bytes) -> Wire:
        # A small buffer, so that somebody who does not read soon lets nothing more in.
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self._port, limit=10_000))
        self._wires.append(wire)
        for each in said:
            wire.say(each)
        return wire

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = Echo()
    async with serve(app, limits=SOON) as url:
        served = Server(app, url)
        yield served
        served.close()


async def test_who_says_nothing_is_let_go(server: Server) -> None:
    assert await (await server.connect()).rest() == b""


@pytest.mark.parametrize(
    "said", [(b"GET / HTTP/1.1\r\n",), (PAGE, b"GET / HTTP/1.1\r\nHost: x\r\n")], ids=["1st", "2nd"]
)
async def test_a_head_that_dribbles_in_is_refused(server: Server, said: Sequence[bytes]) -> None:
    wire = await server.connect(*said)
    listening = asyncio.ensure_future(wire.rest())
    await wire.dribble(b"X-A: b\r\n")
    assert b"HTTP/1.1 408 Request Timeout\r\n" in await listening


async def test_empty_lines_between_requests_keep_nobody_here(server: Server) -> None:
    wire = await server.connect(PAGE)
    listening = asyncio.ensure_future(wire.rest())
    await wire.dribble(b"\r\n")
    assert b"200 OK" in await listening


async def test_a_body_that_nobody_reads_any_more_has_its_end(server: Server) -> None:
    wire = await server.connect(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n")
    listening = asyncio.ensure_future(wire.rest())
    await wire.dribble(b"x")
    assert b"200 OK" in await listening


async def test_a_body_that_is_whole_in_time_leaves_the_connection_open(server: Server) -> None:
    wire = await server.connect(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
    await wire.answer()
    wire.say(b"abc" + PAGE)
    assert (await wire.answer()).endswith(b"1 headers, 0 bytes")


async def test_who_does_not_read_the_answer_is_let_go(server: Server) -> None:
    await server.connect(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        await server.app.left.wait()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: x\r\n" * 101 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        # Never whole: what has come so far is counted.
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 1_000_000,
    ],
    ids=["large", "many", "address", "endless"],
)
async def test_a_head_that_is_too_large_is_refused(server: Server, head: bytes) -> None:
    assert (await (await server.connect(head)).rest()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\rX-A: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"GET \xff HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_can_be_read_in_two_ways_or_none_is_refused(server: Server, request_: bytes) -> None:
    answer = await (await server.connect(request_)).rest()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_what_stands_behind_a_body_is_no_header(server: Server) -> None:
    wire = await server.connect(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
    wire.say(b"X-Slack-Signature: mine\r\nX-B: c\r\n\r\n")
    assert (await wire.answer()).endswith(b"2 headers, 3 bytes")


async def test_who_asks_for_more_than_they_wait_for_is_refused(server: Server) -> None:
    # What was begun is not answered either: nobody can tell whose answer it would be.
    assert (await (await server.connect(PAGE * 30)).rest()).count(b"200 OK") <= SOON.waiting + 1


async def test_requests_in_a_row_are_answered_in_their_order(server: Server) -> None:
    wire = await server.connect(*(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * n + b"\r\n" for n in range(3)))
    assert [(await wire.answer())[-18:] for _ in range(3)] == [b"%d headers, 0 bytes" % n for n in (1, 2, 3)]


async def test_nobody_becomes_a_web_socket(server: Server) -> None:
    asked = b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"200 OK" in await (await server.connect(asked)).answer()


async def test_who_has_waited_longest_makes_room(server: Server) -> None:
    """Whoever comes with a whole request is answered, however many sit there."""
    sitting = [await server.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n") for _ in range(8)]
    assert b"200 OK" in await (await server.connect(PAGE)).answer()
    # The newest of them are still waited for.
    sitting[-1].say(b"123456789")
    assert (await sitting[-1].answer()).endswith(b"2 headers, 9 bytes")
    assert await sitting[0].rest() == b""
