"""Every page of the portal, for members of two tenants in four roles and for who is not signed in.

Taken from the routes themselves and the table of permissions: a page that is added is walked without being named here.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request

from konstruct.accounts.permissions import PERMISSIONS, ROLES, Role
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal import access
from portal.access import Access, Anybody, AnyPerson, May
from portal.app import build
from portal.guard import Guard
from tests.support.http import serve
from tests.support.members import COOKIE, Enrolled, enrolled, let_time_pass

# What stands in a path in place of its parameters: nothing that there is.
_PLACES: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_SAFE: Final = ("GET", "HEAD")


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    access: Access

    def at(self, tenant: str) -> str:
        def filled(match: re.Match[str]) -> str:
            if match[1] == "tenant":
                return tenant
            return str(uuid4()) if match[1].endswith("id") else "a" * 43

        return _PLACES.sub(filled, self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def walked(guard: Guard) -> list[Route]:
    assert isinstance(guard.app, FastAPI)
    return [
        Route(method, path, declared)
        for path, methods, declared in access.declared(guard.app.routes)
        for method in methods
        if method != "HEAD"
    ]


@pytest.fixture(scope="module")
async def guard(settings: Settings) -> AsyncIterator[Guard]:
    built = build(settings)
    # So that what is a stream ends at once: here an answer is had when it is whole.
    built.services.watching.end()
    yield built
    await built.services.close()


@pytest.fixture(scope="module")
async def visitor(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    said = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=said) as client:
        yield client


@pytest.fixture(scope="module")
async def members(database: Database, vault: Vault) -> Mapping[Role, Enrolled]:
    """One of each role, all of one tenant."""
    owner = await enrolled(database, vault)
    found: dict[Role, Enrolled] = {"owner": owner}
    for role in ROLES:
        if role not in found:
            found[role] = await enrolled(database, vault, role, owner.tenant_id)
    return found


@pytest.fixture(scope="module")
async def stranger(database: Database, vault: Vault) -> Enrolled:
    """The owner of another tenant."""
    return await enrolled(database, vault)


def of_tenants(guard: Guard) -> Iterator[tuple[Route, May]]:
    for route in walked(guard):
        if isinstance(route.access, May):
            yield route, route.access


async def answered(
    visitor: httpx.AsyncClient, route: Route, tenant: str, person: Enrolled | None = None
) -> httpx.Response:
    cookie = {"cookie": f"{COOKIE}={person.cookie}"} if person else {}
    return await visitor.request(route.method, route.at(tenant), headers=cookie)


def test_every_page_says_who_may_open_it(guard: Guard) -> None:
    routes = walked(guard)
    assert len(routes) > 30
    assert all(isinstance(route.access, May | AnyPerson | Anybody) for route in routes)


async def test_who_is_not_signed_in_is_led_to_sign_in(guard: Guard, visitor: httpx.AsyncClient) -> None:
    let_through = {}
    for route in walked(guard):
        if isinstance(route.access, Anybody):
            continue
        answer = await answered(visitor, route, "anything")
        if answer.status_code != 303 or not answer.headers["location"].startswith("/sign-in?next="):
            let_through[str(route)] = answer.status_code
    assert let_through == {}


async def test_another_tenant_is_not_there_for_anybody(
    guard: Guard, visitor: httpx.AsyncClient, members: Mapping[Role, Enrolled], stranger: Enrolled
) -> None:
    let_through = {}
    for route, _ in of_tenants(guard):
        for person, slug in (*((each, stranger.slug) for each in members.values()), (stranger, members["owner"].slug)):
            answer = await answered(visitor, route, slug, person)
            if answer.status_code != 404:
                let_through[f"{route} as {person.role}"] = answer.status_code
    assert let_through == {}


async def test_a_role_that_may_not_is_refused(
    guard: Guard, visitor: httpx.AsyncClient, members: Mapping[Role, Enrolled]
) -> None:
    let_through, refusals = {}, 0
    for route, declared in of_tenants(guard):
        for role, person in members.items():
            if role in PERMISSIONS[declared.permission]:
                continue
            refusals += 1
            answer = await answered(visitor, route, person.slug, person)
            if answer.status_code != 403:
                let_through[f"{route} as {role}"] = answer.status_code
    assert let_through == {}
    assert refusals


async def test_a_role_that_may_is_let_in(
    guard: Guard, visitor: httpx.AsyncClient, members: Mapping[Role, Enrolled]
) -> None:
    """Pages are opened; of what changes something only the door is tried."""
    kept_out = {}
    for route, declared in of_tenants(guard):
        for role, person in members.items():
            if role not in PERMISSIONS[declared.permission]:
                continue
            if route.method in _SAFE:
                status = (await answered(visitor, route, person.slug, person)).status_code
                is_in = status < 500 and status not in (401, 403) and (status != 404 or "{" in route.path[11:])
            else:
                status = await at_the_door(guard, declared, person, person.slug)
                is_in = status == 200
            if not is_in:
                kept_out[f"{route} as {role}"] = status
    assert kept_out == {}


async def at_the_door(guard: Guard, declared: May, person: Enrolled, tenant: str) -> int:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"cookie", f"{COOKIE}={person.cookie}".encode())],
        "app": guard.app,
    }
    try:
        member = await declared(Request(scope), tenant)
    except HTTPException as refused:
        return refused.status_code
    return 200 if member.role == person.role else 500


async def test_whatever_can_be_read_can_be_asked_for_its_head_alone(
    guard: Guard, visitor: httpx.AsyncClient, members: Mapping[Role, Enrolled]
) -> None:
    owner, otherwise = members["owner"], {}
    for route in walked(guard):
        if route.method == "GET":
            answers = [await answered(visitor, replace(route, method=each), owner.slug, owner) for each in _SAFE]
            statuses = [answer.status_code for answer in answers]
            if len(set(statuses)) > 1:
                otherwise[str(route)] = statuses
    assert otherwise == {}
    async with serve(guard) as url, httpx.AsyncClient(base_url=url) as browser:
        whole, head = await browser.get("/sign-in"), await browser.head("/sign-in")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


async def test_pages_of_people_open_for_whoever_is_signed_in(
    guard: Guard, visitor: httpx.AsyncClient, members: Mapping[Role, Enrolled]
) -> None:
    kept_out = {}
    for route in walked(guard):
        if isinstance(route.access, AnyPerson) and route.method in _SAFE:
            answer = await answered(visitor, route, "", members["viewer"])
            # Some want more in their address than a walk can know, and say so.
            if answer.status_code in (401, 403) or answer.status_code >= 500:
                kept_out[str(route)] = answer.status_code
    assert kept_out == {}


async def test_pages_of_anybody_open_without_a_session(guard: Guard, visitor: httpx.AsyncClient) -> None:
    broken = {}
    for route in walked(guard):
        if isinstance(route.access, Anybody):
            answer = await answered(visitor, route, "")
            if answer.status_code >= 500 or answer.headers.get("location", "").startswith("/sign-in?next="):
                broken[str(route)] = answer.status_code
    assert broken == {}


async def test_what_is_delicate_asks_who_has_been_here_for_long(
    guard: Guard, visitor: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    await let_time_pass(database, owner)
    let_through, asked = {}, 0
    for route in walked(guard):
        if isinstance(route.access, May | AnyPerson) and route.access.recent:
            asked += 1
            answer = await answered(visitor, route, owner.slug, owner)
            if not answer.headers.get("location", "").startswith("/account/confirm?next="):
                let_through[str(route)] = answer.status_code
    assert let_through == {}
    assert asked


@pytest.mark.parametrize("permission", ["team.edit", "keys.edit", "api_keys.edit", "billing.edit"])
def test_what_opens_doors_to_others_is_changed_only_by_who_was_just_confirmed(guard: Guard, permission: str) -> None:
    """And whatever of them is not safe asks for it, whichever page it is on."""
    lax = [
        str(route)
        for route, declared in of_tenants(guard)
        if declared.permission == permission and route.method not in _SAFE and not declared.recent
    ]
    assert lax == []
