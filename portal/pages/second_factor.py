"""Signing in, after the password: a code, or a passkey. And signing in with a passkey alone."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import JSONResponse, Response

from konstruct.accounts import factors, passkeys
from konstruct.accounts.ceremonies import Kind
from konstruct.errors import TooMany, Unauthentic
from portal import access, proving
from portal.access import anybody
from portal.entering import let_in
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(dependencies=[Depends(anybody())])

_SIGN_IN: Final = "sign-in"
_SECOND: Final = "second factor"

Answer = Annotated[str, Form()]


@router.post("/sign-in/passkey/options")
async def options(request: Request) -> Response:
    return await proving.challenge(request, passkeys.ask_to_show(proving.site(request)), _SIGN_IN)


@router.post("/sign-in/passkey")
async def sign_in(request: Request, answer: Answer = "", next: Annotated[str, Form()] = "/") -> Response:
    try:
        user_id = await proving.shown_passkey(request, _SIGN_IN, answer)
    except Unauthentic as error:
        return redirect(request, "/sign-in", toast=Toast(str(error), "error"))
    return await _in(request, user_id, factor="passkey", to=next, drop="passkey")


@router.get("/sign-in/factor")
async def ask(request: Request) -> Response:
    facts = await proving.look(request, "factor")
    if facts is None:
        return _anew(request)
    return await _page(request, facts)


@router.post("/sign-in/factor")
async def check(request: Request, code: Annotated[str, Form()] = "") -> Response:
    facts = await proving.look(request, "factor")
    if facts is None:
        return _anew(request)
    found = services(request)
    try:
        kind = await factors.check_code(
            found.database,
            found.vault,
            found.limiter,
            found.settings.portal_address,
            access.client(request),
            UUID(facts["person"]),
            code,
        )
    except (Unauthentic, TooMany) as error:
        return await _page(request, facts, 429 if isinstance(error, TooMany) else 422, {"code": str(error)})
    return await _done(request, kind)


@router.post("/sign-in/factor/passkey/options")
async def second_options(request: Request) -> Response:
    facts = await proving.look(request, "factor")
    if facts is None:
        return JSONResponse({"error": proving.OVER}, 401)
    user_id = UUID(facts["person"])
    async with services(request).database.account_session(user_id) as session:
        held = await passkeys.listing(session, user_id)
    return await proving.challenge(request, passkeys.ask_to_show(proving.site(request), held), _SECOND, user_id)


@router.post("/sign-in/factor/passkey")
async def check_passkey(request: Request, answer: Answer = "") -> Response:
    facts = await proving.look(request, "factor")
    if facts is None:
        return _anew(request)
    try:
        await proving.shown_passkey(request, _SECOND, answer, UUID(facts["person"]))
    except Unauthentic as error:
        return await _page(request, facts, 422, {"": str(error)})
    return await _done(request, "passkey")


async def _done(request: Request, kind: str) -> Response:
    # Taken only now: a wrong code is no reason to ask for the password again.
    facts = await proving.take(request, "factor")
    if facts is None:
        return _anew(request)
    return await _in(request, UUID(facts["person"]), factor=f"{facts['factor']}+{kind}", to=facts["to"], drop="factor")


async def _in(request: Request, user_id: UUID, *, factor: str, to: str, drop: Kind) -> Response:
    response = await let_in(request, user_id, factor=factor, to=to)
    proving.drop(response, drop)
    return response


async def _page(
    request: Request, facts: dict[str, str], status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    user_id = UUID(facts["person"])
    async with services(request).database.account_session(user_id) as session:
        held = await factors.held(session, user_id)
    return render(request, "pages/second_factor/ask.html", status, held=held, errors=errors or {})


def _anew(request: Request) -> Response:
    return redirect(request, "/sign-in", toast=Toast(proving.OVER, "warning"))
