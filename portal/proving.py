"""What a browser holds while somebody proves who they are: cookies that lead to a ceremony and are gone with it.

And the second factor between a password, or a provider, and a session.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from fastapi import Request
from starlette.responses import JSONResponse, Response

from konstruct.accounts import ceremonies, factors, passkeys, throttle
from konstruct.accounts.ceremonies import Kind
from konstruct.accounts.passkeys import Challenge, Site
from konstruct.errors import KonstructError, Unauthentic
from portal import access
from portal.rendering import Toast, redirect
from portal.services import services

_COOKIES: Final[Mapping[Kind, str]] = {
    "passkey": "__Host-konstruct-passkey",
    "provider": "__Host-konstruct-provider",
    "factor": "__Host-konstruct-factor",
    "sign-up": "__Host-konstruct-provided",
}
_NAMELESS: Final = (
    "Passkeys are for an address with a name, not for a number. On this machine, open the portal as localhost instead"
    " of 127.0.0.1."
)
OVER: Final = "That took too long, or was done already. Begin anew."


async def begin(request: Request, response: Response, kind: Kind, facts: Mapping[str, str]) -> None:
    """Raises TooMany."""
    found = services(request)
    await throttle.ceremony(found.limiter, access.client(request))
    token = await ceremonies.begin(found.database, found.vault, kind, facts)
    response.set_cookie(
        _COOKIES[kind],
        token.get_secret_value(),
        max_age=int(ceremonies.LASTS.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


async def look(request: Request, kind: Kind) -> dict[str, str] | None:
    token = request.cookies.get(_COOKIES[kind])
    found = services(request)
    return await ceremonies.look(found.database, found.vault, kind, token) if token else None


async def take(request: Request, kind: Kind) -> dict[str, str] | None:
    """What was put down; None when it is over, or was another browser's."""
    token = request.cookies.get(_COOKIES[kind])
    found = services(request)
    return await ceremonies.take(found.database, found.vault, kind, token) if token else None


def drop(response: Response, kind: Kind) -> None:
    response.delete_cookie(_COOKIES[kind], path="/", secure=True, httponly=True, samesite="lax")


def address(request: Request) -> str:
    """The portal's, as this browser has it: on one machine it has several names, and the guard let this one pass."""
    return (services(request).settings.portal_public_url or str(request.base_url)).rstrip("/")


def site(request: Request) -> Site:
    return Site.of(address(request))


async def challenge(request: Request, asked: Challenge, purpose: str, user_id: UUID | None = None) -> Response:
    """Answers the page's script with what the device is to be asked. Only an answer for the same purpose, and person,
    counts."""
    if not site(request).has_name:
        return JSONResponse({"error": _NAMELESS}, 422)
    response = JSONResponse(asked.options)
    facts = {"challenge": asked.challenge, "purpose": purpose, "person": str(user_id or "")}
    try:
        await begin(request, response, "passkey", facts)
    except KonstructError as error:
        return JSONResponse({"error": str(error)}, error.status)
    return response


async def challenged(request: Request, purpose: str, user_id: UUID | None = None) -> str:
    """The challenge that this browser was set. Raises Unauthentic."""
    facts = await take(request, "passkey")
    if facts is None or (facts["purpose"], facts["person"]) != (purpose, str(user_id or "")):
        raise Unauthentic(OVER)
    return facts["challenge"]


async def shown_passkey(request: Request, purpose: str, answer: str, user_id: UUID | None = None) -> UUID:
    """Whose passkey it is, when it holds. ``user_id``: whose it must be. Raises Unauthentic."""
    expected = await challenged(request, purpose, user_id)
    database = services(request).database
    owner = user_id or await passkeys.owner(database, answer)
    async with database.account_session(owner) as session:
        await passkeys.show(session, site(request), owner, challenge=expected, answer=answer)
    return owner


async def ask_for_second(
    request: Request, user_id: UUID, *, factor: str, to: str, toast: Toast | None = None
) -> Response | None:
    """The way to the page that asks for the second factor; None when there is none to be asked for.

    ``factor``: how the person has shown who they are so far. A passkey is both factors in one.
    """
    if factor == "passkey" or "+" in factor or not await factors.has_second(services(request).database, user_id):
        return None
    response = redirect(request, "/sign-in/factor", toast=toast)
    await begin(request, response, "factor", {"person": str(user_id), "factor": factor, "to": to})
    return response
