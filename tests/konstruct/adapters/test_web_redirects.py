"""Each hop is judged like the first, and what was meant for one host goes to no other."""

import asyncio
from pathlib import Path

import pytest

from konstruct.errors import WebRefused, WebUncertain
from konstruct.source_ports import WebRequest
from tests.konstruct.adapters.city import city
from tests.support.streets import INSIDE, OUTSIDE, Asked, answer, saying, server

SECRETS = {"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "Content-Type": "text/plain"}


async def redirecting(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """``/302?where`` redirects there; everything else is an answer."""
    status, _, where = asked.path.removeprefix("/").partition("?")
    if status.startswith("3"):
        writer.write(answer(b"elsewhere", f"{status} Moved", headers=[f"Location: {where}"]))
    else:
        writer.write(answer())


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("https://127.0.0.1:PORT/", "public internet"),
        ("https://2130706433:PORT/", "public internet"),
        ("https://[::ffff:127.0.0.1]:PORT/", "public internet"),
        ("https://inside.example:PORT/", "public internet"),
        ("//inside.example:PORT/", "public internet"),
        ("https://one.example:PORT@inside.example:PORT/", "user or password"),
        ("https://one.example:22/", "only https"),
        ("http://one.example:PORT/", "from https to http"),
        ("http://127.0.0.1/", "from https to http"),
        ("ftp://one.example/", "no web address"),
        ("file:///etc/passwd", "no web address"),
        ("https://[::1/", "no web address"),
        ("https://127%2e0.0.1/", "neither a name"),
    ],
)
async def test_a_redirect_to_what_may_not_be_asked_is_not_followed(tmp_path: Path, to: str, why: str) -> None:
    async with city(tmp_path, redirecting) as town:
        town.names.lead("inside.example", [INSIDE])
        for literal in (INSIDE, "2130706433", "::ffff:127.0.0.1"):
            town.names.lead(literal, [INSIDE])
        with pytest.raises(WebRefused, match=why):
            await town.get("one.example", f"/302?{to.replace('PORT', str(town.outside.port))}")
    assert (len(town.outside.asked), town.inside.connections) == (1, 0)


async def test_a_redirect_from_what_is_allowed_to_another_port_inside_is_not_followed(tmp_path: Path) -> None:
    async with city(tmp_path) as town, server(redirecting, host=INSIDE) as intranet:
        url = f"http://{INSIDE}:{intranet.port}/302?http://{INSIDE}:{town.inside.port}/"
        town.names.lead(INSIDE, [INSIDE])
        with pytest.raises(WebRefused, match="KONSTRUCT_WEB_ALLOWED"):
            await town.ask(WebRequest("GET", url), allowed=[f"{INSIDE}:{intranet.port}"])
    assert (intranet.connections, town.inside.connections) == (1, 0)


async def test_headers_go_along_to_the_same_origin_and_to_no_other(tmp_path: Path) -> None:
    async with city(tmp_path, redirecting) as town:
        found = await town.ask(
            WebRequest("GET", town.url("one.example", f"/307?/301?{town.url('two.example', '/there')}"), SECRETS)
        )
    assert found.url == town.url("two.example", "/there")
    first, second, third = town.outside.asked
    assert [asked.headers.get("authorization") for asked in (first, second)] == ["Bearer hunter2"] * 2
    assert [asked.headers.get("x-api-key") for asked in (first, second)] == ["hunter2"] * 2
    assert "hunter2" not in str(third)


async def test_another_port_is_another_origin(tmp_path: Path) -> None:
    async with (
        city(tmp_path) as town,
        server(saying(answer()), host=INSIDE) as there,
        server(redirecting, host=INSIDE) as here,
    ):
        town.names.lead(INSIDE, [INSIDE])
        url = f"http://{INSIDE}:{here.port}/302?http://{INSIDE}:{there.port}/"
        allowed = [f"{INSIDE}:{here.port}", f"{INSIDE}:{there.port}"]
        await town.ask(WebRequest("GET", url, SECRETS), allowed=allowed)
    assert "hunter2" in str(here.asked)
    assert "hunter2" not in str(there.asked)


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("GET", 307, "GET"),
    ],
)
async def test_the_method_after_a_redirect(tmp_path: Path, method: str, status: int, then: str) -> None:
    body = None if method in ("GET", "HEAD") else b"words"

    async def speak(asked: Asked, writer: asyncio.StreamWriter) -> None:
        whole = answer(b"" if method == "HEAD" else b"x", f"{status} Moved", headers=["Location: /there"])
        writer.write(whole if asked.path == "/" else answer(b""))

    async with city(tmp_path, speak) as town:
        await town.ask(WebRequest(method, town.url("one.example"), SECRETS, body))
    assert town.outside.asked[1].line == f"{then} /there HTTP/1.1"
    assert town.outside.asked[1].body == (b"words" if then == method and body else b"")
    assert ("content-type" in town.outside.asked[1].headers) == (then == method)


async def test_what_was_sent_to_one_host_is_not_sent_to_another(tmp_path: Path) -> None:
    async with city(tmp_path, redirecting) as town:
        url = town.url("one.example", f"/307?{town.url('two.example')}")
        with pytest.raises(WebRefused, match="POST to another host"):
            await town.ask(WebRequest("POST", url, SECRETS, b"words"))
    assert len(town.outside.asked) == 1


async def test_a_second_hop_that_fails_does_not_undo_the_first(tmp_path: Path) -> None:
    async with city(tmp_path, redirecting) as town:
        url = town.url("one.example", f"/303?{town.url('unknown.example')}")
        with pytest.raises(WebUncertain, match=r"unknown\.example"):
            await town.ask(WebRequest("POST", url, {}, b"words"))


async def test_a_circle_ends(tmp_path: Path) -> None:
    async with city(tmp_path, saying(answer(b"", "302 Found", headers=["Location: /again"]))) as town:
        with pytest.raises(WebRefused, match="after 3 redirects"):
            await town.get("one.example")
    assert len(town.outside.asked) == 4


async def test_a_redirect_is_an_answer_to_whoever_follows_none(tmp_path: Path) -> None:
    async with city(tmp_path, redirecting) as town:
        found = await town.ask(WebRequest("GET", town.url("one.example", f"/302?https://{OUTSIDE}/")), redirects=0)
    assert (found.status, found.headers["location"], found.content) == (302, f"https://{OUTSIDE}/", b"elsewhere")
