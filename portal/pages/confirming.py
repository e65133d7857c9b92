"""Showing once more who one is, before what is delicate; then on to where one was."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct.accounts import factors, linked_accounts, profile, sessions, throttle
from konstruct.accounts.passwords import LONGEST
from konstruct.errors import TooMany
from portal import access
from portal.access import Person, signed_in
from portal.entering import Text
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter()

Known = Annotated[Person, Depends(signed_in())]


@router.get("/account/confirm")
async def ask(request: Request, person: Known, next: str = "/account", lost: bool = False) -> Response:
    return await form(request, person, next, lost)


@router.post("/account/confirm")
async def confirm(
    request: Request,
    person: Known,
    password: Text = "",
    next: Text = "/account",
    lost: Annotated[bool, Form()] = False,
) -> Response:
    found = services(request)
    try:
        # Counted by session: nobody else's guesses hold this one up.
        await throttle.guess(found.limiter, access.client(request), person.email, device=str(person.session_id))
    except TooMany as error:
        return await form(request, person, next, lost, str(error), 429)
    if not await profile.is_password(found.database, found.passwords, person.user_id, password[:LONGEST]):
        return await form(request, person, next, lost, "This is not your password.")
    return await confirmed(request, person, factor="password", to=next, lost=lost)


async def confirmed(request: Request, person: Person, *, factor: str, to: str, lost: bool) -> Response:
    """Goes on to where they were, with what their browser holds made new."""
    async with services(request).database.account_session(person.user_id) as session:
        token = await sessions.renew(session, person.session_id, factor=factor)
    toast = Toast("Thank you. What you sent before was not done yet: please do it again.", "info") if lost else None
    response = redirect(request, access.local_path(to, "/account"), toast=toast)
    if token is not None:
        access.keep_session(response, token)
    return response


async def form(
    request: Request,
    person: Person,
    next: str,
    lost: bool,
    error: str | None = None,
    status: int = 422,
    *,
    field: str = "password",
) -> Response:
    """``field``: which of the ways the error is about."""
    found = services(request)
    async with found.database.account_session(person.user_id) as session:
        held = await factors.held(session, person.user_id)
        linked = {account.provider for account in await linked_accounts.listing(session, person.user_id)}
    return render(
        request,
        "pages/account/confirm.html",
        status if error else 200,
        next=access.local_path(next, "/account"),
        lost=lost,
        held=held,
        providers=[provider for key, provider in found.providers.items() if key in linked],
        errors={field: error} if error else {},
    )
