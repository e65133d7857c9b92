"""A web site over real HTTP: pages that change and vanish, with ETags, a robots.txt, a sitemap, and any trouble."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from tests.support.http import serve


def page(title: str, *paragraphs: str) -> str:
    """With all that surrounds what a page has to say."""
    body = "".join(f"<h2>Section {number}</h2><p>{text}</p>" for number, text in enumerate(paragraphs, 1))
    return (
        f"<!doctype html><html><head><title>{title}</title></head><body><nav><a href='/'>Home</a></nav>"
        f"<main><h1>{title}</h1>{body}</main><footer>Imprint</footer></body></html>"
    )


@dataclass
class Website:
    url: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    """HTML by path; those that the sitemap lists."""
    unlisted: dict[str, str] = field(default_factory=dict)
    robots: str = ""
    robots_status: int = 200
    statuses: dict[str, int] = field(default_factory=dict)
    """Paths that answer with nothing but this."""
    redirects: dict[str, str] = field(default_factory=dict)
    huge: set[str] = field(default_factory=set)
    """Paths that never end."""
    sitemap: str | None = None
    """Instead of one that lists the pages."""
    asked: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    """Paths that were answered with 304."""
    is_asked: dict[str, asyncio.Event] = field(default_factory=dict)
    may_answer: dict[str, asyncio.Event] = field(default_factory=dict)
    """Paths that answer only once this is set."""
    agents: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def at(self, path: str) -> str:
        return f"{self.url}{path}"

    def publish(self, texts: Mapping[str, str]) -> None:
        """Each as a page of its own, all of them listed and no others."""
        self.pages = {path: page(path.strip("/").title() or "Home", text) for path, text in texts.items()}

    def hold(self, path: str) -> asyncio.Event:
        self.may_answer[path] = asyncio.Event()
        self.is_asked[path] = asyncio.Event()
        return self.is_asked[path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        self.asked[path] += 1
        self.agents.add(request.headers.get("user-agent", ""))
        if path in self.may_answer:
            self.is_asked[path].set()
            await self.may_answer[path].wait()
        if path in self.statuses:
            return web.Response(status=self.statuses[path])
        if path in self.redirects:
            raise web.HTTPFound(self.redirects[path])
        if path in self.huge:
            return await self._endless(request)
        if path == "/robots.txt":
            return web.Response(status=self.robots_status, text=self.robots)
        if path == "/sitemap.xml":
            return web.Response(text=self._sitemap() if self.sitemap is None else self.sitemap)
        text = self.pages.get(path) or self.unlisted.get(path)
        if text is None:
            return web.Response(status=404)
        etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            self.unchanged[path] += 1
            return web.Response(status=304)
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers={"etag": etag})

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/html"})
        await response.prepare(request)
        while True:
            await response.write(b"<p>More and more.</p>" * 5_000)

    def _sitemap(self) -> str:
        listed = "".join(f"<url><loc>{self.at(path)}</loc></url>" for path in self.pages)
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'


@asynccontextmanager
async def open_website() -> AsyncIterator[Website]:
    website = Website()
    app = web.Application()
    app.router.add_get("/{path:.*}", website.handle)
    async with serve(app) as url:
        website.url = url
        yield website
