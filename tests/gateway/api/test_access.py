"""Who may ask the API for what: every route, without a key, with the wrong one, and across tenants."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from temporalio.client import Client

from gateway.api import app as api_app
from konstruct import api_keys
from konstruct.api_keys import SCOPES
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.limits import LocalLimiter
from konstruct.ports import Limit
from konstruct.vault import Vault
from tests.gateway.programs import NOTHING_OUTSIDE, Answer, Program, program_of
from tests.support.approvals import ask
from tests.support.doubles import KeptFiles
from tests.support.http import serve
from tests.support.office import Office

KEY_OF_NOBODY = "kst_" + "A" * 43


ASKS = ("/knowledge/search", "/draft/check", "/audit/check")
"""Posted, and changing nothing that anybody works with."""
SUBJECTS = {
    "attention": {"reports"},
    "budgets": {"reports", "settings"},
    # What people do beside taking a conversation over.
    "consults": {"handoffs"},
    "conversations": {"conversations", "handoffs"},
    "employee-pictures": {"employees"},
    "files": {"conversations", "handoffs"},
    "saved-replies": {"handoffs", "settings"},
    "inbox": {"handoffs"},
    "starting-points": {"employees"},
}
"""Whose scopes open what is elsewhere than its subject."""


@pytest.fixture
async def description(api: str) -> dict[str, Any]:
    answer = await Program(api, None).get("/openapi.json")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


Route = tuple[str, str, tuple[str, ...]]


@pytest.fixture
def routes(description: dict[str, Any]) -> list[Route]:
    """(method, path with made-up ids, scopes of which one is enough) of all."""
    found = []
    for path, methods in description["paths"].items():
        for method, about in methods.items():
            [needed] = [scheme["HTTPBearer"] for scheme in about["security"] if scheme.get("HTTPBearer")]
            place = path
            for parameter in about.get("parameters", []):
                if parameter["in"] == "path":
                    made_up = str(new_id()) if parameter["schema"].get("format") == "uuid" else "made-up"
                    place = place.replace(f"{{{parameter['name']}}}", made_up)
            found.append((method.upper(), place, tuple(needed)))
    assert found
    return found


def is_refused(answer: Answer, status: int, *words: str) -> bool:
    return answer.status == status and all(word in answer.body["error"] for word in words)


def test_the_description_knows_all_routes(
    database: Database, vault: Vault, temporal_client: Client, description: dict[str, Any]
) -> None:
    app = api_app.build(database, vault, LocalLimiter(), temporal_client, {}, KeptFiles(), NOTHING_OUTSIDE)
    routes = iter_route_contexts(app.routes)
    built = {(route.path_format, method) for route in routes for method in (route.methods or {"ANY"})}
    described = {(path, method.upper()) for path, methods in description["paths"].items() for method in methods}
    assert built - described == {("/openapi.json", "GET"), ("/openapi.json", "HEAD")}
    assert described - built == set()


async def test_no_route_answers_without_a_valid_key(api: str, routes: list[Route]) -> None:
    for method, path, _ in routes:
        for key in (None, "", "kst_x", KEY_OF_NOBODY, "é", "Bearer"):
            answer = await Program(api, key).call(method, path, {})
            assert is_refused(answer, 401), (method, path, key)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic {0}", "Token {0}", "{0}", "Bearer {0} {0}", "Bearer  "])
async def test_a_key_counts_as_a_bearer_token_alone(api: str, office: Office, header: str) -> None:
    program = await program_of(office, api)

    sent = {"Authorization": header.format(program.key)}

    assert is_refused(await Program(api, None).call("GET", "/approvals", headers=sent), 401)
    assert is_refused(await Program(api, None).call("GET", f"/approvals?key={program.key}"), 401)


def test_what_changes_something_takes_more_than_a_scope_to_read(routes: list[Route]) -> None:
    """A route's scope is of its subject, by the first part of its path; what only reads takes no more than to read."""
    for method, path, scopes in routes:
        only_reads = (method == "GET" or path.endswith(ASKS)) and not path.endswith("/rehearsal")
        named = path.split("/")[1]
        for scope in scopes:
            subject, _, allows = scope.partition(":")
            assert subject in SUBJECTS.get(named, {named}), (method, path)
            assert (allows == "read") == only_reads, (method, path)


async def test_every_route_needs_its_scope_and_says_which(api: str, office: Office, routes: list[Route]) -> None:
    for scopes in {scopes for _, _, scopes in routes}:
        others = [other for other in SCOPES if other not in scopes]
        program = await program_of(office, api, *others, name=f"without-{'-'.join(scopes).replace(':', '-')}")
        for method, path, needed in routes:
            if needed == scopes:
                assert is_refused(await program.call(method, path, {}), 403, *scopes), (method, path)


async def test_a_revoked_key_is_refused_at_once(api: str, office: Office) -> None:
    program = await program_of(office, api)
    assert (await program.get("/approvals")).status == 200
    async with office.session() as session:
        await api_keys.revoke(session, office.tenant_id, "back-office", actor="test")

    assert is_refused(await program.get("/approvals"), 401)


