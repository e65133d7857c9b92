"""A person's own account: who they are, their address and password, where they are signed in, and its end."""

from typing import Annotated, Final
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.accounts import profile, sessions, throttle
from konstruct.errors import BadInput, Conflict, TooMany
from portal import access
from portal.access import Person, signed_in
from portal.entering import Text
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter()

Known = Annotated[Person, Depends(signed_in())]
Confirmed = Annotated[Person, Depends(signed_in(recent=True))]

_ZONES: Final = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone]
DELETE_WORD: Final = "delete my account"


@router.get("/account")
async def show(request: Request, person: Known) -> Response:
    return _profile(request, person.name, person.time_zone)


@router.post("/account")
async def change(request: Request, person: Known, name: Text = "", time_zone: Text = "") -> Response:
    try:
        await profile.change(services(request).database, person.user_id, name=name, time_zone=time_zone)
    except BadInput as error:
        field = "time_zone" if name.strip() and "time zone" in str(error) else "name"
        return _profile(request, name, time_zone, {field: str(error)})
    return redirect(request, "/account", toast=Toast("Saved."))


def _profile(request: Request, name: str, time_zone: str, errors: dict[str, str] | None = None) -> Response:
    zones = [("UTC", "UTC"), *_ZONES]
    return render(
        request,
        "pages/account/profile.html",
        422 if errors else 200,
        said={"name": name, "time_zone": time_zone},
        zones=zones,
        errors=errors or {},
    )


@router.get("/account/email")
async def ask_email(request: Request, person: Confirmed) -> Response:
    return render(request, "pages/account/email.html", email="")


@router.post("/account/email")
async def send_email(request: Request, person: Confirmed, email: Text = "") -> Response:
    found = services(request)
    try:
        await throttle.mail(found.limiter, access.client(request), email.strip().lower(), by=person.user_id)
        address = await profile.ask_for_email(found.database, found.vault, found.settings.portal_address, person, email)
    except BadInput as error:
        return render(request, "pages/account/email.html", 422, email=email, errors={"email": str(error)})
    except TooMany as error:
        return render(request, "pages/account/email.html", 429, email=email, errors={"email": str(error)})
    found.mail_is_due.set()
    return redirect(request, "/account", toast=Toast(f"Follow the link that we sent to {address}.", "info"))


@router.get("/account/password")
async def ask_password(request: Request, person: Confirmed) -> Response:
    return render(request, "pages/account/password.html")


@router.post("/account/password")
async def change_password(request: Request, person: Confirmed, password: Text = "") -> Response:
    found = services(request)
    try:
        await throttle.chosen_password(found.limiter, person.user_id)
        token = await profile.change_password(
            found.database, found.vault, found.passwords, found.settings.portal_address, person, password
        )
    except (BadInput, TooMany) as error:
        return render(request, "pages/account/password.html", error.status, errors={"password": str(error)})
    found.mail_is_due.set()
    response = redirect(
        request, "/account", toast=Toast("Your password is changed. Every other browser is signed out.")
    )
    if token is not None:
        access.keep_session(response, token)
    return response


@router.get("/account/sessions")
async def list_sessions(request: Request, person: Known) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        found = await sessions.listing(session)
    return render(request, "pages/account/sessions.html", sessions=found)


@router.post("/account/sessions/{session_id}/end")
async def end_session(request: Request, person: Known, session_id: UUID) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        was_there = await sessions.end(session, session_id)
    if session_id == person.session_id:
        response = redirect(request, "/sign-in", toast=Toast("You are signed out."))
        access.drop_session(response)
        return response
    says = "That browser is signed out." if was_there else "That browser was signed out already."
    return redirect(request, "/account/sessions", toast=Toast(says))


@router.post("/account/sessions/end-others")
async def end_others(request: Request, person: Known) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        count = await sessions.end_all(session, but=person.session_id)
    says = "No other browser was signed in." if not count else f"Signed out of {count} other browser{'s'[: count > 1]}."
    return redirect(request, "/account/sessions", toast=Toast(says))


@router.get("/account/delete")
async def ask_delete(request: Request, person: Confirmed) -> Response:
    alone = await profile.owned_alone(services(request).database, person.user_id, person.seats)
    return render(request, "pages/account/delete.html", word=DELETE_WORD, alone=alone)


@router.post("/account/delete")
async def delete(request: Request, person: Confirmed, confirmation: Text = "") -> Response:
    database = services(request).database
    error = None
    if confirmation.strip() != DELETE_WORD:
        error = f"Type {DELETE_WORD} to go on."
    else:
        try:
            await profile.delete_account(database, person.user_id, person.seats)
        except Conflict as refused:
            error = str(refused)
    if error is not None:
        alone = await profile.owned_alone(database, person.user_id, person.seats)
        return render(
            request, "pages/account/delete.html", 422, word=DELETE_WORD, alone=alone, errors={"confirmation": error}
        )
    response = redirect(request, "/sign-in", toast=Toast("Your account is deleted."))
    access.drop_session(response)
    return response
