"""What holds for every request and answer, errors included: whose names, whose forms, how large, which headers."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from konstruct.accounts import sessions
from konstruct.errors import KonstructError
from konstruct.settings import Settings
from portal import access, errors
from portal.services import Services

MOST_BYTES: Final = 1_000_000
MOST_BYTES_WITH_FILES: Final = 6_000_000
MOST_BYTES_OF_UPLOADS: Final = 26_000_000
"""What an agent sends to a contact, or documents of a source: files, and what a form has around them."""
READ_SECONDS: Final = 60.0
UPLOADS_TAKE: Final = 5
"""Times as long, where so much more may come."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " media-src 'self'; connect-src 'self'; form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'"
)
_ALONE: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""Of what others made: shown, it is on a page of its own without any rights."""
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: with it, browsers write `null` as the Origin of forms, by which ours are known.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
}
_HSTS: Final = "max-age=31536000"
_FOR_ANY_NAME: Final = ("/health/live", "/static/")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS: Final = frozenset({"same-origin", "none"})
_UPLOADS: Final = re.compile(r"/t/[^/]+/(?:inbox/[^/]+/reply|knowledge/[^/]+/documents)")
_NUL: Final = re.compile(rb"%00")


def allow_form_target(request: Request, origin: str) -> None:
    """Lets the forms of this answer lead on to another site: browsers hold `form-action` against redirects, too."""
    request.state.form_targets = [*getattr(request.state, "form_targets", ()), origin]


def set_apart(request: Request) -> None:
    """What is in this answer was made by others: it may do nothing, whatever it turns out to be."""
    request.state.is_set_apart = True


class Guard:
    """Around the whole app, so that its errors, too, carry the headers.

    A stranger's web site can give its own name this machine's address and have a visitor's browser read from here;
    the name then stands in the Host header. So pages are for known names alone. And it can have the visitor's browser
    send forms here, with the visitor's cookies; browsers say where a request comes from, so forms are taken from our
    own pages alone.
    """

    def __init__(self, app: FastAPI, services: Services, *, time_limit: float = READ_SECONDS) -> None:
        """``time_limit``: how long a body may take to come in, in seconds."""
        self.app = app
        self.services = services
        self._time_limit = time_limit
        settings = services.settings
        self._known = _names(settings)
        public = urlsplit(settings.portal_public_url or "")
        self._https_names = frozenset({public.netloc}) if public.scheme == "https" else frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        is_https = scope["scheme"] == "https" or headers.get("host") in self._https_names

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                targets = "".join(f" {origin}" for origin in state.get("form_targets", ()))
                policy = _ALONE if state.get("is_set_apart") else _POLICY.format(targets=targets)
                answered["content-security-policy"] = policy
                answered.update(_HEADERS)
                answered.setdefault("cache-control", _caching(scope, message["status"]))
                if is_https:
                    answered["strict-transport-security"] = _HSTS
            await send(message)

        refused = self._refused(scope, headers)
        if refused is not None:
            await errors.page(Request(scope), *refused)(scope, receive, send_with_headers)
            return
        limit = _most_bytes(scope, headers)
        if limit > MOST_BYTES and not await self._is_somebody(scope):
            # Forms are read before it is asked who sent them, and files in them go to the disk.
            limit = MOST_BYTES
        time_limit = self._time_limit * (UPLOADS_TAKE if limit == MOST_BYTES_OF_UPLOADS else 1)
        await self.app(scope, _Bounded(receive, limit, time_limit), send_with_headers)

    def end_streams(self) -> None:
        """For the server to call before it waits for answers to end."""
        self.services.end_streams()

    async def _is_somebody(self, scope: Scope) -> bool:
        held = Request(scope).cookies.get(access.COOKIE)
        if held is None:
            return False
        try:
            return await sessions.find(self.services.database, held, is_used=False) is not None
        except KonstructError:
            # What is missing is for the page to say, which will let nobody in.
            return True

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str | None] | None:
        """With which status, and which sentence if not that status's own."""
        if not scope["path"].startswith(_FOR_ANY_NAME) and not self._known.fullmatch(headers.get("host", "")):
            return 400, "This address is not the portal's. Open it by the address that it was set up with."
        if "\0" in scope["path"] or _NUL.search(scope["query_string"]):
            return 400, "The address holds a character that no address has."
        if scope["method"] not in _SAFE:
            if not is_from_our_pages(headers):
                return 403, "This came from another site, so nothing was changed. Open the page here and try again."
            said = headers.get("content-length", "")
            if said.isascii() and said.isdigit() and int(said[:20]) > _most_bytes(scope, headers):
                return 413, None
        return None


def is_from_our_pages(headers: Headers) -> bool:
    """By what browsers say of themselves: where a request comes from or, in older ones, from which origin."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in _OURS
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc == headers.get("host")


class _Bounded:
    """Passes a body on up to its limits, for it may say another length than it has, or none, and may dribble in."""

    def __init__(self, receive: Receive, most_bytes: int, time_limit: float) -> None:
        self._receive = receive
        self._left = most_bytes
        self._deadline = asyncio.get_running_loop().time() + time_limit
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:
            # From now on it is the end of the connection that is waited for, which takes its time.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408) from error
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413)
        self._is_whole = not message.get("more_body", False)
        return message


def _names(settings: Settings) -> re.Pattern[str]:
    names = {"localhost", "127.0.0.1", "[::1]", settings.portal_host, f"[{settings.portal_host}]"}
    public = urlsplit(settings.portal_public_url or "").hostname
    return re.compile(rf"(?:{_either(names | ({public} if public else set()))})(?::\d+)?", re.IGNORECASE)


def _either(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names))


def _most_bytes(scope: Scope, headers: Headers) -> int:
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        return MOST_BYTES
    return MOST_BYTES_OF_UPLOADS if _UPLOADS.fullmatch(scope["path"]) else MOST_BYTES_WITH_FILES


def _caching(scope: Scope, status: int) -> str:
    """Pages are of one person; files whose address tells what is in them may be kept for ever."""
    path, query = scope["path"], scope["query_string"]
    if status >= 400:
        return "no-store"
    if path.startswith("/static/vendor/") or (path.startswith("/static/") and query.startswith(b"v=")):
        return "public, max-age=31536000, immutable"
    return "no-cache" if path.startswith("/static/") else "no-store"
