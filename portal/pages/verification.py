"""Where links that confirm an address lead. Programs that look through mails follow links, so it takes a press, too."""

from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from pydantic import SecretStr
from starlette.responses import Response

from konstruct.accounts import links, profile, signing_up, throttle
from konstruct.accounts.links import Link
from konstruct.accounts.signing_up import Pending
from konstruct.errors import Conflict, NotFound, TooMany, Unauthentic
from portal import access
from portal.access import Person, anybody, visitor
from portal.entering import Text, let_in
from portal.pages.sign_up import BROWSER
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(dependencies=[Depends(anybody())])


@router.get("/verify")
async def ask(request: Request, token: str = "") -> Response:
    try:
        link = await links.open(services(request).database, token, "sign_up", "email")
    except NotFound as error:
        return _spent(request, error)
    if link.purpose == "email":
        elsewhere = _unless_own(request, token, link, await visitor(request))
        return elsewhere or render(request, "pages/verification/email.html", token=token, email=link.content["email"])
    return _form(request, token, await signing_up.open_link(services(request).database, token))


@router.post("/verify")
async def confirm(request: Request, token: Text = "", password: Text = "") -> Response:
    found = services(request)
    try:
        link = await links.open(found.database, token, "sign_up", "email")
        if link.purpose == "email":
            elsewhere = _unless_own(request, token, link, await visitor(request))
            if elsewhere is not None:
                return elsewhere
            email = await profile.confirm_email(found.database, found.vault, link)
            found.mail_is_due.set()
            return redirect(request, "/account", toast=Toast(f"You sign in with {email} from now on."))
        pending = await signing_up.open_link(found.database, token)
    except (NotFound, Conflict) as error:
        return _spent(request, error)
    try:
        if not pending.is_of(request.cookies.get(BROWSER)):
            await throttle.guess(found.limiter, access.client(request), pending.email)
        user_id, slug = await signing_up.confirm(
            found.database,
            found.passwords,
            pending,
            browser=request.cookies.get(BROWSER),
            password=SecretStr(password),
            is_billed=found.bills,
        )
    except (Unauthentic, TooMany) as error:
        return _form(request, token, pending, {"password": str(error)}, 429 if isinstance(error, TooMany) else 422)
    except (NotFound, Conflict) as error:
        return _spent(request, error)
    response = await let_in(request, user_id, factor="password", to=f"/t/{slug}/setup")
    response.delete_cookie(BROWSER, secure=True, httponly=True, samesite="lax", path="/")
    return response


def _unless_own(request: Request, token: str, link: Link, person: Person | None) -> Response | None:
    """What whoever is not signed in to the account is answered. Else somebody could have others press the button whose
    address it is, and have an account in their name, with ways in of their own."""
    if person is None:
        return redirect(request, f"/sign-in?{urlencode({'next': f'/verify?token={token}'})}")
    if person.user_id != link.user_id:
        return _spent(request, Conflict("This link is for another account: sign in to that one, and open it again."))
    return None


def _form(
    request: Request, token: str, pending: Pending, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    is_known = pending.is_of(request.cookies.get(BROWSER))
    return render(
        request,
        "pages/verification/sign_up.html",
        status,
        token=token,
        pending=pending,
        asks_password=not is_known,
        errors=errors or {},
    )


def _spent(request: Request, error: Exception) -> Response:
    return render(
        request, "pages/verification/spent.html", 409 if isinstance(error, Conflict) else 404, says=str(error)
    )
