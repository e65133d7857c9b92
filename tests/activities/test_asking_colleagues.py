"""The tool with which an employee asks a colleague: who has it, who can be asked, and what its model hears."""

import json

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from activities.tool_use import ToolUse
from konstruct import consults
from konstruct.contracts import consults as contracts
from konstruct.ports import ToolCall
from konstruct.tables import Consult
from tests.activities.tools import call, use
from tests.support.consults import PEOPLE, set_desk
from tests.support.office import Office
from tests.support.workshop import Job, call_row, is_tainted, job, publish, toolbox


@pytest.fixture
async def turn(office: Office) -> Job:
    await set_desk(office)
    await publish(office, "ask_colleague")
    return await job(office, "May A-17 be refunded?")


def asking(colleague: str = "ben", question: str = "May A-17 be refunded?") -> str:
    return json.dumps({"colleague": colleague, "question": question})


async def test_it_names_the_people_of_the_desk(turn: Job) -> None:
    [tool] = (await toolbox(turn.office, turn.asked)).values()
    assert (tool.risk, tool.approval, tool.is_untrusted, tool.is_repeatable) == ("sends", "never", False, True)
    colleague = tool.spec.parameters["properties"]["colleague"]
    assert sorted(colleague["enum"]) == ["anna", "ben", "cleo"]
    assert sorted(colleague["description"].split(", ")) == [
        "anna is Anna Berg",
        "ben is Ben Okoro",
        "cleo is Cleo Vega",
    ]


async def test_an_operator_may_have_people_asked_first(turn: Job) -> None:
    await publish(turn.office, {"name": "ask_colleague", "approval": "after_untrusted"})
    [tool] = (await toolbox(turn.office, turn.asked)).values()
    assert tool.approval == "after_untrusted"


async def test_where_nobody_is_at_the_desk_nobody_can_be_asked(turn: Job) -> None:
    await set_desk(turn.office, people={})
    assert await toolbox(turn.office, turn.asked) == {}


async def test_a_colleague_is_asked_and_the_model_is_told_to_go_on(
    turn: Job, tool_use: ToolUse, temporal_client: Client
) -> None:
    made, told = await use(tool_use, turn, "ask_colleague", asking(question="May A-17\nbe refunded?"))
    assert (made.state, made.is_untrusted) == ("done", False)
    assert told.startswith("Ben Okoro was asked, and may take hours.")
    [row] = await turn.office.rows(Consult)
    assert (row.call_id, row.conversation_id, row.colleague, row.state) == (
        *(made.id, turn.asked.conversation_id, "ben"),
        "waiting",
    )
    async with turn.office.session() as session:
        assert (await consults.read(session, turn.office.vault, row.id)).question == "May A-17\nbe refunded?"
    handle = temporal_client.get_workflow_handle(contracts.workflow_id(turn.office.tenant_id, row.id))
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.terminate()
    assert not await is_tainted(turn.office, turn.asked)


@pytest.mark.parametrize("arguments", [asking("dora"), asking(question=""), asking(question="x" * 2_001), "{}"])
async def test_a_call_that_does_not_fit_is_not_made(turn: Job, arguments: str) -> None:
    kept = await turn.step(ToolCall("1", "ask_colleague", arguments))
    assert kept.calls == []
    assert await turn.office.rows(Consult) == []


async def test_one_colleague_is_asked_the_same_once_in_a_turn(turn: Job, tool_use: ToolUse) -> None:
    await use(tool_use, turn, "ask_colleague", asking())
    kept = await turn.step(ToolCall("2", "ask_colleague", asking()), ToolCall("3", "ask_colleague", asking("anna")))
    assert len(kept.calls) == 1
    assert (await turn.told())[0].startswith("Not done: this very call was asked for")


async def test_an_attempt_whose_end_was_not_heard_of_asks_nobody_twice(turn: Job, tool_use: ToolUse) -> None:
    office = turn.office
    [made] = (await turn.step(ToolCall("1", "ask_colleague", asking()))).calls
    async with office.session() as session:
        row = await call_row(office, made.call_id)
        await consults.ask(session, office.vault, row, "ben", "May A-17 be refunded?")
    assert (await call(tool_use, office, made.call_id, number=2)).state == "done"
    assert len(await office.rows(Consult)) == 1


async def test_who_has_left_the_desk_since_is_not_asked(turn: Job, tool_use: ToolUse) -> None:
    [made] = (await turn.step(ToolCall("1", "ask_colleague", asking()))).calls
    await set_desk(turn.office, people={"anna": PEOPLE["anna"]})
    assert (await call(tool_use, turn.office, made.call_id)).state == "failed"
    assert await turn.told() == ["There is no such colleague any more."]
    assert await turn.office.rows(Consult) == []
