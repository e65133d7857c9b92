"""Signing in with a password, and out."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.accounts import sessions, signing_in
from konstruct.errors import TooMany, Unauthentic
from portal import access
from portal.access import anybody, visitor
from portal.entering import DEVICE, Text, let_in
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(dependencies=[Depends(anybody())])


@router.get("/sign-in")
async def ask(request: Request, next: str = "/", lost: bool = False) -> Response:
    if await visitor(request) is not None:
        return redirect(request, access.local_path(next))
    return _form(request, next, lost=lost)


@router.post("/sign-in")
async def sign_in(request: Request, email: Text = "", password: Text = "", next: Text = "/") -> Response:
    if not email.strip() or not password:
        return _form(request, next, email, {"email" if not email.strip() else "password": "Fill this in."})
    found = services(request)
    try:
        user_id = await signing_in.check_password(
            found.database,
            found.passwords,
            found.limiter,
            access.client(request),
            email,
            password,
            device=request.cookies.get(DEVICE),
        )
    except (Unauthentic, TooMany) as error:
        return _form(request, next, email, {"": str(error)}, 429 if isinstance(error, TooMany) else 422)
    return await let_in(request, user_id, factor="password", to=next)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    person = await visitor(request)
    if person is not None:
        async with services(request).database.account_session(person.user_id) as session:
            await sessions.end(session, person.session_id)
    response = redirect(request, "/sign-in", toast=Toast("You are signed out."))
    access.drop_session(response)
    return response


def _form(
    request: Request,
    next: str,
    email: str = "",
    errors: dict[str, str] | None = None,
    status: int = 422,
    *,
    lost: bool = False,
) -> Response:
    return render(
        request,
        "pages/sign_in/sign_in.html",
        status if errors else 200,
        next=access.local_path(next),
        email=email,
        errors=errors or {},
        lost=lost,
        providers=list(services(request).providers.values()),
    )
