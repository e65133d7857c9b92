"""Passkeys of a person: added, named, removed, and used to confirm who they are."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct.accounts import factors, passkeys
from konstruct.errors import BadInput, Conflict, NotFound, TooMany, Unauthentic
from portal import access, proving
from portal.access import Person, signed_in
from portal.pages import confirming, security
from portal.rendering import Toast, redirect
from portal.services import services

router = APIRouter()

Known = Annotated[Person, Depends(signed_in())]
Confirmed = Annotated[Person, Depends(signed_in(recent=True))]
Answer = Annotated[str, Form()]

_ADD: Final = "add"
_CONFIRM: Final = "confirm"


@router.post("/account/security/passkeys/options")
async def options(request: Request, person: Confirmed) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        held = await passkeys.listing(session, person.user_id)
    asked = passkeys.ask_to_register(proving.site(request), person.user_id, person.email, person.name, held)
    return await proving.challenge(request, asked, _ADD, person.user_id)


@router.post("/account/security/passkeys")
async def add(request: Request, person: Confirmed, answer: Answer = "", name: Annotated[str, Form()] = "") -> Response:
    try:
        challenge = await proving.challenged(request, _ADD, person.user_id)
        async with services(request).database.account_session(person.user_id) as session:
            made = await passkeys.register(
                session, proving.site(request), person.user_id, name, challenge=challenge, answer=answer
            )
            codes = await factors.first_codes(session, person.user_id)
            security.tell(request, session, person, f"the passkey “{made.name}” opens your account from now on")
    except (BadInput, Conflict, Unauthentic) as error:
        return await security.page(request, person, 422, errors={"name": str(error)}, name=name)
    says = f"You can sign in with “{made.name}” from now on."
    return security.codes_page(request, codes, says) if codes else redirect(request, security.HERE, toast=Toast(says))


@router.post("/account/security/passkeys/{passkey_id}/rename")
async def rename(request: Request, person: Known, passkey_id: UUID, name: Annotated[str, Form()] = "") -> Response:
    try:
        async with services(request).database.account_session(person.user_id) as session:
            await passkeys.rename(session, person.user_id, passkey_id, name)
    except (BadInput, NotFound) as error:
        return redirect(request, security.HERE, toast=Toast(str(error), "error"))
    return redirect(request, security.HERE, toast=Toast("Renamed."))


@router.post("/account/security/passkeys/{passkey_id}/remove")
async def remove(request: Request, person: Confirmed, passkey_id: UUID) -> Response:
    try:
        async with services(request).database.account_session(person.user_id) as session:
            name = await factors.remove_passkey(session, person.user_id, passkey_id)
            security.tell(request, session, person, f"the passkey “{name}” opens your account no more")
    except (Conflict, NotFound) as error:
        return redirect(request, security.HERE, toast=Toast(str(error), "error"))
    return redirect(request, security.HERE, toast=Toast(f"“{name}” opens nothing here any more."))


@router.post("/account/confirm/passkey/options")
async def confirm_options(request: Request, person: Known) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        held = await passkeys.listing(session, person.user_id)
    return await proving.challenge(request, passkeys.ask_to_show(proving.site(request), held), _CONFIRM, person.user_id)


@router.post("/account/confirm/passkey")
async def confirm(
    request: Request,
    person: Known,
    answer: Answer = "",
    next: Annotated[str, Form()] = "/account",
    lost: Annotated[bool, Form()] = False,
) -> Response:
    try:
        await proving.shown_passkey(request, _CONFIRM, answer, person.user_id)
    except Unauthentic as error:
        return await confirming.form(request, person, next, lost, str(error), field="passkey")
    return await confirming.confirmed(request, person, factor="passkey", to=next, lost=lost)


@router.post("/account/confirm/code")
async def confirm_code(
    request: Request,
    person: Known,
    code: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/account",
    lost: Annotated[bool, Form()] = False,
) -> Response:
    found = services(request)
    try:
        kind = await factors.check_code(
            found.database,
            found.vault,
            found.limiter,
            found.settings.portal_address,
            access.client(request),
            person.user_id,
            code,
        )
    except (Unauthentic, TooMany) as error:
        return await confirming.form(
            request, person, next, lost, str(error), 429 if isinstance(error, TooMany) else 422, field="code"
        )
    return await confirming.confirmed(request, person, factor=kind, to=next, lost=lost)
