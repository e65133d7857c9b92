"""The API is as it is described: what F14-schema found to be otherwise, and is kept."""

from collections.abc import Mapping
from typing import Any

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.office import Office, open_office


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault)


@pytest.fixture
async def paths(api: str) -> dict[str, Mapping[str, Any]]:
    answer = await Program(api, None).get("/openapi.json")
    found: dict[str, Mapping[str, Any]] = answer.body["paths"]
    return found


async def test_an_address_says_all_methods_that_it_takes(api: str, paths: dict[str, Mapping[str, Any]]) -> None:
    for path, methods in paths.items():
        answer = await Program(api, None).call("TRACE", path)
        assert answer.status == 405
        assert answer.headers["Allow"] == ", ".join(sorted(method.upper() for method in methods)), path


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/reports/usage.csv", ""),
        ("/reports/ledger.csv", ""),
        ("/reports/outcomes.csv", ""),
        ("/conversations/{conversation_id}/export", "?format=text"),
        ("/conversations/{conversation_id}/export", "?format=json"),
    ],
)
async def test_what_is_handed_out_is_of_a_type_that_is_described(
    api: str, office: Office, paths: dict[str, Mapping[str, Any]], path: str, query: str
) -> None:
    said = await office.say()
    program = await program_of(office, api)

    answer = await program.get(path.format(conversation_id=said.conversation_id) + query)

    assert answer.status == 200
    assert answer.headers["Content-Type"].partition(";")[0] in paths[path]["get"]["responses"]["200"]["content"]
