"""Owners of one business who know ids of another's: whatever they ask by them, in addresses or forms, is not there."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import func
from sqlmodel import col, select

from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.tables import (
    Approval,
    AuditEvent,
    Connection,
    Consult,
    Contact,
    EmployeePicture,
    File,
    Handoff,
    Invitation,
    KnowledgeDocument,
    Membership,
    Memory,
)
from konstruct.vault import Vault
from portal.app import build
from portal.guard import Guard
from tests.support.members import COOKIE, Enrolled, enrolled
from tests.support.office import Office, open_office
from tests.support.showroom import Showroom, furnish

_PLACES: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_TABLES: Final[dict[str, Any]] = {
    "approval_id": Approval,
    "event_id": AuditEvent,
    "connection": Connection,
    "consult_id": Consult,
    "contact": Contact,
    "picture_id": EmployeePicture,
    "file_id": File,
    "handoff": Handoff,
    "invitation_id": Invitation,
    "document_id": KnowledgeDocument,
    "fact": Memory,
}


@dataclass(frozen=True)
class Break:
    """``known``: of each parameter of an address, and each field of a form, something that is the other's."""

    guard: Guard
    visitor: httpx.AsyncClient
    intruder: Enrolled
    known: dict[str, str]

    def address(self, path: str) -> str:
        return _PLACES.sub(lambda found: self.intruder.slug if found[1] == "tenant" else self.known[found[1]], path)

    async def answer(self, method: str, path: str, fields: dict[str, str] | None = None) -> httpx.Response:
        cookie = {"cookie": f"{COOKIE}={self.intruder.cookie}"}
        return await self.visitor.request(method, self.address(path), data=fields, headers=cookie)


@pytest.fixture(scope="module")
async def other(database: Database, vault: Vault) -> Showroom:
    return await furnish(database, vault)


@pytest.fixture(scope="module")
async def broken_into(settings: Settings, database: Database, vault: Vault, other: Showroom) -> AsyncIterator[Break]:
    own = await open_office(database, vault)
    intruder = await enrolled(database, vault, "owner", own.tenant_id, name="Eve Moor")
    known = {"tenant": "x", "message": str(new_id()), "conversation_id": str(other.conversation)}
    async with other.rich.session() as session:
        for name, table in _TABLES.items():
            known[name] = str(await session.scalar(select(col(table.id)).limit(1)) or new_id())
        known["user_id"] = str(await session.scalar(select(col(Membership.user_id)).limit(1)))
        known["contact_id"] = known["other_id"] = known["contact"]
        sources = select(KnowledgeDocument.source_id).limit(1)
        known["conversation"] = known["conversation_id"]
        known |= {"source": str(await session.scalar(sources) or new_id()), "tool": "order-status", "key": "nadia"}
    known |= {"provider": "openai", "number": "1", "section": "api", "name": "a", "to": "linus"}
    guard = build(settings)
    guard.services.watching.end()
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    said = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=said) as visitor:
        yield Break(guard, visitor, intruder, known)
    await guard.services.close()


def routes(guard: Guard) -> Iterator[tuple[str, str, list[str]]]:
    """Those of a business that name something in it: method, path and the form's fields."""
    assert isinstance(guard.app, FastAPI)
    for route in iter_route_contexts(guard.app.routes):
        if isinstance(route.original_route, APIRoute) and "{tenant}" in str(route.path):
            fields = list(_fields(route.dependant))
            if len(_PLACES.findall(str(route.path))) > 1 or set(fields) & set(_TABLES):
                yield from ((method, str(route.path), fields) for method in route.methods or () if method != "HEAD")


def _fields(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.body_params)
    for inner in dependant.dependencies:
        yield from _fields(inner)


async def events(office: Office) -> int:
    async with office.session() as session:
        return await session.scalar(select(func.count(col(AuditEvent.id)))) or 0


async def test_what_is_another_business_s_is_neither_shown_nor_touched(broken_into: Break, other: Showroom) -> None:
    before = await events(other.rich)
    never = (other.owner.slug, other.owner.email, "Featherstonehaugh", "Amara Osei")
    shown, failed, asked = {}, {}, 0
    for method, path, fields in routes(broken_into.guard):
        form = {name: broken_into.known.get(name, "x") for name in fields} if method == "POST" else None
        answer = await broken_into.answer(method, path, form)
        asked += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            failed[f"{method} {path}"] = answer.status_code
        if found := [each for each in never if each in answer.text]:
            shown[f"{method} {path}"] = found
        of_ids = [name for name in _PLACES.findall(path) if name.endswith("_id")]
        if method == "GET" and of_ids and answer.status_code != 404:
            shown[f"{method} {path}"] = [str(answer.status_code)]
    assert asked > 80
    assert (shown, failed) == ({}, {})
    assert await events(other.rich) == before


@pytest.mark.parametrize(
    "where",
    [
        "audit?since=0001-01-01&until=9999-12-31",
        "audit?since=9999-12-31",
        "conversations?since=0001-01-01",
        "conversations?until=9999-12-31",
        "usage?from=0001-01-01&to=9999-12-31",
        "outcomes?from=2000-01-01",
        "usage/conversations?cost=1e30&before=0192f0c1-7a5e-7c3b-9d41-5f8e2b6a1c90",
        "employees/ada/versions/99999999999999999999",
        "inbox?view=all&after=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMDE5MmYwYzEtN2E1ZS03YzNiLTlkNDEtNWY4ZTJiNmExYzkwIl0",
        "inbox?q=%ED%A0%80",
        "search?q=%ED%A0%80%EF%BF%BF",
        "contacts?q=%F4%8F%BF%BF",
        "conversations?before=0001-01-01T00:00:00%2B14:00~0192f0c1-7a5e-7c3b-9d41-5f8e2b6a1c90",
    ],
)
async def test_addresses_beyond_all_numbers_and_days_are_told_so(broken_into: Break, where: str) -> None:
    answer = await broken_into.answer("GET", f"/t/{{tenant}}/{where}".replace("{tenant}", broken_into.intruder.slug))
    assert answer.status_code < 500, answer.text


async def test_passages_beyond_all_numbers_are_none(broken_into: Break, other: Showroom) -> None:
    cookie = {"cookie": f"{COOKIE}={other.owner.cookie}"}
    source = re.search(
        r'href="(/t/[^"]+/knowledge/(?!new|try)[a-z0-9-]+)"',
        (await broken_into.visitor.get(f"/t/{other.owner.slug}/knowledge", headers=cookie)).text,
    )
    assert source
    address = f"{source[1]}/documents/{broken_into.known['document_id']}"
    for after in ("99999999999", "-99999999999", "9" * 5_000):
        answer = await broken_into.visitor.get(address, params={"after": after}, headers=cookie)
        assert answer.status_code < 500


async def test_nobody_is_seen_where_there_is_nothing_to_look_at(broken_into: Break, other: Showroom) -> None:
    """Else room for those who are seen is taken by ids that somebody made up."""
    for conversation_id in (other.conversation, new_id()):
        path = f"/t/{broken_into.intruder.slug}/inbox/{conversation_id}/presence"
        answer = await broken_into.answer("POST", path, {"state": "writing"})
        assert answer.status_code == 404
    presence = broken_into.guard.services.presence
    assert presence is not None
    assert await presence.seen(broken_into.intruder.tenant_id) == {}
