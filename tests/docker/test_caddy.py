"""Caddy itself, with its file, before stand-ins for the gateway and the portal: what it lets through, and what not."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from konstruct.embedded.loopback import free_port, line_answers
from tests.docker.composed import DOCKER
from tests.support.caddy import running_caddy

pytestmark = pytest.mark.stack

HSTS = "max-age=31536000"


class StandIn(BaseHTTPRequestHandler):
    """Says who asked for what, and sets a header as the portal does."""

    def do_GET(self) -> None:
        body = f"{self.command} {self.path} of {self.headers['Host']} for {self.headers['X-Forwarded-For']}".encode()
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("strict-transport-security", HSTS)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        # Who only wants to know whether it is there leaves before the answer is whole.
        with suppress(BrokenPipeError):
            self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def stand_in() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Front:
    gateway: str
    portal: str


@pytest.fixture(scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    folder = tmp_path_factory.mktemp("caddy")
    ports = {name: free_port() for name in ("gateway", "portal", "admin")}
    hosts = {name: f"http://127.0.0.1:{ports[name]}" for name in ("gateway", "portal")}
    with ExitStack() as stack:
        text = (DOCKER / "caddy" / "Caddyfile").read_text()
        # What it leads to has other addresses here; without a name of its own there is no certificate.
        for there in ("gateway:8000", "portal:8080"):
            assert there in text
            text = text.replace(there, f"127.0.0.1:{stack.enter_context(stand_in())}")
        written = folder / "Caddyfile"
        written.write_text(text.replace("127.0.0.1:2019", f"127.0.0.1:{ports['admin']}"))
        answers = partial(line_answers, ports["portal"], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n")
        named = {"GATEWAY_HOST": hosts["gateway"], "PORTAL_HOST": hosts["portal"], "ACME_EMAIL": "ops@example.com"}
        async with running_caddy(written, answers, **named):
            yield Front(hosts["gateway"], hosts["portal"])


@pytest.fixture
async def visitor() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    ["/slack/events", "/slack/oauth_redirect", "/whatsapp", "/whatsapp/123", "/stripe/webhook", "/api/v1/handoffs"],
)
async def test_what_machines_ask_for_reaches_the_gateway(front: Front, visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.post(front.gateway + path, content=b"{}")
    assert answer.status_code == 200
    host = front.gateway.removeprefix("http://")
    assert answer.text == f"POST {path} of {host} for 127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/metrics", "/api", "/api/v2", "/slackers"])
async def test_nothing_else_of_the_gateway_does(front: Front, visitor: httpx.AsyncClient, path: str) -> None:
    assert (await visitor.get(front.gateway + path)).status_code == 404


async def test_a_visitor_cannot_say_that_they_come_from_elsewhere(front: Front, visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get(f"{front.portal}/sign-in", headers={"X-Forwarded-For": "203.0.113.7"})
    assert answer.text.endswith(" for 127.0.0.1")


@pytest.mark.parametrize(
    ("place", "path", "most"),
    [("gateway", "/slack/events", 1), ("gateway", "/api/v1/knowledge", 22), ("portal", "/t/acme", 26)],
)
async def test_bodies_end_where_those_behind_would_end_them(
    front: Front, visitor: httpx.AsyncClient, place: str, path: str, most: int
) -> None:
    address = (front.gateway if place == "gateway" else front.portal) + path
    assert (await visitor.post(address, content=b"x" * most * 1_000_000)).status_code == 200
    assert (await visitor.post(address, content=b"x" * (most * 1_000_000 + 1))).status_code == 413


async def test_headers_of_the_answer_are_there_once(front: Front, visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get(f"{front.portal}/")
    assert answer.headers.get_list("strict-transport-security") == [HSTS]
    assert "server" not in answer.headers
