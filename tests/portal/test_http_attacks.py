"""What can be said in heads of requests: other hosts, other methods, odd paths, planted cookies, forms from elsewhere.

Each is tried on every route there is, so that one that is added is tried, too.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from konstruct.accounts import mails, sessions
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal import access
from portal.access import Anybody
from portal.app import build
from portal.guard import Guard
from portal.rendering import TOAST_COOKIE
from tests.portal.conftest import browser
from tests.portal.test_routes import Route, walked
from tests.portal.test_second_factor import set_up_app
from tests.support.members import COOKIE, Enrolled, enrolled

_SAFE: Final = ("GET", "HEAD")
_EVIL: Final = "evil.example"
_FORWARDED: Final = {
    "x-forwarded-host": _EVIL,
    "x-forwarded-server": _EVIL,
    "x-host": _EVIL,
    "x-original-host": _EVIL,
    "forwarded": f"for=127.0.0.1;host={_EVIL};proto=https",
    "x-forwarded-prefix": f"//{_EVIL}",
    "x-original-url": f"//{_EVIL}/",
    "x-rewrite-url": f"//{_EVIL}/",
    "referer": f"https://{_EVIL}/",
    "hx-current-url": f"https://{_EVIL}/",
}
_ELSEWHERE: Final = (
    *(f"//{_EVIL}", f"https://{_EVIL}", f"/\\{_EVIL}", f"\\\\{_EVIL}", f"/\t/{_EVIL}", f"/\r\n/{_EVIL}", f" //{_EVIL}"),
    *(f"https:{_EVIL}", f"https:/{_EVIL}", f"///{_EVIL}", f"/\0/{_EVIL}", "javascript:alert(1)", "data:text/html,x"),
    *(f"/%0d%0aLocation:https://{_EVIL}", f"http:\\\\{_EVIL}", f"@{_EVIL}", f".{_EVIL}", "/x\r\nset-cookie: a=b", ""),
)


@dataclass(frozen=True)
class Visit:
    guard: Guard
    client: httpx.AsyncClient
    owner: Enrolled

    @property
    def routes(self) -> Sequence[Route]:
        return walked(self.guard)

    async def ask(self, route: Route, said: Mapping[str, str], *, is_known: bool = True) -> httpx.Response:
        held = {"cookie": f"{COOKIE}={self.owner.cookie}"} if is_known else {}
        return await self.client.request(route.method, route.at(self.owner.slug), headers={**held, **said})


@pytest.fixture(scope="module")
async def visit(settings: Settings, database: Database, vault: Vault) -> AsyncIterator[Visit]:
    guard = build(settings)
    # So that what is a stream ends at once: here an answer is had when it is whole.
    guard.services.watching.end()
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
        yield Visit(guard, client, await enrolled(database, vault))
    await guard.services.close()


def leads_out(answer: httpx.Response) -> bool:
    """Whether a browser that follows would leave the portal."""
    to = answer.headers.get("location") or answer.headers.get("hx-redirect") or "/"
    # Browsers take both kinds of slash for the same, and leave out tabs and line ends.
    plain = re.sub(r"[\t\r\n]", "", to).replace("\\", "/").strip()
    return urlsplit(urljoin("https://localhost/", plain)).netloc != "localhost"


async def test_no_form_of_another_site_is_taken_anywhere(visit: Visit) -> None:
    taken, tried = {}, 0
    for route in visit.routes:
        if route.method in _SAFE:
            continue
        for said in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://x"}, {}):
            tried += 1
            answer = await visit.ask(route, said)
            if answer.status_code != 403:
                taken[f"{route} {said}"] = answer.status_code
    assert taken == {}
    assert tried > 300


async def test_no_page_is_framed_sniffed_or_leads_out_whatever_is_said_of_its_host(visit: Visit) -> None:
    amiss: dict[str, object] = {}
    for route in visit.routes:
        if route.method not in _SAFE:
            continue
        for is_known in (True, False):
            answer = await visit.ask(route, _FORWARDED, is_known=is_known)
            is_closed = (
                answer.headers["x-frame-options"] == "DENY"
                and "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                and answer.headers["x-content-type-options"] == "nosniff"
            )
            if not is_closed or leads_out(answer) or _EVIL in answer.text or answer.status_code >= 500:
                amiss[f"{route} {is_known}"] = (answer.status_code, answer.headers.get("location"))
            # Nothing of a person may stand in a cache between, for whoever asks next.
            if "no-store" not in answer.headers["cache-control"]:
                amiss[f"{route} is kept"] = answer.headers["cache-control"]
    assert amiss == {}


async def test_every_cookie_is_the_portals_alone(visit: Visit) -> None:
    amiss, found = {}, set()
    for route in visit.routes:
        is_known = not isinstance(route.access, Anybody)
        answer = await visit.ask(route, {"sec-fetch-site": "same-origin"}, is_known=is_known)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, said = cookie.partition("=")
            found.add(name)
            flags = {part.strip().lower() for part in said.split(";")[1:]}
            if not (name.startswith("__Host-") and {"secure", "httponly", "samesite=lax", "path=/"} <= flags):
                amiss[str(route)] = cookie
    assert amiss == {}
    assert found


async def test_a_method_is_the_one_that_was_used(visit: Visit) -> None:
    """A link must not do what a form does, whatever is said of its method."""
    said = {"x-http-method-override": "POST", "x-http-method": "POST", "x-method-override": "POST"}
    routes = visit.routes
    safe = {route.path for route in routes if route.method in _SAFE}
    answered = set()
    for route in routes:
        if route.path not in safe:
            answer = await visit.ask(Route("GET", f"{route.path}?_method=POST", route.access), said)
            answered.add(answer.status_code)
    # 200 and 303: another page takes this address for one of its own.
    assert answered <= {200, 303, 404, 405}
    assert 405 in answered
    assert await sessions.find(visit.guard.services.database, visit.owner.cookie) is not None


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example", "//evil.example/", "//evil.example/%2e%2e", "/%2f%2fevil.example/", "/\\evil.example/"),
        *("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2e%2e%2fguard.py"),
        *("/static/....//app.py", "/static/%252e%252e/app.py", "/static//etc/passwd", "/static/%00", "/static/%5c.."),
        *("/STATIC/portal.css", "/T/x/home", "/Sign-In", "/sign-in%2f", "/t/%2e%2e/account", "/t/x%0d%0aa:b/home"),
        *("/t/../account", "/account;/x", "/account/..;/", "/.git/config", "/.env", "/%c0%ae%c0%ae/", "/sign-in%20"),
    ],
)
async def test_odd_paths_lead_nowhere(visit: Visit, path: str) -> None:
    held = [(b"cookie", f"{COOKIE}={visit.owner.cookie}".encode()), (b"host", b"localhost")]
    answer: dict[str, object] = {}
    body = b""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        nonlocal body
        answer.update(message)
        body += bytes(message.get("body", b""))  # type: ignore[call-overload]  # Bytes, where there are any.

    # As the server reads it from the wire.
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "query_string": b""}
    scope |= {"scheme": "https", "headers": held, "root_path": "", "client": ("127.0.0.1", 1), "server": ("x", 1)}
    await visit.guard(scope, receive, send)  # type: ignore[arg-type]  # As a server would, narrower than ASGI's types.

    headers = httpx.Headers(answer["headers"])  # type: ignore[arg-type]
    assert answer["status"] in (303, 307, 400, 404, 405), body
    assert not leads_out(httpx.Response(303, headers=headers))
    assert b"import " not in body
    assert b"root:" not in body


@pytest.mark.parametrize("to", _ELSEWHERE)
async def test_no_link_to_here_leads_on_elsewhere(visit: Visit, to: str) -> None:
    """Neither by who is signed in, nor by who signs in now."""
    held = {"cookie": f"{COOKIE}={visit.owner.cookie}"}
    answers = [
        await visit.client.get("/sign-in", params={"next": to}, headers=held),
        await visit.client.get("/sign-in", params={"next": to}, headers=held | {"hx-request": "true"}),
        await visit.client.get("/sign-in", params={"next": to}),
        await visit.client.post(
            "/sign-in",
            data={"email": visit.owner.email, "password": visit.owner.password, "next": to},
            headers={"sec-fetch-site": "same-origin"},
        ),
    ]
    assert [answer.status_code for answer in answers if answer.status_code not in (200, 204, 303, 400, 429)] == []
    assert not any(leads_out(answer) for answer in answers)
    assert not any("set-cookie: a=b" in str(answer.headers).lower() for answer in answers)
    assert f'value="//{_EVIL}' not in answers[2].text


async def test_links_in_mails_are_the_portals_own_whatever_host_was_asked(
    settings: Settings, database: Database, vault: Vault
) -> None:
    anna = await enrolled(database, vault)
    known = settings.model_copy(update={"portal_public_url": "https://desk.example.org"})
    async with browser(known) as visitor:
        for host in ("desk.example.org", "localhost:9", "127.0.0.1", _EVIL):
            answer = await visitor.post("/reset", data={"email": anna.email}, headers=_FORWARDED | {"host": host})
            assert (answer.status_code == 400) == (host == _EVIL)
    mailed = [mail.text for mail in await mails.kept(database, vault, 1_000) if mail.to == anna.email]
    links = [urlsplit(link).netloc for text in mailed for link in re.findall(r"https?://\S+", text)]
    assert links
    assert set(links) == {"desk.example.org"}


async def test_what_stood_in_the_browser_before_signing_in_opens_nothing_afterwards(
    settings: Settings, database: Database, vault: Vault
) -> None:
    """Whether somebody made it up, or it is a session of their own that they planted."""
    anna, eve = await enrolled(database, vault), await enrolled(database, vault, name="Eve Moor")
    for planted in ("a" * 43, "", "x", eve.cookie):
        async with browser(settings) as visitor:
            visitor.cookies.set(COOKIE, planted)
            answer = await visitor.post("/sign-in", data={"email": anna.email, "password": anna.password})
            assert answer.status_code == 303
            held = _set(answer)
        assert held != planted
        found = await sessions.find(database, held)
        assert found is not None
        assert found.user_id == anna.user_id
        assert not planted or await sessions.find(database, planted) is None


async def test_what_the_browser_holds_is_made_new_with_each_proof(
    portal: httpx.AsyncClient, settings: Settings, database: Database, vault: Vault
) -> None:
    anna = await enrolled(database, vault)
    portal.cookies.set(COOKIE, anna.cookie)
    app, _ = await set_up_app(portal)
    async with browser(settings) as visitor:
        began = await visitor.post("/sign-in", data={"email": anna.email, "password": anna.password})
        # Half of the proof is no session.
        assert COOKIE not in {cookie.partition("=")[0] for cookie in began.headers.get_list("set-cookie")}
        entered = await visitor.post("/sign-in/factor", data={"code": app.now()})
        first = _set(entered)
        confirmed = await visitor.post("/account/confirm", data={"password": anna.password})
        second = _set(confirmed)
    assert len({first, second, anna.cookie}) == 3
    assert await sessions.find(database, first) is None
    assert await sessions.find(database, second) is not None


def _set(answer: httpx.Response) -> str:
    [held] = [said for said in answer.headers.get_list("set-cookie") if said.startswith(f"{COOKIE}=")]
    return held.partition("=")[2].partition(";")[0]


@pytest.mark.parametrize(
    "said",
    [
        {"text": "\ud800", "kind": "info", "undo": None},
        {"text": "x", "kind": "info", "undo": "/\ud800"},
        {"text": ["x"], "kind": "info", "undo": None},
        {"text": "x", "kind": ["info"], "undo": None},
        {"text": "<script>alert(1)</script>", "kind": "info", "undo": "//evil.example"},
        [],
        "x",
        1,
    ],
)
async def test_a_toast_that_somebody_made_up_breaks_no_page(visit: Visit, said: object) -> None:
    written = base64.urlsafe_b64encode(json.dumps(said).encode()).decode()
    answer = await visit.client.get("/sign-in", headers={"cookie": f"{TOAST_COOKIE}={written}"})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert _EVIL not in answer.text


def test_the_walk_knows_all_routes(visit: Visit) -> None:
    assert isinstance(visit.guard.app, FastAPI)
    assert {path for path, _, _ in access.declared(visit.guard.app.routes)} == {route.path for route in visit.routes}
