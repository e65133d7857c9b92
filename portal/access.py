"""Who may open a page: each route declares ``may``, ``signed_in`` or ``anybody``, once, or the app is not built.

Whoever is let in is found in ``request.state.person`` and, on a tenant's pages, ``request.state.member``. A tenant that
does not exist and one that somebody is no member of are the same to them: there is no page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from konstruct.accounts import factors, permissions, sessions
from konstruct.accounts.sessions import Client, Seat, SignedIn
from konstruct.accounts.team import By
from konstruct.billing import entitlements
from konstruct.budgets import alerts
from konstruct.errors import Misconfigured, NotAllowed, Unauthentic
from konstruct.identity import TenantId
from portal.services import services

COOKIE: Final = "__Host-konstruct"
BY_ITSELF: Final = "x-by-itself"
"""The header by which a page says that nobody pressed anything: it looked by itself."""
_SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Person(SignedIn):
    """Somebody who is signed in, on a page of their own."""

    @property
    def actor(self) -> str:
        return f"user:{self.user_id}"


@dataclass(frozen=True)
class Member(Person):
    """Somebody who is signed in, on a page of a tenant of theirs."""

    tenant_id: TenantId
    tenant_slug: str
    tenant_name: str
    role: str

    def may(self, permission: str) -> bool:
        return permissions.allows(self.role, permission)

    @property
    def by(self) -> By:
        return By(self.user_id, self.role)


class SignInNeeded(Unauthentic):
    """Nobody is signed in, or nobody any more."""


class ConfirmationNeeded(Unauthentic):
    """What is delicate is for who has just shown who they are."""


class SecondFactorNeeded(NotAllowed):
    """The tenant asks everybody for one, and this member has none."""


class Access:
    """What a route declares as who may open it."""


class May(Access):
    def __init__(self, permission: str, *, recent: bool) -> None:
        if permission not in permissions.PERMISSIONS:
            raise Misconfigured(f"{permission} is not in the table of permissions.")
        self.permission = permission
        self.recent = recent

    async def __call__(self, request: Request, tenant: str) -> Member:
        found = await _signed_in(request)
        seat = next((seat for seat in found.seats if seat.slug == tenant), None)
        if seat is None:
            raise HTTPException(404)
        member = await seated(request, found, seat, self.permission)
        if self.recent and not found.is_recent:
            raise ConfirmationNeeded("Confirm that it is you.")
        return member


class AnyPerson(Access):
    def __init__(self, *, recent: bool) -> None:
        self.recent = recent

    async def __call__(self, request: Request) -> Person:
        person = Person(**vars(await _signed_in(request)))
        request.state.person = person
        if self.recent and not person.is_recent:
            raise ConfirmationNeeded("Confirm that it is you.")
        return person


class Anybody(Access):
    async def __call__(self, request: Request) -> None:
        """Lets in whoever comes. A page that looks otherwise to people who are signed in asks ``visitor``."""


def may(permission: str, *, recent: bool = False) -> May:
    """Members of the tenant in the path whose role allows it.

    ``recent``: the password or second factor was given within the last ten minutes, or is asked for again.
    """
    return May(permission, recent=recent)


def signed_in(*, recent: bool = False) -> AnyPerson:
    return AnyPerson(recent=recent)


def anybody() -> Anybody:
    return Anybody()


async def seated(request: Request, found: SignedIn, seat: Seat, permission: str) -> Member:
    """Who is let in on what is the tenant's, wherever its name is not in the path but found out. Raises as ``may`` does
    for whose role does not allow it, and for who lacks the second factor that the tenant asks for."""
    member = Member(
        **vars(found),
        tenant_id=seat.tenant_id,
        tenant_slug=seat.slug,
        tenant_name=seat.name,
        role=seat.role,
    )
    # Before anything is refused: the page that says so is one of the tenant's, too.
    request.state.member = member
    if seat.requires_second_factor and not await factors.has_second(services(request).database, member.user_id):
        raise SecondFactorNeeded("This business asks everybody for a second factor.")
    if member.may("inbox.read") and request.method == "GET" and request.headers.get("hx-request") != "true":
        request.state.badges = {"inbox": await services(request).watching.waiting(member.tenant_id)}
    if member.may("billing.read") and request.headers.get("hx-request") != "true":
        async with services(request).database.tenant_session(member.tenant_id) as session:
            # Stands on every page, for whoever can put right what it says.
            request.state.entitled = await entitlements.of(session)
            told = await alerts.unseen(session, member.user_id) if member.may("budgets.edit") else {}
        badges = getattr(request.state, "badges", {})
        request.state.badges = badges | {"usage": told.get("budget", 0), "billing": told.get("plan", 0)}
    if not member.may(permission):
        raise HTTPException(403)
    return member


async def is_still_let_in(request: Request, member: Member, permission: str) -> bool:
    """Whether an answer that takes long may go on: whoever was let in would be once more."""
    found = await _found(request, is_used=False)
    seat = next((seat for seat in found.seats if seat.slug == member.tenant_slug), None) if found else None
    if found is None or seat is None or found.user_id != member.user_id:
        return False
    if seat.requires_second_factor and not await factors.has_second(services(request).database, member.user_id):
        return False
    return permissions.allows(seat.role, permission)


async def visitor(request: Request) -> Person | None:
    """Who is signed in, if anybody is, on a page that is for all."""
    found = await _found(request)
    return Person(**vars(found)) if found else None


async def _found(request: Request, *, is_used: bool = True) -> SignedIn | None:
    token = request.cookies.get(COOKIE)
    return await sessions.find(services(request).database, token, is_used=is_used) if token else None


async def _signed_in(request: Request) -> SignedIn:
    found = await _found(request, is_used=BY_ITSELF not in request.headers)
    if found is None:
        raise SignInNeeded("Sign in to see this page.")
    return found


def client(request: Request) -> Client:
    return Client(request.headers.get("user-agent", ""), request.client.host if request.client else "")


def keep_session(response: Response, token: str) -> None:
    """Has the browser hold it until it is closed. When the session ends is the server's to say."""
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="lax", path="/")


