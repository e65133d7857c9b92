"""The portal's composition root: its pages, and around them what holds for every answer.

There is no sign-in yet, so no page may show anything of a tenant.
"""

import re
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from konstruct.settings import Settings
from portal.status import Inquiry

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_FOR_ANYBODY: Final = ("/health/live", "/static/")
_APOLOGIES: Final = {
    400: ("This address is not the portal's.", "Open it by the address that `make run` printed."),
    404: ("There is no page here.", "The address may be mistyped, or the page has gone."),
    500: ("Something went wrong here.", "What it was stands in the portal's log. Loading the page again may help."),
}

_templates = Jinja2Templates(
    env=Environment(
        loader=PackageLoader("portal"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
)


def build(settings: Settings) -> "Guard":
    # No pages of documentation: they would load their scripts from elsewhere.
    app = FastAPI(title="Konstruct portal", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(packages=[("portal", "static")]))
    app.add_exception_handler(HTTPException, _apologise)
    app.add_exception_handler(Exception, _apologise)
    inquiry = Inquiry(settings)
    # Only a running stack, or a person who sets it, knows that there is a UI at this port.
    has_temporal_ui = "temporal_ui_port" in settings.model_fields_set
    temporal_ui = f"http://127.0.0.1:{settings.temporal_ui_port}" if has_temporal_ui else None

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/", response_class=HTMLResponse)
    async def status(request: Request) -> Response:
        return _templates.TemplateResponse(
            request, "status.html", {"status": await inquiry.status(), "temporal_ui": temporal_ui}
        )

    return Guard(app, settings.portal_host)


class Guard:
    """Around the whole app, so that its errors, too, carry the headers.

    A stranger's web site can give its own name this machine's address and have a visitor's browser read from here;
    the name then stands in the Host header. So pages are for known names alone.
    """

    def __init__(self, app: FastAPI, host: str) -> None:
        self.app = app
        names = ("localhost", "127.0.0.1", "[::1]", host, f"[{host}]")
        self._known = re.compile(rf"(?:{'|'.join(map(re.escape, names))})(?::\d+)?", re.IGNORECASE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app: ASGIApp = self.app
        if scope["type"] == "http" and not (scope["path"].startswith(_FOR_ANYBODY) or self._is_known(scope)):
            app = _apology(Request(scope), 400)
        await app(scope, receive, send_with_headers)

    def _is_known(self, scope: Scope) -> bool:
        return self._known.fullmatch(Headers(scope=scope).get("host", "")) is not None


async def _apologise(request: Request, error: Exception) -> Response:
    return _apology(request, error.status_code if isinstance(error, HTTPException) else 500)


def _apology(request: Request, status: int) -> Response:
    title, says = _APOLOGIES.get(status, (f"{HTTPStatus(status).phrase}.", "The portal does not do that."))
    return _templates.TemplateResponse(request, "error.html", {"title": title, "says": says}, status_code=status)
