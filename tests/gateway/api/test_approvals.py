"""Approvals over the API: shown whole, decided once, on what was looked at, and never another tenant's."""

import asyncio
import json
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from gateway import app as gateway_app
from konstruct.contracts import approvals as approval_contracts
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support import approvals
from tests.support.approvals import Waiting
from tests.support.http import serve
from tests.support.office import Office, open_office


@pytest.fixture
async def waiting(office: Office) -> Waiting:
    return await approvals.ask(office)


async def test_an_approval_is_shown_whole(program: Program, waiting: Waiting) -> None:
    answer = await program.get(f"/approvals/{waiting.approval_id}")

    assert answer.status == 200
    shown = answer.body
    assert json.loads(shown["arguments"]) == {"amount": 20, "order": "A-17"}
    assert (shown["employee"], shown["tool"], shown["reason"]) == ("Ada", "refund_order", "It moves money.")
    assert (shown["state"], shown["call_state"], shown["decided_by"]) == ("waiting", "waiting", None)
    assert shown["fingerprint"] == waiting.fingerprint


async def test_arguments_of_any_size_and_with_any_character_are_shown(program: Program, office: Office) -> None:
    arguments = {"text": "x" * 100_000, "odd": "\u202e\u0000\ud800\u2028"}
    waiting = await approvals.ask(office, arguments)

    shown = (await program.get(f"/approvals/{waiting.approval_id}")).body["arguments"]

    assert json.loads(shown) == arguments
    assert r"\u202e\u0000\ud800\u2028" in shown


@pytest.mark.parametrize(("verb", "state"), [("approve", "approved"), ("deny", "denied")])
async def test_a_decision_counts_and_is_told(
    program: Program, office: Office, waiting: Waiting, temporal_client: Client, verb: str, state: str
) -> None:
    decision = {"fingerprint": waiting.fingerprint, "note": "As agreed."}

    answer = await program.post(f"/approvals/{waiting.approval_id}/{verb}", decision)

    assert answer.status == 200
    assert (answer.body["state"], answer.body["decided_by"], answer.body["note"]) == (
        state,
        "api:back-office",
        "As agreed.",
    )
    [event] = await office.events(f"approval.{state}")
    assert event.actor == "api:back-office"
    workflow_id = approval_contracts.workflow_id(office.tenant_id, waiting.approval_id)
    told = await temporal_client.get_workflow_handle(workflow_id).describe()
    assert told.status is WorkflowExecutionStatus.RUNNING


async def test_of_many_at_once_one_decides(program: Program, office: Office, waiting: Waiting) -> None:
    decision = {"fingerprint": waiting.fingerprint}

    answers = await asyncio.gather(
        *(program.post(f"/approvals/{waiting.approval_id}/{verb}", decision) for verb in ("approve", "deny") * 4)
    )

    assert sorted(answer.status for answer in answers) == [200, *[409] * 7]
    assert all("api:back-office" in answer.body["error"] for answer in answers if answer.status == 409)


async def test_a_decision_on_something_else_does_not_count(program: Program, office: Office, waiting: Waiting) -> None:
    answer = await program.post(f"/approvals/{waiting.approval_id}/approve", {"fingerprint": "0" * 32})

    assert answer.status == 409
    assert (await approvals.states(office))[waiting.approval_id] == "waiting"


async def test_what_expired_cannot_be_decided(program: Program, office: Office) -> None:
    waiting = await approvals.ask(office, expires_in=timedelta(seconds=-1))

    answer = await program.post(f"/approvals/{waiting.approval_id}/approve", {"fingerprint": waiting.fingerprint})

    assert answer.status == 409
    assert "expired" in answer.body["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "fingerprint: is missing"),
        ({"fingerprint": ""}, "fingerprint"),
        ({"fingerprint": 7}, "fingerprint"),
        ({"fingerprint": "a", "note": "x" * 1_001}, "note"),
        ({"fingerprint": "a", "because": "x"}, "because: is not known here"),
        ([], "JSON object"),
        ("canary", "JSON object"),
        ({"fingerprint": "\0"}, "NUL"),
        ({"fingerprint": "a", "note": "\ud800"}, "surrogate"),
    ],
)
async def test_a_decision_that_is_none_is_refused_with_a_sentence(
    program: Program, office: Office, waiting: Waiting, body: object, says: str
) -> None:
    answer = await program.post(f"/approvals/{waiting.approval_id}/approve", body)

    assert answer.status == 422
    assert says in answer.body["error"]
    assert "canary" not in answer.body["error"]
    assert (await approvals.states(office))[waiting.approval_id] == "waiting"


async def test_a_body_over_the_limit_is_refused(program: Program, waiting: Waiting) -> None:
    answer = await program.call("POST", f"/approvals/{waiting.approval_id}/approve", raw=b" " * 1_000_001)

    assert answer.status == 413
    assert "1000000 bytes" in answer.body["error"]


async def test_the_list_is_paged_and_filtered(program: Program, office: Office) -> None:
    asked = [await approvals.ask(office) for _ in range(5)]
    await program.post(f"/approvals/{asked[1].approval_id}/deny", {"fingerprint": asked[1].fingerprint})

    seen: list[str] = []
    place = ""
    while page := (await program.get(f"/approvals?limit=2{place}")).body["approvals"]:
        seen += [approval["id"] for approval in page]
        place = f"&before={page[-1]['id']}"
    denied = (await program.get("/approvals?state=denied")).body["approvals"]

    assert seen == [str(one.approval_id) for one in reversed(asked)]
    assert [approval["id"] for approval in denied] == [str(asked[1].approval_id)]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "state=open", "before=x", "page=2"])
async def test_a_page_that_cannot_be_one_is_refused(program: Program, query: str) -> None:
    answer = await program.get(f"/approvals?{query}")

    assert answer.status == 422
    assert query.partition("=")[0] in answer.body["error"]


async def test_another_tenants_approvals_are_not_there(
    api: str, program: Program, waiting: Waiting, database: Database, vault: Vault
) -> None:
    theirs = await program_of(await open_office(database, vault), api)
    place = f"/approvals/{waiting.approval_id}"

    decision = {"fingerprint": waiting.fingerprint}
    answers = [
        await theirs.get(place),
        *[await theirs.post(f"{place}/{verb}", decision) for verb in ("approve", "deny")],
    ]

    assert [answer.status for answer in answers] == [404] * 3
    unknown = await theirs.get(f"/approvals/{new_id()}")
    assert unknown.body["error"] == answers[0].body["error"]
    assert (await theirs.get("/approvals")).body["approvals"] == []
    assert (await theirs.get(f"/approvals?before={waiting.approval_id}")).body["approvals"] == []
    assert (await program.get(place)).body["state"] == "waiting"


async def test_without_temporal_the_decision_stands(
    settings: Settings, program: Program, office: Office, waiting: Waiting
) -> None:
    without = settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
    async with serve(gateway_app.build(without)) as url:
        answer = await Program(url, program.key).post(
            f"/approvals/{waiting.approval_id}/approve", {"fingerprint": waiting.fingerprint}
        )

    assert answer.status == 200
    assert (await approvals.states(office))[waiting.approval_id] == "approved"