def drop_session(response: Response) -> None:
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")


def local_path(said: str | None, default: str = "/") -> str:
    """Where to go on, if it is within the portal: no link to here sends anybody elsewhere."""
    if not said or not said.startswith("/") or said.startswith("//") or "\\" in said or not said.isprintable():
        return default
    try:
        parts = urlsplit(said)
    except ValueError:
        return default
    return default if parts.scheme or parts.netloc else said


def install(app: FastAPI) -> None:
    """Leads who has to show who they are to where they can."""
    app.add_exception_handler(SignInNeeded, _to_sign_in)
    app.add_exception_handler(ConfirmationNeeded, _to_confirmation)
    app.add_exception_handler(SecondFactorNeeded, _to_second_factor)


async def _to_sign_in(request: Request, error: Exception) -> Response:
    response = _led(request, "/sign-in")
    if COOKIE in request.cookies:
        drop_session(response)
    return response


async def _to_confirmation(request: Request, error: Exception) -> Response:
    return _led(request, "/account/confirm")


async def _to_second_factor(request: Request, error: Exception) -> Response:
    return _led(request, "/account/second-factor-needed")


def _led(request: Request, to: str) -> Response:
    """To a page from which one comes back. What was typed into a form cannot come along, and that page says so."""
    is_htmx = request.headers.get("hx-request") == "true"
    if request.method in _SAFE and not is_htmx:
        back = _path(str(request.url))
    else:
        back = _path(request.headers.get("hx-current-url") or request.headers.get("referer", ""))
    lost = "" if request.method in _SAFE else "&lost=1"
    where = f"{to}?next={quote(back, safe='/')}{lost}"
    if is_htmx:
        return Response(headers={"hx-redirect": where})
    return RedirectResponse(where, 303)


def _path(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return local_path(parts.path + (f"?{parts.query}" if parts.query else ""))


def declared(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, Sequence[str], Access]]:
    """Path, methods and what is declared of each route.

    Raises:
        Misconfigured: one declares nothing, or more than one, or is for members of a tenant that it does not name.
    """
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute):
            continue
        path, methods, found = str(route.path), sorted(route.methods or ()), _accesses(route.dependant)
        if len(found) != 1:
            raise Misconfigured(f"{path} declares {len(found)} times who may open it; it must be once.")
        if isinstance(found[0], May) != ("{tenant}" in path):
            raise Misconfigured(f"{path} must name a tenant if it is for members of one, and only then.")
        yield path, methods, found[0]


def _accesses(dependant: Dependant) -> Sequence[Access]:
    own = (dependant.call,) if isinstance(dependant.call, Access) else ()
    return [*own, *(access for part in dependant.dependencies for access in _accesses(part))]
