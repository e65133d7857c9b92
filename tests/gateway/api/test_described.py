"""The API is as it is described: what F14-schema found to be otherwise, and is kept."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from konstruct.identity import new_id
from tests.gateway.programs import Program, program_of
from tests.support.office import Office


@pytest.fixture
async def paths(api: str) -> dict[str, Mapping[str, Any]]:
    answer = await Program(api, None).get("/openapi.json")
    found: dict[str, Mapping[str, Any]] = answer.body["paths"]
    return found


async def test_an_address_says_all_methods_that_it_takes(api: str, paths: dict[str, Mapping[str, Any]]) -> None:
    for template, methods in paths.items():
        path = template.replace("{channel_id}", str(new_id()))
        answer = await Program(api, None).call("TRACE", path)
        assert answer.status == 405
        assert answer.headers["Allow"] == ", ".join(sorted(method.upper() for method in methods)), path


@pytest.mark.parametrize(
    ("method", "path", "takes"), [("DELETE", "/channels/setup", "GET"), ("GET", "/channels/whatsapp", "POST")]
)
async def test_what_has_a_name_is_no_channel(api: str, method: str, path: str, takes: str) -> None:
    answer = await Program(api, None).call(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, takes)


@pytest.mark.parametrize("path", ["/employees/a%0Ab", "/employees/a/draft%0A", "/channels/no-id", "/nothing"])
async def test_what_is_not_there_is_refused_as_everywhere(api: str, office: Office, path: str) -> None:
    program = await program_of(office, api)
    answer = await program.call("DELETE" if path.endswith("id") else "GET", path)
    assert (answer.status, answer.body.keys()) == (404, {"error", "request_id"})


@pytest.mark.parametrize("moment", ["0", "0.5", "-1e3", "1764000000", " 1"])
async def test_a_number_is_no_moment(api: str, office: Office, moment: str) -> None:
    program = await program_of(office, api)
    for path in ("/audit/events", "/audit/export", "/conversations"):
        for name in ("since", "until"):
            answer = await program.get(f"{path}?{urlencode({name: moment})}")
            assert answer.status == 422
            assert answer.body["error"] == f"{name}: is to be a moment, such as 2026-11-01T09:00:00Z."


@pytest.mark.parametrize("said", [0, 1, "no", "true", None, []])
async def test_only_true_and_false_are(api: str, office: Office, said: object) -> None:
    answer = await (await program_of(office, api)).call("PUT", "/settings/second-factor", {"is_required": said})
    assert answer.status == 422
    assert answer.body["error"].startswith("is_required: ")


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
