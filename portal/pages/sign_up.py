"""Signing up: a form of four fields, and the page that says to look into the mailbox."""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Depends, Request
from pydantic import SecretStr
from starlette.responses import Response

from konstruct.accounts import fields, signing_up
from konstruct.accounts.signing_up import SignUp
from konstruct.errors import BadInput, TooMany
from portal import access, entering
from portal.access import anybody, visitor
from portal.entering import Text
from portal.rendering import redirect, render
from portal.services import services

router = APIRouter(dependencies=[Depends(anybody())])

BROWSER: Final = "__Host-konstruct-sign-up"
"""By which the browser is known again when it comes back with the link."""


@router.get("/sign-up")
async def ask(request: Request) -> Response:
    if await visitor(request) is not None:
        return redirect(request, "/account/tenants/new")
    return _form(request, {}, {})


@router.post("/sign-up")
async def sign_up(
    request: Request,
    name: Text = "",
    email: Text = "",
    password: Text = "",
    business: Text = "",
    time_zone: Text = "UTC",
) -> Response:
    said = {"name": name, "email": email, "business": business, "time_zone": time_zone}
    if errors := _errors(name, email, password, business):
        return _form(request, said, errors)
    found = services(request)
    try:
        browser = await signing_up.ask(
            found.database,
            found.vault,
            found.passwords,
            found.limiter,
            found.settings.portal_address,
            access.client(request),
            SignUp(name, email, SecretStr(password), business, time_zone),
        )
    except BadInput as error:
        # All others were looked at above.
        return _form(request, said, {"password": str(error)})
    except TooMany as error:
        return _form(request, said, {"": str(error)}, 429)
    found.mail_is_due.set()
    response = redirect(request, "/sign-up/sent")
    response.set_cookie(BROWSER, browser, max_age=24 * 60 * 60, secure=True, httponly=True, samesite="lax", path="/")
    return response


@router.get("/sign-up/sent")
async def sent(request: Request) -> Response:
    shows = entering.shows_mails(services(request).settings)
    return render(request, "pages/sign_up/sent.html", shows_mails=shows)


def _errors(name: str, email: str, password: str, business: str) -> dict[str, str]:
    errors = {}
    checks: dict[str, Callable[[], str]] = {
        "name": lambda: fields.name(name),
        "email": lambda: fields.email(email),
        "business": lambda: fields.name(business, "the name of your business"),
    }
    for field, check in checks.items():
        try:
            check()
        except BadInput as error:
            errors[field] = str(error)
    if not password:
        errors |= {"password": "Choose a password."}
    return errors


def _form(request: Request, said: dict[str, str], errors: dict[str, str], status: int = 422) -> Response:
    found = services(request)
    return render(
        request,
        "pages/sign_up/sign_up.html",
        status if errors else 200,
        said=said,
        errors=errors,
        can_mail=entering.can_mail(found.settings),
        providers=list(found.providers.values()),
    )
