"""F28: addresses that somebody gave, written and named in every way that could lead inside, asked by all that asks.

A listener inside counts who connects, whatever becomes of it. A name may change its answer between two look-ups, a
server outside may redirect inwards, list pages inside, or say that its keys lie there.
"""

import asyncio
import contextlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from konstruct.accounts.oidc import CameBack, Provider
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_files import SlackFiles
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.adapters.web_addresses import system_resolver
from konstruct.adapters.whatsapp_files import WhatsAppFiles
from konstruct.settings import OidcProvider
from tests.faults.catalogue import Entry, tell_progress
from tests.konstruct.adapters import slack_place
from tests.konstruct.adapters.whatsapp import place as whatsapp_place
from tests.support import asking
from tests.support.asking import Asks, Open
from tests.support.graph_double import GraphDouble
from tests.support.http import serve
from tests.support.slack_double import Handing, SlackDouble
from tests.support.streets import INSIDE, OUTSIDE, Asked, Authority, answer, server

LITERALS: Final = (
    *("127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "0x7f.1", "0x7f000001", "0177.1", "017700000001", "2130706433"),
    *("0", "0.0.0.0", "localhost", "LocalHost", "127。0。0。1", "①②⑦.⓪.⓪.①", "127%2e0.0.1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]"),
    *(
        "[2002:7f00:1::]",
        "user@127.0.0.1",
        "one.example@127.0.0.1",
        "127.0.0.1#@one.example",
        r"127.0.0.1\.one.example",
    ),
)
NAMES: Final[dict[str, Sequence[Sequence[str]]]] = {
    "inside.example": [[INSIDE]],
    "both.example": [[OUTSIDE, INSIDE]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "nowhere.example": [["0.0.0.0"]],
    "sixth.example": [["::1"]],
    "rebinds.example": [[OUTSIDE], [INSIDE]],
    "rebinds-later.example": [[OUTSIDE], [OUTSIDE], [INSIDE]],
    "rebinds-to-both.example": [[OUTSIDE], [INSIDE, OUTSIDE]],
}
"""What each answers, one look-up after the other; the last answer again and again."""
CERTIFIED: Final = ("one.example", *(name for name in NAMES if name.startswith("rebinds")))
LOOPBACK: Final = ("127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104")
"""What the twin may reach."""


@dataclass
class Reached:
    seed: int
    tried: Counter[str] = field(default_factory=Counter)
    hits: list[str] = field(default_factory=list)

    @property
    def amiss(self) -> dict[str, list[str]]:
        return {"inner_hits": self.hits} if self.hits else {}

    def counts(self) -> dict[str, object]:
        return {"tried": self.tried.total(), **self.tried, "inner_hits": len(self.hits)}


class Inside:
    """Takes every connection, counts it, and says nothing."""

    def __init__(self) -> None:
        self.port = 0
        self._came = 0
        self._own = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        listener = await asyncio.start_server(self._take, INSIDE, 0)
        self.port = listener.sockets[0].getsockname()[1]
        async with listener, AsyncExitStack() as stack:
            # Not every machine has an IPv6 of its own; then nothing can get in there either.
            with contextlib.suppress(OSError):
                await stack.enter_async_context(await asyncio.start_server(self._take, "::1", self.port))
            yield

    async def _take(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._came += 1
        writer.close()

    async def hits(self) -> int:
        """So far: whoever connects now is taken after all others."""
        reader, writer = await asyncio.open_connection(INSIDE, self.port)
        await reader.read()
        writer.close()
        self._own += 1
        return self._came - self._own


@dataclass
class Place:
    inside: Inside
    open_: Open
    names: dict[str, list[Sequence[str]]]
    slack: SlackDouble
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        return self.inside.port

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        left = self.names.get(host)
        if left is None:
            return await system_resolver(host, port)
        return left.pop(0) if len(left) > 1 else left[0]


@dataclass(frozen=True)
class Attempt:
    who: str
    how: str
    make: Callable[[Place, str], Awaitable[object]]
    times: int = 1


def attempts() -> Iterator[Attempt]:
    for who, asks in asking.ALL.items():
        for host in (*LITERALS, *NAMES):
            # A name that changes its answer is asked as often as it has answers.
            yield Attempt(who, f"https://{host}:PORT/", partial(_asked, asks), len(NAMES.get(host, [""])))
        for target in _targets():
            yield Attempt(who, f"https://one.example:PORT/to?{quote(target)}", partial(_asked, asks))
    for target in _targets():
        yield Attempt(
            "sitemap", f"https://one.example:PORT/sitemap.xml?{quote(target)}", partial(_asked, asking.sitemap)
        )
        yield Attempt("provider to sign in with", target, _issuer)
        yield Attempt("file of Slack's", target, _slack_file)
        yield Attempt("file that Slack redirects to", target, _slack_redirect)
        yield Attempt("file of Meta's", target, _meta_file)


def _targets() -> Iterator[str]:
    for host in (*LITERALS, "inside.example", "mapped.example", "nowhere.example"):
        yield f"https://{host}:PORT/"
    for known in ("files.slack.com", "lookaside.fbsbx.com"):
        yield f"https://{known}@127.0.0.1:PORT/"
        yield f"https://127.0.0.1:PORT\\.{known}/"
        yield f"https://127.0.0.1:PORT#.{known}"
    yield from ("http://127.0.0.1:PORT/", "//127.0.0.1:PORT/", "http://[::1]:PORT/", "gopher://127.0.0.1:PORT/")


async def _asked(asks: Asks, place: Place, url: str) -> object:
    return await asks(place.open_, url)


async def _issuer(place: Place, url: str) -> object:
    """Its own description is outside; where it says that codes are exchanged, and keys are published, is not."""
    issuer = f"https://one.example:{place.port}/issuer/{quote(url, safe='')}"
    settings = OidcProvider(
        key="one", client_id="client", client_secret=SecretStr("secret"), issuer=issuer, title="One"
    )
    async with place.open_() as client:
        provider = Provider(settings, SafeWeb(client))
        _, attempt = await provider.start("https://portal.example/callback")
        return await provider.finish(attempt, CameBack(attempt.state, "code"), "https://portal.example/callback")


async def _slack_file(place: Place, url: str) -> object:
    files = SlackFiles(place.session, "https://slack.com/api/")
    account = slack_place.account_of(place.slack.world.add_workspace())
    reference = json.dumps({"id": "F1", "url": url})
    return [piece async for piece in files.fetch(account, reference, most_bytes=1_000)]


async def _slack_redirect(place: Place, url: str) -> object:
    files = SlackFiles(place.session, place.slack.api_url)
    account = slack_place.account_of(place.slack.world.add_workspace())
    place.slack.files.next("F0", Handing(redirect=url))
    reference = json.dumps({"id": "F0", "url": f"{place.slack.url}/files/F0"})
    return [piece async for piece in files.fetch(account, reference, most_bytes=1_000)]


async def _meta_file(place: Place, url: str) -> object:
    async def about(_: web.Request) -> web.Response:
        return web.json_response({"url": url})

    app = web.Application()
    app.router.add_get("/v25.0/1", about)
    async with serve(app) as graph:
        files = WhatsAppFiles(place.session, f"{graph}/v25.0/")
        account = whatsapp_place.account_of(GraphDouble().add_number())
        return [piece async for piece in files.fetch(account, "1", most_bytes=1_000)]


async def _outside(asked: Asked, writer: asyncio.StreamWriter) -> None:
    path, _, query = asked.path.partition("?")
    target, host = unquote(query), asked.headers.get("host", "")
    if path == "/to":
        writer.write(answer(b"", "302 Found", headers=[f"Location: {target}"]))
    elif path == "/robots.txt":
        writer.write(answer(b"", "404 Not Found"))
    elif path == "/sitemap.xml":
        entries = f"<sitemap><loc>{target}</loc></sitemap>".replace("&", "&amp;")
        xml = f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'
        writer.write(answer(xml.encode(), headers=["Content-Type: application/xml"]))
    elif path.startswith("/issuer/"):
        issuer = path.removesuffix("/.well-known/openid-configuration")
        inner = unquote(issuer.removeprefix("/issuer/"))
        said: dict[str, Any] = {"issuer": f"https://{host}{issuer}"}
        said |= dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"), inner)
        writer.write(answer(json.dumps(said).encode(), headers=["Content-Type: application/json"]))
    else:
        writer.write(answer(b"<p>Nothing to see.</p>", headers=["Content-Type: text/html"]))


@asynccontextmanager
async def opened(allowed: Sequence[str]) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        authority = Authority(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        inside = Inside()
        await stack.enter_async_context(inside.listening())
        tls = authority.server_context(*CERTIFIED)
        await stack.enter_async_context(server(_outside, port=inside.port, tls=tls))
        slack = SlackDouble()
        await stack.enter_async_context(slack.running())
        session = await stack.enter_async_context(open_session())
        place = Place(inside, open_client, {}, slack, session)
        place.open_ = partial(
            open_client,
            (f"{OUTSIDE}/32", *allowed),
            resolve=place.resolve,
            verify=authority.trusting,
            https_port=inside.port,
        )
        yield place


async def tried(times: int, seed: int, *, allowed: Sequence[str] = ()) -> Reached:
    """So many of all that there are, or all of them.

    ``allowed``: networks that may be reached, as KONSTRUCT_WEB_ALLOWED names them. With the machine's own among them
    nothing is judged any more; channels' files know no such exception, so that the twin shows nothing of them.
    """
    reached, every = Reached(seed), list(attempts())
    chosen = random.Random(seed).sample(every, min(times, len(every)))
    async with opened(allowed) as place:
        for number, attempt in enumerate(chosen, 1):
            before = await place.inside.hits()
            place.names.clear()
            place.names.update({name: list(answers) for name, answers in NAMES.items()} | {"one.example": [[OUTSIDE]]})
            for _ in range(attempt.times):
                # Whether it is refused, and in which words, others try: here counts who came.
                with contextlib.suppress(Exception):
                    await attempt.make(place, attempt.how.replace("PORT", str(place.port)))
            reached.tried[attempt.who] += 1
            tell_progress(number, len(chosen))
            if await place.inside.hits() > before:
                reached.hits.append(f"{attempt.who}: {attempt.how}")
    return reached


ENTRIES: Final = (
    Entry(
        "F28",
        "Addresses that lead inside, by all that asks addresses, with names that change their answers and redirects",
        "Nobody inside is ever connected to.",
        full=len(tuple(attempts())),
        short=150,
        run=tried,
        twin=partial(tried, allowed=LOOPBACK),
    ),
)
