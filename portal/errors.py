"""What becomes of everything that goes wrong: a page, or a toast where a part of a page was asked for."""

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct.errors import KonstructError, Misconfigured, OverPlan, PaymentsRefused, PaymentsUnavailable, TooMany
from portal.rendering import Toast, is_htmx, only_toast, render

log = structlog.get_logger(__name__)

SAYS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("This request cannot be answered.", "Something in it is not as it must be. Go back and try again."),
    401: ("Nobody could tell that it is you.", "Sign in, and try again."),
    402: ("Your plan does not allow that just now.", "A larger one may."),
    403: ("You may not do this.", "Your role does not allow it. An owner or admin of the business can change that."),
    404: ("There is no page here.", "The address may be mistyped, or what was here has gone."),
    405: ("This page does not do that.", "Open the page again and use its buttons."),
    408: ("The request took too long.", "Your connection may be slow. Try again."),
    413: ("That is too large.", "Send something smaller."),
    422: ("Something in it cannot be taken.", "Go back, check what you filled in, and send it again."),
    429: ("That was too often.", "Wait a moment and try again."),
    500: ("Something went wrong here.", "What it was stands in the portal's log. Trying again may help."),
    503: ("Konstruct is not all there right now.", "A part that this page needs does not answer. Try again soon."),
}
"""Title and sentence of each status."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""Of a link that lets somebody in, which is nothing for a log."""


def install(app: FastAPI) -> None:
    app.add_exception_handler(KonstructError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_anything)


def page(
    request: Request,
    status: int,
    sentence: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    see: tuple[str, str] | None = None,
) -> Response:
    """``see``: what a button is called that leads on, and where to."""
    title, says = SAYS.get(status, (f"{HTTPStatus(status).phrase}.", "Go back and try something else."))
    if is_htmx(request):
        # The page stays as it is, with all that was typed.
        kind: Final = "error" if status >= 500 else "warning"
        quiet = {"hx-reswap": "none"} | dict(headers or {})
        return only_toast(Toast(sentence or f"{title} {says}", kind, see=see), status, quiet)
    says = sentence or says
    return render(request, "pages/error.html", status, code=status, title=title, says=says, see=see, headers=headers)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, KonstructError)  # noqa: S101  # Registered for no other.
    if isinstance(error, OverPlan):
        return page(request, error.status, str(error), see=_plans(request))
    if error.status >= 500:
        log.warning("request_failed", path=_TOKEN.sub("…", request.url.path), status=error.status, error=str(error))
        if isinstance(error, PaymentsUnavailable | PaymentsRefused):
            return page(request, 503, str(error))
        # What a deployment lacks or cannot reach is for its operator to read, in the log and on the status page.
        return page(request, 503 if isinstance(error, Misconfigured) or error.status != 500 else 500)
    headers = {}
    if isinstance(error, TooMany):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    return page(request, error.status, str(error), headers)


def _plans(request: Request) -> tuple[str, str] | None:
    """Where larger plans are, for whoever may look at them."""
    member = getattr(request.state, "member", None)
    if member is None or not member.may("billing.read"):
        return None
    return "See plans", f"/t/{member.tenant_slug}/billing#plans"


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Registered for no other.
    # An address with an id that is none is one that nothing is at.
    is_of_path = any(each["loc"][0] == "path" for each in error.errors())
    return page(request, 404 if is_of_path else 422)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # Registered for no other.
    if 300 <= error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    is_own = error.detail != HTTPStatus(error.status_code).phrase
    return page(request, error.status_code, error.detail if is_own else None, error.headers)


async def _of_anything(request: Request, error: Exception) -> Response:
    return page(request, 500)
