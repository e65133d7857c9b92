"""Where a request ends up: the address that was judged, under the name that was asked for, and nowhere else."""

import ssl
from pathlib import Path

import pytest

from konstruct.adapters.web import SafeWeb, open_client
from konstruct.errors import WebRefused, WebUnreachable
from konstruct.source_ports import WebRequest
from tests.konstruct.adapters.city import city
from tests.support.streets import INSIDE, OUTSIDE, answer, saying, server


async def test_a_name_is_asked_under_its_name_at_the_address_it_leads_to(tmp_path: Path) -> None:
    async with city(tmp_path) as town:
        found = await town.get("one.example", "/a?b=c", accept="text/plain")
    assert (found.status, found.content, found.url) == (200, b"fine", town.url("one.example", "/a?b=c"))
    assert found.headers["content-length"] == "4"
    asked = town.outside.asked[0]
    assert asked.line == "GET /a?b=c HTTP/1.1"
    assert asked.headers["host"] == f"one.example:{town.outside.port}"
    assert (asked.headers["user-agent"], asked.headers["accept"]) == ("Konstruct", "text/plain")


async def test_a_name_that_changes_its_answer_reaches_nothing_inside(tmp_path: Path) -> None:
    async with city(tmp_path, saying(answer(headers=["Connection: close"]))) as town:
        town.names.lead("one.example", [OUTSIDE], [INSIDE])
        assert (await town.get("one.example")).status == 200
        # One look-up a connection: its answer is what was connected to, with none in between that could differ.
        assert town.names.asked == ["one.example"]
        with pytest.raises(WebRefused, match="not on the public internet"):
            await town.get("one.example")
    assert (town.outside.connections, town.inside.connections) == (1, 0)


async def test_a_name_that_leads_both_outside_and_inside_is_not_asked(tmp_path: Path) -> None:
    async with city(tmp_path) as town:
        town.names.lead("one.example", [OUTSIDE, INSIDE])
        with pytest.raises(WebRefused):
            await town.get("one.example")
    assert (town.outside.connections, town.inside.connections) == (0, 0)


async def test_a_kept_connection_serves_its_name_again_and_no_other_name(tmp_path: Path) -> None:
    async with (
        city(tmp_path) as town,
        open_client(
            [f"{OUTSIDE}/32"], resolve=town.names, verify=town.trusting, https_port=town.outside.port
        ) as client,
    ):
        town.names.lead("uncertified.example", [OUTSIDE])
        for name in ("one.example", "one.example", "two.example"):
            await SafeWeb(client).request(WebRequest("GET", town.url(name)), time_limit=9, most_bytes=9)
        assert town.outside.connections == 2
        assert town.names.asked == ["one.example", "two.example"]
        # Both connections are to the address that this name leads to as well, and neither was checked for it.
        with pytest.raises(WebUnreachable, match="certificate"):
            await SafeWeb(client).request(
                WebRequest("GET", town.url("uncertified.example")), time_limit=9, most_bytes=9
            )
    assert len(town.outside.asked) == 3


async def test_an_address_where_nobody_listens_is_passed_over(tmp_path: Path) -> None:
    async with city(tmp_path) as town:
        town.names.lead("one.example", ["127.0.0.3", OUTSIDE])
        found = await town.ask(WebRequest("GET", town.url("one.example")), allowed=["127.0.0.2/31"])
        assert found.status == 200
        town.names.lead("one.example", ["127.0.0.3"])
        with pytest.raises(WebUnreachable, match="cannot be connected to"):
            await town.ask(WebRequest("GET", town.url("one.example")), allowed=["127.0.0.2/31"])


@pytest.mark.parametrize("certified", [("other.example",), (OUTSIDE,)])
async def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path, certified: tuple[str, ...]) -> None:
    async with city(tmp_path, certified=certified) as town:
        with pytest.raises(WebUnreachable, match=r"certificate that does not hold.*one\.example"):
            await town.get("one.example", authorization="Bearer hunter2")
    assert town.outside.asked == []


async def test_an_authority_that_nobody_knows_is_not_believed(tmp_path: Path) -> None:
    async with city(tmp_path) as town:
        with pytest.raises(WebUnreachable, match="certificate"):
            await town.ask(WebRequest("GET", town.url("one.example")), trusting=ssl.create_default_context())
    assert town.outside.asked == []


async def test_a_name_that_nobody_knows_was_certainly_not_asked(tmp_path: Path) -> None:
    async with city(tmp_path) as town:
        with pytest.raises(WebUnreachable, match=r"unknown\.example") as unreachable:
            await town.get("unknown.example", "/path?key=hunter2")
    assert "hunter2" not in str(unreachable.value)


async def test_what_is_allowed_may_be_inside_and_without_tls_on_that_port_alone(tmp_path: Path) -> None:
    async with city(tmp_path) as town, server(saying(answer(b"intranet")), host=INSIDE) as intranet:
        allowed = [f"intranet.example:{intranet.port}"]
        town.names.lead("intranet.example", [INSIDE])
        url = f"http://intranet.example:{intranet.port}/"
        assert (await town.ask(WebRequest("GET", url), allowed=allowed)).content == b"intranet"
        with pytest.raises(WebRefused):
            await town.ask(WebRequest("GET", url))
        for elsewhere in (
            f"http://intranet.example:{town.inside.port}/",
            f"https://intranet.example:{town.inside.port}/",
            f"http://{INSIDE}:{intranet.port}/",
            "http://intranet.example/",
        ):
            town.names.lead(INSIDE, [INSIDE])
            with pytest.raises(WebRefused, match="KONSTRUCT_WEB_ALLOWED"):
                await town.ask(WebRequest("GET", elsewhere), allowed=allowed)
        with pytest.raises(WebRefused, match="only https"):  # Public, and still not without TLS.
            await town.ask(
                WebRequest("GET", f"http://one.example:{town.outside.port}/"), allowed=[*allowed, f"{OUTSIDE}/32"]
            )
    assert (intranet.connections, town.inside.connections) == (1, 0)


async def test_nothing_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with city(tmp_path) as town, server(saying(answer()), host=INSIDE) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{INSIDE}:{proxy.port}")
        (authority,) = town.trusting.get_ca_certs(binary_form=True)
        (tmp_path / "authority.pem").write_text(ssl.DER_cert_to_PEM_cert(authority))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        async with open_client([f"{OUTSIDE}/32"], resolve=town.names, https_port=town.outside.port) as client:
            with pytest.raises(WebUnreachable, match="certificate"):
                await SafeWeb(client).request(WebRequest("GET", town.url("one.example")), time_limit=9, most_bytes=9)
    assert (proxy.connections, town.outside.asked) == (0, [])


async def test_cookies_are_not_kept(tmp_path: Path) -> None:
    async with (
        city(tmp_path, saying(answer(headers=["Set-Cookie: a=b; Path=/"]))) as town,
        open_client(
            [f"{OUTSIDE}/32"], resolve=town.names, verify=town.trusting, https_port=town.outside.port
        ) as client,
    ):
        for _ in range(2):
            await SafeWeb(client).request(WebRequest("GET", town.url("one.example")), time_limit=9, most_bytes=9)
    assert [asked.headers.get("cookie") for asked in town.outside.asked] == [None, None]
