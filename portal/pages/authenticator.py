"""Setting an authenticator app up, and doing without it again."""

from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct.accounts import factors, throttle, totp
from konstruct.accounts.totp import SetUp
from konstruct.errors import TooMany
from portal import access
from portal.access import Person, signed_in
from portal.pages import security
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix=f"{security.HERE}/authenticator")

Confirmed = Annotated[Person, Depends(signed_in(recent=True))]
_WRONG = "This is not the code that belongs to the picture. Wait for the next one, and look at the telephone's clock."


@router.post("/begin")
async def begin(request: Request, person: Confirmed) -> Response:
    found = services(request)
    async with found.database.account_session(person.user_id) as session:
        is_new = await totp.begin(session, found.vault, person.user_id)
    if not is_new:
        return redirect(request, security.HERE, toast=Toast("You have an authenticator app already.", "info"))
    return redirect(request, f"{security.HERE}/authenticator")


@router.get("")
async def ask(request: Request, person: Confirmed) -> Response:
    shown = await _attempt(request, person)
    return redirect(request, security.HERE) if shown is None else _page(request, shown)


@router.post("")
async def confirm(request: Request, person: Confirmed, code: Annotated[str, Form()] = "") -> Response:
    shown = await _attempt(request, person)
    if shown is None:
        return redirect(request, security.HERE, toast=Toast("That took too long. Begin anew.", "warning"))
    found = services(request)
    try:
        await throttle.factor(found.limiter, access.client(request), person.user_id)
    except TooMany as error:
        return _page(request, shown, 429, str(error))
    async with found.database.account_session(person.user_id) as session:
        is_right = await totp.confirm(session, found.vault, person.user_id, code)
        codes = await factors.first_codes(session, person.user_id) if is_right else []
        if is_right:
            security.tell(request, session, person, "an authenticator app is asked for when you sign in from now on")
    if not is_right:
        return _page(request, shown, 422, _WRONG)
    says = "Your authenticator app is asked for from now on."
    return security.codes_page(request, codes, says) if codes else redirect(request, security.HERE, toast=Toast(says))


@router.post("/remove")
async def remove(request: Request, person: Confirmed) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        was_on = await factors.remove_app(session, person.user_id)
        if was_on:
            security.tell(request, session, person, "your authenticator app is not asked for any more")
    says = "Your authenticator app is not asked for any more." if was_on else "There was no authenticator app."
    return redirect(request, security.HERE, toast=Toast(says))


async def _attempt(request: Request, person: Person) -> SetUp | None:
    found = services(request)
    async with found.database.account_session(person.user_id) as session:
        return await totp.attempt(session, found.vault, person.user_id, person.email)


def _page(request: Request, shown: SetUp, status: int = 200, error: str | None = None) -> Response:
    # In the page itself: at an address of its own it would lie in caches and logs.
    picture = segno.make(shown.uri, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff")
    return render(
        request,
        "pages/security/authenticator.html",
        status,
        picture=picture,
        letters=shown.letters,
        errors={"code": error} if error else {},
    )