async def test_who_asks_is_known_before_the_body_is_read(api: str) -> None:
    """A stranger's upload is not waited for."""
    host, _, port = api.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/approvals/%s/approve HTTP/1.1\r\nHost: x\r\n" % str(new_id()).encode())
    writer.write(b"Content-Length: 500\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b"401" in await reader.readline()
    writer.close()


async def test_a_key_that_is_used_too_often_has_to_wait(
    database: Database, vault: Vault, temporal_client: Client, office: Office
) -> None:
    limit = Limit(3, timedelta(hours=1))
    gateway = FastAPI()
    gateway.mount(
        "/api/v1",
        api_app.build(database, vault, LocalLimiter(), temporal_client, {}, KeptFiles(), NOTHING_OUTSIDE, limit=limit),
    )
    async with serve(gateway) as url:
        program, another = await program_of(office, url), await program_of(office, url, name="another")

        answers = [await program.get("/approvals") for _ in range(4)]

        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
        assert (await another.get("/approvals")).status == 200


async def test_every_answer_has_an_id_and_is_kept_by_nobody(api: str, office: Office) -> None:
    program = await program_of(office, api)
    answers = [
        await program.get("/approvals"),
        await program.get(f"/approvals/{new_id()}"),
        await program.get("/nowhere"),
        await program.call("DELETE", "/approvals"),
        await Program(api, None).get("/approvals"),
    ]

    assert [answer.status for answer in answers] == [200, 404, 404, 405, 401]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert [answer.body["request_id"] for answer in answers[1:]] == ids[1:]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert {answer.headers["X-Content-Type-Options"] for answer in answers} == {"nosniff"}


async def test_what_breaks_on_our_side_is_no_business_of_the_caller(
    vault: Vault, database: Database, temporal_client: Client, api: str, office: Office
) -> None:
    program = await program_of(office, api)

    class Broken(LocalLimiter):
        async def check(self, *_: object) -> Any:
            raise RuntimeError("canary")

    gateway = FastAPI()
    gateway.mount(
        "/api/v1", api_app.build(database, vault, Broken(), temporal_client, {}, KeptFiles(), NOTHING_OUTSIDE)
    )
    async with serve(gateway) as url:
        with structlog.testing.capture_logs() as logs:
            answer = await Program(url, program.key).get("/approvals")

    assert answer.status == 500
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert "canary" not in json.dumps(answer.body)
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]


async def test_what_only_an_operator_can_mend_is_told_to_nobody_else(
    database: Database, temporal_client: Client, api: str, office: Office
) -> None:
    program, waiting = await program_of(office, api), await ask(office)
    keyless = Vault((SecretStr(Fernet.generate_key().decode()),))
    gateway = FastAPI()
    gateway.mount(
        "/api/v1", api_app.build(database, keyless, LocalLimiter(), temporal_client, {}, KeptFiles(), NOTHING_OUTSIDE)
    )
    async with serve(gateway) as url:
        with structlog.testing.capture_logs() as logs:
            answer = await Program(url, program.key).get(f"/approvals/{waiting.approval_id}")

    assert is_refused(answer, 503, "our side")
    assert "KONSTRUCT_ENCRYPTION_KEYS" not in answer.body["error"]
    assert any("KONSTRUCT_ENCRYPTION_KEYS" in line.get("error", "") for line in logs)


async def test_without_a_database_the_same_may_be_asked_again(
    vault: Vault, temporal_client: Client, api: str, office: Office
) -> None:
    program = await program_of(office, api)
    nowhere = Database(SecretStr("postgresql://konstruct_app@127.0.0.1:1/konstruct"))
    gateway = FastAPI()
    gateway.mount(
        "/api/v1", api_app.build(nowhere, vault, LocalLimiter(), temporal_client, {}, KeptFiles(), NOTHING_OUTSIDE)
    )
    async with serve(gateway) as url:
        answer = await Program(url, program.key).get("/approvals")

    assert is_refused(answer, 503, "database")
    assert int(answer.headers["Retry-After"]) > 0


async def test_no_page_of_documentation_is_served(api: str) -> None:
    for path in ("/docs", "/redoc", "/"):
        assert (await Program(api, None).get(path)).status == 404


class TestNonsense:
    """Nothing that can be sent makes the gateway stumble."""

    @pytest.fixture
    async def program(self, api: str, office: Office) -> Program:
        return await program_of(office, api)

    @hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        body=st.one_of(
            st.binary(max_size=200),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=10,
            ).map(lambda document: json.dumps(document).encode()),
            st.dictionaries(
                st.sampled_from(["fingerprint", "note", "query", "kind", "url", "title", "limit"]),
                st.text(st.characters(exclude_categories=())) | st.integers() | st.none(),
            ).map(lambda document: json.dumps(document).encode()),
        ),
        data=st.data(),
    )
    async def test_bodies(self, program: Program, routes: list[Route], body: bytes, data: st.DataObject) -> None:
        method, path, _ = data.draw(st.sampled_from(routes))

        assert (await program.call(method, path, raw=body)).status < 500, (method, path, body)

    @pytest.mark.parametrize("made_up", ["%00", "%ff", "%ed%a0%80", "..%2f..", "%E2%80%AE", "a" * 5_000, "'--", "{}"])
    async def test_ids(self, program: Program, routes: list[Route], made_up: str) -> None:
        for method, path, _ in routes:
            parts = [made_up if part == "made-up" or _is_id(part) else part for part in path.split("/")]
            assert (await program.call(method, "/".join(parts), {})).status < 500, (method, path)

    @pytest.mark.parametrize(
        "query",
        [
            "before=x",
            "before=%00",
            "limit=0",
            "limit=-1",
            "limit=1e9",
            "limit=101",
            "limit=x",
            "state=%00",
            "state=",
            "other=1",
            "name=%00",
            "limit=1&limit=2&limit=x",
        ],
    )
    async def test_queries(self, program: Program, routes: list[Route], query: str) -> None:
        for method, path, _ in routes:
            assert (await program.call(method, f"{path}?{query}", {})).status < 500, (method, path)


def _is_id(part: str) -> bool:
    try:
        UUID(part)
    except ValueError:
        return False
    return True
