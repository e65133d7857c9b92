"""Pages of the web as documents: how a site is asked for them, politely, and what its answers mean."""

import asyncio
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from konstruct.errors import BadInput, Unavailable, Unreadable, WebError, WebUnreachable
from konstruct.knowledge import robots, sitemap
from konstruct.knowledge.robots import Robots
from konstruct.knowledge.syncs import Task
from konstruct.source_ports import Web, WebAnswer, WebRequest

PAUSE: Final = 0.5
"""Seconds between two requests to one site, unless its robots.txt wants more."""
WAITS: Final = (1.0, 5.0)
"""Seconds before a site that did not answer is asked again, each time."""
TIME_LIMIT: Final = 20.0
"""Seconds for one page, redirects included."""
LARGEST: Final = 20_000_000
"""Bytes of a page."""
REDIRECTS: Final = 5
MOST_PAGES: Final = 5_000
"""Of one sitemap."""


@dataclass(frozen=True)
class Page:
    """``link``: where it was in the end."""

    content: bytes = field(repr=False)
    media_type: str | None
    link: str
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Listing:
    """``reason``: a sentence, when these are not all of the pages that the site has."""

    urls: tuple[str, ...]
    reason: str | None = None


class Visit:
    """One visit: each site is asked once what it allows, and left alone between two requests.

    Its methods raise Unreadable for what will not do, and WebError for what cannot be reached, both as a sentence.
    """

    def __init__(self, web: Web, *, pause: float = PAUSE, waits: tuple[float, ...] = WAITS) -> None:
        self._web = web
        self._pause = pause
        self._waits = waits
        self._rules: dict[str, Robots] = {}
        self._free_at: dict[str, float] = {}

    async def page(self, task: Task) -> Page | Literal["unchanged", "gone"]:
        """As it is now, unless it is as it was when the task's document was last read."""
        await self._check(task.name)
        known = {"if-none-match": task.etag, "if-modified-since": task.last_modified}
        answer = await self._ask(task.name, {name: value for name, value in known.items() if value})
        if answer.status == 304 and any(known.values()):
            return "unchanged"
        if answer.status in (404, 410):
            return "gone"
        _expect_content(answer)
        if answer.url != task.name:
            if _site(answer.url) != _site(task.name):
                raise Unreadable(
                    f"It redirects to {_host(answer.url)}, which is another site; name that one if it is meant."
                )
            await self._check(answer.url)
        headers = answer.headers
        return Page(
            answer.content, headers.get("content-type"), answer.url, headers.get("etag"), headers.get("last-modified")
        )

    async def listing(self, url: str) -> Listing:
        """The pages of a sitemap, or of all sitemaps of a site whose bare address it is."""
        rules = await self._rules_for(url)
        is_bare = urlsplit(url).path in ("", "/")
        named = rules.sitemaps if is_bare else ()
        usual = f"{_origin(url)}/sitemap.xml"
        try:
            walk = sitemap.Walk(url, (usual,) if is_bare and not named else () if is_bare else (url,), named)
            while (further := walk.next()) is not None and len(walk.pages) < MOST_PAGES:
                answer = await self._ask(further, {}, most_bytes=sitemap.MOST_BYTES)
                _expect_content(answer)
                # Apart from the loop, in which others' work gives its signs of life.
                await asyncio.to_thread(walk.take, answer.content)
        except BadInput as error:
            raise Unreadable(str(error)) from error
        allowed = [url for url in walk.pages if rules.allows(url)]
        if not allowed:
            # A site that is broken says so too, and nothing that it said before is to be lost for that.
            raise Unreadable("The sitemap lists no page that may be fetched, so everything stays as it is.")
        return Listing(tuple(allowed[:MOST_PAGES]), _reason(len(walk.pages) - len(allowed), len(allowed)))

    async def _check(self, url: str) -> None:
        if not (await self._rules_for(url)).allows(url):
            raise Unreadable(f"The robots.txt of {_host(url)} does not let {robots.NAME} fetch it.")

    async def _rules_for(self, url: str) -> Robots:
        origin = _origin(url)
        if origin not in self._rules:
            answer = await self._ask(robots.address(url), {}, most_bytes=robots.MOST_BYTES * 4)
            try:
                self._rules[origin] = Robots.of(answer)
            except Unavailable as error:
                raise WebUnreachable(str(error)) from error
        return self._rules[origin]

    async def _ask(self, url: str, headers: dict[str, str], *, most_bytes: int = LARGEST) -> WebAnswer:
        """Several times, if need be."""
        for wait in (*self._waits, None):
            try:
                answer = await self._ask_once(url, headers, most_bytes)
                if wait is None or (answer.status != 429 and answer.status < 500):
                    return answer
            except WebError as error:
                if wait is None or not error.retryable:
                    raise
            await asyncio.sleep(wait)
        raise AssertionError

    async def _ask_once(self, url: str, headers: dict[str, str], most_bytes: int) -> WebAnswer:
        loop, origin = asyncio.get_running_loop(), _origin(url)
        await asyncio.sleep(max(0.0, self._free_at.get(origin, 0.0) - loop.time()))
        try:
            return await self._web.request(
                WebRequest("GET", url, headers), time_limit=TIME_LIMIT, most_bytes=most_bytes, redirects=REDIRECTS
            )
        finally:
            rules = self._rules.get(origin)
            self._free_at[origin] = loop.time() + max(self._pause, rules.delay if rules else 0.0)


def _expect_content(answer: WebAnswer) -> None:
    if answer.status == 429 or answer.status >= 500:
        raise WebUnreachable(f"{_host(answer.url)} answers {answer.status}, again and again.")
    if answer.status in (401, 403):
        raise Unreadable(f"{_host(answer.url)} does not let everybody read it (it answers {answer.status}).")
    if not 200 <= answer.status < 300:
        raise Unreadable(f"{_host(answer.url)} answers {answer.status} instead of a page.")


def _reason(forbidden: int, allowed: int) -> str | None:
    reasons = []
    if forbidden:
        reasons.append(f"{forbidden} pages are left out, as robots.txt wants it.")
    if allowed > MOST_PAGES:
        reasons.append(f"The sitemap lists {allowed:,} pages; the first {MOST_PAGES:,} are read.")
    return " ".join(reasons) or None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _site(url: str) -> str:
    """Whose page it is."""
    return _host(url).removeprefix("www.")


def _host(url: str) -> str:
    return urlsplit(url).netloc
