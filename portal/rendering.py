"""From templates to answers: pages, fragments, redirects, and the short messages that follow an action."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from types import SimpleNamespace
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from starlette.responses import HTMLResponse, RedirectResponse, Response

from konstruct.tables.base import utc_now
from portal import billing_words, navigation, settings_sections

MACROS: Final = ("icons", "buttons", "forms", "data", "surfaces", "dialogs", "moving")
TOAST_COOKIE: Final = "__Host-konstruct-toast"
"""The prefix keeps sites of neighbouring names from setting it; what it holds is text all the same, never HTML."""
_LONGEST_TOAST: Final = 400
_PATH: Final = re.compile(r"/(?![/\\])[^\s\\]*")

Kind = Literal["success", "info", "warning", "error"]


@dataclass(frozen=True)
class Toast:
    text: str
    kind: Kind = "success"
    undo: str | None = None
    """A path of the portal's own; the button Undo posts to it, with what is in its query as the form's fields."""
    see: tuple[str, str] | None = None
    """What a link in it is called, and the path of the portal's own that it leads to. Not kept over a redirect."""


def _static(name: str) -> str:
    """The address of a file of ours, which changes with what is in it, so that browsers may keep it for ever."""
    return f"/static/{name}?v={_digest(name)}"


@cache
def _digest(name: str) -> str:
    content = resources.files("portal").joinpath("static", *name.split("/")).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = _static
    # By which a browser knows how wrong its own clock is.
    made.globals["now_ms"] = lambda: round(utc_now().timestamp() * 1000)
    made.globals["settings_tabs"] = settings_sections.tabs
    made.filters["path"] = lambda text: quote(str(text), safe="")
    made.filters["fields"] = lambda path: parse_qsl(urlsplit(path).query)
    # Every macro is at hand in every template and fragment as `ui.…`, without an import.
    macros: dict[str, Any] = {}
    for name in MACROS:
        module = made.get_template(f"macros/{name}.html").module
        macros |= {key: value for key, value in vars(module).items() if not key.startswith("_")}
    made.globals["ui"] = SimpleNamespace(**macros)
    return made


environment: Final = _environment()


def is_partial(request: Request) -> bool:
    """Whether htmx asks for a part of a page, rather than a person for the whole of it."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-request-type") != "full"


def is_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def render(
    request: Request,
    template: str | Template,
    status: int = 200,
    *,
    block: str | None = None,
    toast: Toast | None = None,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page; or, where htmx asks for a part of it, only the named ``block``.

    ``toast``: shown with this answer, on the page or, in a fragment, by itself.
    """
    partial = is_partial(request)
    known = _surroundings(request) | context
    kept = None if partial else _kept_toast(request)
    known["toasts"] = [each for each in (kept, toast) if each is not None]
    found = environment.get_template(template)
    if partial and block is not None:
        html = "".join(found.blocks[block](found.new_context(known)))
    else:
        html = found.render(known)
    if partial and toast is not None:
        html += _toast_fragment(toast)
    response = HTMLResponse(html, status, dict(headers or {}))
    response.headers.append("vary", "HX-Request, HX-Request-Type")
    if kept is not None or (TOAST_COOKIE in request.cookies and not partial):
        response.delete_cookie(TOAST_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def only_toast(toast: Toast, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Changes nothing on the page but that it says this."""
    return HTMLResponse(_toast_fragment(toast), status, dict(headers or {}))


def redirect(request: Request, url: str, *, toast: Toast | None = None) -> Response:
    """On to another page, which shows ``toast``."""
    response: Response
    if is_htmx(request):
        # As the other kind is written: a header holds no letters of every alphabet.
        response = Response(status_code=200, headers={"HX-Redirect": quote(url, safe=":/%#?=@[]!$&'()*+,;~")})
    else:
        response = RedirectResponse(url, 303)
    if toast is not None:
        written = json.dumps(asdict(toast) | {"text": toast.text[:_LONGEST_TOAST]}).encode()
        response.set_cookie(
            TOAST_COOKIE,
            base64.urlsafe_b64encode(written).decode().rstrip("="),
            max_age=60,
            path="/",
            secure=True,
            httponly=True,
            samesite="lax",
        )
    return response


def _toast_fragment(toast: Toast) -> str:
    return environment.get_template("macros/toast_fragment.html").render(toast=toast)


def _kept_toast(request: Request) -> Toast | None:
    written = request.cookies.get(TOAST_COOKIE)
    if written is None:
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(written + "=" * (-len(written) % 4)))
        text, kind, undo = said["text"], said["kind"], said["undo"]
        # Half a surrogate pair can be in no page.
        f"{text}{undo}".encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(text, str) or kind not in ("success", "info", "warning", "error"):
        return None
    is_ours = isinstance(undo, str) and _PATH.fullmatch(undo) is not None
    return Toast(text[:_LONGEST_TOAST], kind, undo if is_ours else None)


def _surroundings(request: Request) -> dict[str, Any]:
    """What every page has around it: who looks at it, and where they can go."""
    member = getattr(request.state, "member", None)
    person = member or getattr(request.state, "person", None)
    path = request.url.path
    entitled = getattr(request.state, "entitled", None)
    is_billed = entitled is not None and entitled.account is not None
    if member is not None:
        places = navigation.of_tenant(member, path, getattr(request.state, "badges", {}), is_billed=is_billed)
    else:
        places = navigation.of_person(person, path) if person is not None else []
    notice = billing_words.notice(entitled, utc_now()) if entitled is not None else None
    return {
        "request": request,
        "person": person,
        "member": member,
        "places": places,
        "notice": notice,
        "errors": {},
        "crumbs": (),
    }
