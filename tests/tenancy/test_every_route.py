"""Every route of the API, asked by a tenant's program for what another one has: nothing is told, nothing changes."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import pytest

from gateway import app as gateway_app
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support.http import serve
from tests.support.office import Furnished, open_office
from tests.tenancy.conftest import Snapshot

TABLES: Final = {
    "approval_id": "approvals",
    "channel_id": "connections",
    "consult_id": "consults",
    "contact_id": "contacts",
    "conversation_id": "conversations",
    "document_id": "knowledge_documents",
    "event_id": "audit_events",
    "file_id": "files",
    "handoff_id": "handoffs",
    "invitation_id": "invitations",
    "memory_id": "memories",
    "message_id": "messages",
    "other_id": "contacts",
    "picture_id": "employee_pictures",
}
"""Where what a route calls so is kept, by its id."""
KEYS: Final = {
    "/employees/": "select key from employees where tenant_id = $1 and key like 'canary-%'",
    "/knowledge/sources/": "select key from knowledge_sources where tenant_id = $1",
    "/saved-replies/": "select key from canned_replies where tenant_id = $1",
    "/settings/desk/": "select jsonb_object_keys(desk->'people') from tenants where id = $1",
    "/tools/": "select key from tools where tenant_id = $1 and position($1::text in key) = 0",
}
"""By the beginning of a route's path, how what goes by a key there is found; not one with the tenant's id in it, since
whoever asks is told again what for."""
THEIR_OWN: Final = {"PUT /knowledge/sources/{key}", "PUT /tools/{key}", "PUT /saved-replies/{key}"}
"""What is made under whatever key, in the tenant of whoever asks; done last."""
OTHERS: Final[Mapping[str, Any]] = {"number": 1, "room": "C1", "provider": "anthropic"}


@pytest.fixture
async def stranger(settings: Settings, database: Database, vault: Vault) -> AsyncIterator[Program]:
    """A program of a tenant of its own, which may all that there is."""
    async with serve(gateway_app.build(settings)) as url:
        yield await program_of(await open_office(database, vault), url)


@pytest.fixture
async def described(stranger: Program) -> dict[str, Any]:
    answer = await stranger.get("/openapi.json")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


def given(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """As little as it takes, of the right shape."""
    if "$ref" in schema:
        return given(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    match schema:
        case {"enum": [first, *_]} | {"const": first}:
            return first
        case {"anyOf": [first, *_]}:
            return given(first, schemas)
        case {"format": "uuid"}:
            return str(new_id())
        case {"type": "object"}:
            return {name: given(schema["properties"][name], schemas) for name in schema.get("required", ())}
        case {"type": "array"}:
            return [given(schema["items"], schemas)] if schema.get("minItems") else []
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 1)
        case {"type": "boolean"}:
            return False
    return "x" * max(1, schema.get("minLength", 0))


async def place_of(administrator: Any, theirs: Furnished, path: str, parameters: list[dict[str, Any]]) -> str:
    """The path to what is theirs."""
    for parameter in parameters:
        name = parameter["name"]
        if parameter["in"] != "path":
            continue
        found: object = OTHERS.get(name)
        if name == "user_id":
            query = "select user_id from memberships where tenant_id = $1"
            found = await administrator.fetchval(query, theirs.tenant_id)
        elif name in TABLES:
            query = f"select id from {TABLES[name]} where tenant_id = $1 limit 1"
            found = await administrator.fetchval(query, theirs.tenant_id)
        elif name == "key":
            query = next(each for start, each in KEYS.items() if path.startswith(start))
            found = await administrator.fetchval(f"{query} limit 1", theirs.tenant_id)
        assert found is not None, f"Say in {__name__} what of the other tenant {name} in {path} is."
        path = path.replace(f"{{{name}}}", str(found))
    return path


async def asked(stranger: Program, method: str, path: str, route: dict[str, Any], schemas: dict[str, Any]) -> Answer:
    body = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    query = [
        f"{each['name']}={given(each['schema'], schemas)}"
        for each in route.get("parameters", [])
        if each["in"] == "query" and each.get("required")
    ]
    address = path + (f"?{'&'.join(query)}" if query else "")
    content = given(body, schemas) if body else None
    return await stranger.call(method, address, content, headers={"Idempotency-Key": str(new_id())})


async def test_nothing_of_another_tenant_is_told_or_changed_by_any_route(
    stranger: Program, described: dict[str, Any], theirs: Furnished, administrator: Any, snapshot: Snapshot
) -> None:
    before = await snapshot(theirs)
    schemas, not_there = described["components"]["schemas"], 0
    routes = [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]
    for method, template in sorted(routes, key=lambda each: " ".join(each) in THEIR_OWN):
        name, route = f"{method} {template}", described["paths"][template][method.lower()]
        path = await place_of(administrator, theirs, template, route.get("parameters", []))
        answer = await asked(stranger, method, path, route, schemas)
        assert answer.status < 500, (name, answer.body)
        assert str(theirs.tenant_id) not in str(answer.body), name
        assert "Canary" not in str(answer.body), name
        if path != template and name not in THEIR_OWN:
            assert 400 <= answer.status < 500, (name, answer.body)
            not_there += answer.status == 404
    assert not_there > len(described["paths"]) // 3
    assert await snapshot(theirs) == before
