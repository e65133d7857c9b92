"""Consults over the API: listed with what was asked, answered once by whoever was asked, and never another tenant's."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from gateway import app as gateway_app
from konstruct.consults import LONGEST_ANSWER, Asked
from konstruct.contracts import consults as contracts
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support.consults import QUESTION, ask, let_pass, row, set_desk
from tests.support.http import serve
from tests.support.office import Office, open_office


@pytest.fixture
async def office(office: Office) -> Office:
    await set_desk(office)
    return office


@pytest.fixture
async def asked(office: Office) -> Asked:
    return await ask(office)


async def answer(program: Program, asked: Asked, text: str = "Yes.", agent: str = "ben") -> Answer:
    return await program.post(f"/consults/{asked.consult_id}/answer", {"agent": agent, "text": text})


async def test_what_was_asked_is_listed(program: Program, asked: Asked) -> None:
    [shown] = (await program.get("/consults")).body["consults"]
    assert (shown["id"], shown["conversation_id"]) == (str(asked.consult_id), str(asked.conversation_id))
    assert (shown["employee"], shown["colleague"], shown["colleague_name"]) == ("Ada", "ben", "Ben Okoro")
    assert (shown["question"], shown["state"], shown["answer"], shown["settled_at"]) == (QUESTION, "waiting", "", None)


async def test_an_answer_counts_and_is_told(
    program: Program, office: Office, asked: Asked, temporal_client: Client
) -> None:
    answered = await answer(program, asked, "Yes, all of it.")
    assert answered.status == 200
    assert (answered.body["state"], answered.body["answer"]) == ("answered", "Yes, all of it.")
    [event] = await office.events("consult.answered")
    assert event.actor == "ben"
    workflow_id = contracts.workflow_id(office.tenant_id, asked.consult_id)
    described = await temporal_client.get_workflow_handle(workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING


async def test_who_has_no_slack_answers_here(program: Program, office: Office) -> None:
    assert (await answer(program, await ask(office, colleague="cleo"), agent="cleo")).status == 200


@pytest.mark.parametrize(("agent", "says"), [("anna", "Ben Okoro was asked"), ("dora", "not among the people")])
async def test_nobody_else_answers(program: Program, office: Office, asked: Asked, agent: str, says: str) -> None:
    refused = await answer(program, asked, agent=agent)
    assert refused.status == 403
    assert says in refused.body["error"]
    assert (await row(office, asked.consult_id)).state == "waiting"


async def test_of_many_at_once_one_counts_and_may_be_repeated(program: Program, asked: Asked) -> None:
    answers = await asyncio.gather(*(answer(program, asked, f"Answer {number}") for number in range(6)))
    assert sorted(each.status for each in answers) == [200, *[409] * 5]
    [taken] = [each for each in answers if each.status == 200]
    assert (await answer(program, asked, taken.body["answer"])).body == taken.body


async def test_what_came_too_late_is_refused(program: Program, office: Office, asked: Asked) -> None:
    await let_pass(office, asked.consult_id, expires_at=timedelta(days=3))
    refused = await answer(program, asked)
    assert refused.status == 409
    assert "too late" in refused.body["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"agent": "ben"}, "text: is missing"),
        ({"text": "Yes."}, "agent: is missing"),
        ({"agent": "ben", "text": ""}, "text"),
        ({"agent": "ben", "text": " \n"}, "no answer in this"),
        ({"agent": "ben", "text": "x" * (LONGEST_ANSWER + 1)}, "text"),
        ({"agent": "ben", "text": "x", "note": "y"}, "note: is not known here"),
    ],
)
async def test_what_is_no_answer_is_refused_with_a_sentence(
    program: Program, office: Office, asked: Asked, body: object, says: str
) -> None:
    refused = await program.post(f"/consults/{asked.consult_id}/answer", body)
    assert refused.status == 422
    assert says in refused.body["error"]
    assert (await row(office, asked.consult_id)).state == "waiting"


async def test_the_list_is_paged_and_filtered(program: Program, office: Office) -> None:
    asked = [await ask(office) for _ in range(3)]
    await answer(program, asked[1])
    seen: list[str] = []
    place = ""
    while page := (await program.get(f"/consults?limit=2{place}")).body["consults"]:
        seen += [each["id"] for each in page]
        place = f"&before={page[-1]['id']}"
    assert seen == [str(each.consult_id) for each in reversed(asked)]
    [shown] = (await program.get("/consults?state=answered")).body["consults"]
    assert shown["id"] == str(asked[1].consult_id)


async def test_another_tenants_are_not_there(
    api: str, office: Office, asked: Asked, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    await set_desk(other)
    theirs = await program_of(other, api)
    refused = await answer(theirs, asked)
    unknown = await theirs.post(f"/consults/{new_id()}/answer", {"agent": "ben", "text": "Yes."})
    assert (refused.status, refused.body["error"]) == (404, unknown.body["error"])
    for query in ("", f"?before={new_id()}"):
        assert (await theirs.get(f"/consults{query}")).body["consults"] == []
    assert (await row(office, asked.consult_id)).state == "waiting"


@pytest.mark.parametrize("scope", ["handoffs:read", "handoffs:act"])
async def test_reading_and_answering_take_a_scope_each(api: str, office: Office, asked: Asked, scope: str) -> None:
    program = await program_of(office, api, scope)
    assert (await program.get("/consults")).status == (200 if scope == "handoffs:read" else 403)
    assert (await answer(program, asked)).status == (200 if scope == "handoffs:act" else 403)


async def test_without_temporal_the_answer_stands(
    settings: Settings, program: Program, office: Office, asked: Asked
) -> None:
    without = settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
    async with serve(gateway_app.build(without)) as url:
        assert (await answer(Program(url, program.key), asked)).status == 200
    assert (await row(office, asked.consult_id)).state == "answered"
