"""Who may open a page. Every route declares one of ``may``, ``signed_in`` and ``anybody``; the app refuses others.

Whoever is let in is found in ``request.state.person`` and, on a tenant's pages, ``request.state.member``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from konstruct.errors import Misconfigured, Unauthentic
from konstruct.identity import TenantId


@dataclass(frozen=True)
class Seat:
    """A tenant that one is a member of."""

    slug: str
    name: str
    role: str


@dataclass(frozen=True)
class Person:
    user_id: UUID
    session_id: UUID
    name: str
    email: str
    time_zone: str
    seats: Sequence[Seat]

    @property
    def actor(self) -> str:
        return f"user:{self.user_id}"


@dataclass(frozen=True)
class Member(Person):
    tenant_id: TenantId
    tenant_slug: str
    tenant_name: str
    role: str

    def may(self, permission: str) -> bool:
        return True


class Access:
    """What a route declares as who may open it."""


class May(Access):
    def __init__(self, permission: str, *, recent: bool) -> None:
        self.permission = permission
        self.recent = recent

    async def __call__(self, request: Request, tenant: str) -> Member:
        raise Unauthentic("Sign in to see this page.")


class SignedIn(Access):
    def __init__(self, *, recent: bool) -> None:
        self.recent = recent

    async def __call__(self, request: Request) -> Person:
        raise Unauthentic("Sign in to see this page.")


class Anybody(Access):
    async def __call__(self, request: Request) -> None:
        """Lets in whoever comes. A page that looks otherwise to people who are signed in asks ``visitor``."""


def may(permission: str, *, recent: bool = False) -> May:
    """``recent``: the password or second factor was given within the last ten minutes, or is asked for again."""
    return May(permission, recent=recent)


def signed_in(*, recent: bool = False) -> SignedIn:
    return SignedIn(recent=recent)


def anybody() -> Anybody:
    return Anybody()


async def visitor(request: Request) -> Person | None:
    """Who is signed in, if anybody is, on a page that is for all."""
    return None


def declared(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, Sequence[str], Access]]:
    """Path, methods and what is declared of each route.

    Raises:
        Misconfigured: one declares nothing, or more than one.
    """
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute):
            continue
        path, methods, found = str(route.path), sorted(route.methods or ()), _accesses(route.dependant)
        if len(found) != 1:
            raise Misconfigured(f"{path} declares {len(found)} times who may open it; it must be once.")
        yield path, methods, found[0]


def _accesses(dependant: Dependant) -> Sequence[Access]:
    own = (dependant.call,) if isinstance(dependant.call, Access) else ()
    return [*own, *(access for part in dependant.dependencies for access in _accesses(part))]
