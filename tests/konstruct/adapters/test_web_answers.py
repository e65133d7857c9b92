"""How much of an answer is taken in, for how long, and what is known when it does not come whole."""

import asyncio
import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest

from konstruct.errors import WebRefused, WebUncertain, WebUnreachable
from konstruct.source_ports import WebRequest
from tests.konstruct.adapters.city import city
from tests.support.streets import Asked, answer, saying

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


async def test_an_answer_may_be_as_large_as_the_limit(tmp_path: Path) -> None:
    async with city(tmp_path, saying(answer(b"x" * 1000))) as town:
        assert len((await town.get("one.example")).content) == 1000


@pytest.mark.parametrize("status", [204, 404, 429, 500, 503])
async def test_an_answer_of_any_status_is_an_answer(tmp_path: Path, status: int) -> None:
    async with city(tmp_path, saying(answer(b"", f"{status} Whatever", headers=["X-Tag: a", "X-Tag: b"]))) as town:
        found = await town.get("one.example")
    assert (found.status, found.headers["x-tag"]) == (status, "a, b")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "GZIP", "identity"])
async def test_an_answer_is_decompressed(tmp_path: Path, coding: str) -> None:
    packed = {"gzip": gzip.compress(b"words"), "deflate": zlib.compress(b"words"), "identity": b"words"}[coding.lower()]
    async with city(tmp_path, saying(answer(packed, headers=[f"Content-Encoding: {coding}"]))) as town:
        assert (await town.get("one.example")).content == b"words"
    assert town.outside.asked[0].headers["accept-encoding"] == "gzip, deflate"


async def test_one_byte_more_than_the_limit_is_too_much(tmp_path: Path) -> None:
    async with city(tmp_path, saying(answer(b"x" * 1001))) as town:
        with pytest.raises(WebRefused, match="more than 1000 bytes"):
            await town.get("one.example")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_small_answer_that_unfolds_without_end_is_let_go_in_time(tmp_path: Path, coding: str) -> None:
    packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(400)) + packer.flush()
    assert len(bomb) < 2**19
    async with city(tmp_path, saying(answer(bomb, headers=[f"Content-Encoding: {coding}"]))) as town:
        tracemalloc.start()
        with pytest.raises(WebRefused, match="more than 1000 bytes"):
            await town.get("one.example")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 10 * 2**20


@pytest.mark.parametrize("codings", ["br", "zstd", "gzip, gzip", "gzip, br", "compress", "konstruct"])
async def test_encodings_that_nobody_asked_for_are_refused(tmp_path: Path, codings: str) -> None:
    async with city(tmp_path, saying(answer(b"words", headers=[f"Content-Encoding: {codings}"]))) as town:
        with pytest.raises(WebRefused, match="encoding"):
            await town.get("one.example")


async def test_what_does_not_decompress_is_no_whole_answer(tmp_path: Path) -> None:
    async with city(tmp_path, saying(answer(b"words", headers=["Content-Encoding: gzip"]))) as town:
        with pytest.raises(WebUncertain, match="does not decompress"):
            await town.get("one.example")


async def test_a_body_without_end_is_let_go(tmp_path: Path) -> None:
    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"\r\n")
        while True:
            writer.write(b"10\r\n" + b"x" * 16 + b"\r\n")
            await writer.drain()

    async with city(tmp_path, speak) as town:
        with pytest.raises(WebRefused, match="more than 1000 bytes"):
            await town.get("one.example")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["headers", "interim answers"]
)
async def test_a_head_without_end_is_let_go(tmp_path: Path, head: bytes) -> None:
    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"X-More: " + b"x" * 1000 + b"\r\n" if b"200" in head else head * 50)
            await writer.drain()

    async with city(tmp_path, speak) as town:
        with pytest.raises(WebUncertain, match=r"gave no whole answer|broke off"):
            await town.ask(WebRequest("GET", town.url("one.example")), time_limit=0.5)


@pytest.mark.parametrize("part", ["nothing", "head", "body"])
async def test_an_answer_that_trickles_is_let_go(tmp_path: Path, part: str) -> None:
    """Each piece comes soon after the last one, so that no limit between two of them would ever be reached."""
    gone = asyncio.Event()

    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write({"nothing": b"", "head": b"HTTP/1.1 200 OK\r\nX: ", "body": answer(b"", length=900)}[part])
        try:
            while True:
                if part != "nothing":
                    writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        finally:
            gone.set()

    async with city(tmp_path, speak) as town:
        with pytest.raises(WebUncertain, match=r"no whole answer within 0\.5 seconds"):
            await town.ask(WebRequest("GET", town.url("one.example")), time_limit=0.5)
        if part != "nothing":
            await gone.wait()  # It is not read on behind anybody's back.


async def test_a_connection_that_nobody_takes_up_was_certainly_not_sent_anything(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()
        writer.close()

    async with city(tmp_path) as town, await asyncio.start_server(silent, "127.0.0.3", town.outside.port):
        town.names.lead("one.example", ["127.0.0.3"])
        with pytest.raises(WebUnreachable) as unreachable:
            await town.ask(WebRequest("GET", town.url("one.example")), time_limit=0.5, allowed=["127.0.0.3/32"])
        # Closed by us, that is: as long as the error is held, nothing that it came from is cleared away.
        async with asyncio.timeout(10):
            await closed.wait()
        assert "within 0.5 seconds" in str(unreachable.value)


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwords",
        CHUNKED + b"\r\n5\r\nwords\r\n",
        CHUNKED + b"\r\nnonsense\r\n",
        CHUNKED + b"Content-Length: 2\r\n\r\nwords",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nwords",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_an_answer_that_is_cut_or_broken_leaves_it_open_what_came_of_the_request(
    tmp_path: Path, whole: bytes
) -> None:
    async with city(tmp_path, saying(whole, then_close=True)) as town:
        with pytest.raises(WebUncertain, match="broke off"):
            await town.ask(WebRequest("POST", town.url("one.example"), {}, b"words"))
    assert len(town.outside.asked) == 1  # It is for somebody else to say whether to ask again.


async def test_a_body_that_is_longer_than_it_says_does_not_become_the_next_answer(tmp_path: Path) -> None:
    async with city(tmp_path, saying(answer(b"words" + answer(b"forged"), length=5))) as town:
        assert (await town.get("one.example")).content == b"words"
        assert (await town.get("one.example")).content == b"words"


@pytest.mark.parametrize(
    "headers", [{"X-A": "b\r\nX-C: d"}, {"X-A\r\nB": "c"}, {"X A": "b"}, {"X-Ä": "b"}, {"X-A": "\ud800"}, {"X-A": "☃"}]
)
async def test_headers_that_http_cannot_carry_are_not_sent(tmp_path: Path, headers: dict[str, str]) -> None:
    async with city(tmp_path) as town:
        with pytest.raises(WebRefused, match="headers"):
            await town.ask(WebRequest("GET", town.url("one.example"), headers))
    assert town.outside.asked == []
