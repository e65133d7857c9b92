"""A new password for who forgot theirs: ask for a link, follow it, choose."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.accounts import resetting, sessions, throttle
from konstruct.errors import BadInput, NotFound, TooMany
from portal import access, entering
from portal.access import anybody
from portal.entering import DEVICE, Text
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(dependencies=[Depends(anybody())])


@router.get("/reset")
async def ask(request: Request, token: str = "") -> Response:
    if not token:
        return _ask(request)
    try:
        _, user = await resetting.open_link(services(request).database, token)
    except NotFound as error:
        return _ask(request, errors={"": str(error)}, status=404)
    return _choose(request, token, user.email)


@router.post("/reset")
async def send(request: Request, email: Text = "") -> Response:
    found = services(request)
    try:
        await resetting.ask(
            found.database,
            found.vault,
            found.limiter,
            found.settings.portal_address,
            access.client(request),
            email,
        )
    except BadInput as error:
        return _ask(request, email, {"email": str(error)})
    except TooMany as error:
        return _ask(request, email, {"": str(error)}, 429)
    found.mail_is_due.set()
    return redirect(request, "/reset/sent")


@router.get("/reset/sent")
async def sent(request: Request) -> Response:
    return render(request, "pages/resetting/sent.html", shows_mails=entering.shows_mails(services(request).settings))


@router.post("/reset/password")
async def choose(request: Request, token: Text = "", password: Text = "") -> Response:
    found = services(request)
    try:
        link, user = await resetting.open_link(found.database, token)
        await throttle.chosen_password(found.limiter, link.user_id)
        await resetting.confirm(
            found.database, found.vault, found.passwords, found.settings.portal_address, link, user, password
        )
    except (BadInput, TooMany) as error:
        return _choose(request, token, user.email, {"password": str(error)}, error.status)
    except NotFound as error:
        return _ask(request, errors={"": str(error)}, status=404)
    found.mail_is_due.set()
    # The first sign-in with the new password is not held up by those who guess at the account meanwhile.
    async with found.database.account_session(user.id) as session:
        known_by = await sessions.know_device(session, user.id, request.cookies.get(DEVICE))
    response = redirect(request, "/sign-in", toast=Toast("Your password is changed. Sign in with it."))
    access.drop_session(response)
    if known_by is not None:
        entering.know_again(response, known_by)
    return response


def _ask(request: Request, email: str = "", errors: dict[str, str] | None = None, status: int = 422) -> Response:
    return render(request, "pages/resetting/ask.html", status if errors else 200, email=email, errors=errors or {})


def _choose(
    request: Request, token: str, email: str, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    return render(request, "pages/resetting/choose.html", status, token=token, email=email, errors=errors or {})
