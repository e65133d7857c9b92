"""Thinking with documents: sources in the answer. And turns that end early: their calls are taken back."""

from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.thinking import WITHDRAWN_BY, Thinking
from activities.tool_use import ToolUse
from konstruct import conversations
from konstruct.contracts.conversation import AbandonRequest
from konstruct.knowledge.sources import SourceSettings
from konstruct.ports import ModelCallError
from konstruct.tools.calls import Outcome
from tests.activities.tools import call
from tests.activities.turns import Turn, calling
from tests.support import library
from tests.support.doubles import RecordingMessenger, ScriptedModel
from tests.support.office import Office
from tests.support.workshop import (
    approval_row,
    call_states,
    define,
    is_tainted,
    over_http,
    publish,
    set_tenant,
)

NOON = Outcome("done", "Noon.")


async def answering_from(
    office: Office, thinking: Thinking, model: ScriptedModel, tool_use: ToolUse, answer: str
) -> str:
    await fill(office, "Peregrine bells cost 15 dollars.", "Peregrine tires cost 42 dollars.")
    await publish(office, "search_knowledge", knowledge=["handbook"])
    turn = Turn(office, thinking, await office.say("What do bells cost?"))
    model.script(calling("search_knowledge", arguments='{"query": "Peregrine bells"}'), answer)
    for each in (await turn.step()).calls:
        await call(tool_use, office, each.call_id)
    return await turn.answer()


async def fill(office: Office, *texts: str, is_trusted: bool = False) -> None:
    link = "https://acme.example.com/handbook"
    contents = {"handbook.md": library.content(*map(library.long, texts), title="Handbook", link=link)}
    await library.fill(office, "handbook", contents, settings=SourceSettings("files", is_trusted=is_trusted))


CITED = "[1] [Handbook](https://acme.example.com/handbook)"


@pytest.fixture
async def turn(office: Office, thinking: Thinking) -> Turn:
    await publish(office, "current_time", "hand_off", "remember")
    return Turn(office, thinking, await office.say("What time is it?"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Bells: 15 dollars [2].", f"Bells: 15 dollars [1].\n\n{CITED}"),
        ("Bells: 15 dollars [1][2].", f"Bells: 15 dollars [1].\n\n{CITED}"),
        ("I do not know [9].", "I do not know."),
    ],
)
async def test_an_answer_names_what_it_took_from_which_document(
    office: Office, thinking: Thinking, model: ScriptedModel, tool_use: ToolUse, answer: str, told: str
) -> None:
    assert await answering_from(office, thinking, model, tool_use, answer) == told
    assert "[1] Handbook > Part" in model.prompts[-1][-1].content


SMALL = ["local/smollm2"]


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_a_small_model_gets_passages_beforehand_and_strangers_taint_the_talk(
    office: Office, thinking: Thinking, model: ScriptedModel, is_trusted: bool
) -> None:
    await set_tenant(office, models=SMALL)
    await fill(office, "Peregrine bells cost 15 dollars each.", is_trusted=is_trusted)
    await publish(office, "search_knowledge", knowledge=["handbook"])
    turn = Turn(office, thinking, await office.say("What do Peregrine bells cost?"))
    model.script("Peregrine bells cost 15 dollars.")
    assert await turn.answer() == f"Peregrine bells cost 15 dollars.\n\n{CITED}"
    assert model.shown == [([], False)]
    assert "- Peregrine bells cost 15 dollars each." in model.prompts[-1][0].content
    assert await is_tainted(office, turn.asked) is not is_trusted


@pytest.mark.parametrize("why", ["no question", "not given", "another model first"])
async def test_passages_are_looked_for_where_they_are_needed(
    office: Office, thinking: Thinking, model: ScriptedModel, why: str
) -> None:
    await set_tenant(office, models=["openai/gpt-5.4", *SMALL] if why == "another model first" else SMALL)
    await fill(office, "Peregrine bells cost 15 dollars each.")
    if why == "not given":
        await publish(office, "current_time", knowledge=["handbook"])
    else:
        await publish(office, "search_knowledge", knowledge=["handbook"])
    model.script("Peregrine bells, hm.")
    turn = Turn(office, thinking, await office.say(" " if why == "no question" else "What do Peregrine bells cost?"))
    await turn.answer()
    assert "documents of the business" not in model.prompts[-1][0].content


async def test_numbers_are_those_of_the_search_that_the_answering_model_made(
    office: Office, thinking: Thinking, model: ScriptedModel, tool_use: ToolUse
) -> None:
    """The small model in front did not answer, and its passages had numbers, too."""
    await library.fill(office, "other", {"a.md": library.content(library.long("What do bells cost?"), title="Riddles")})
    await fill(office, "Peregrine tires are 42 dollars.")
    await set_tenant(office, models=[*SMALL, "openai/gpt-5.4"])
    await publish(office, "search_knowledge", knowledge=["handbook", "other"])
    turn = Turn(office, thinking, await office.say("What do bells cost?"))

    def answer(messages: Any) -> Any:
        tools, _ = model.shown[-1]
        if not tools:
            raise ModelCallError("server", "It broke.")
        is_first = messages[-1].role == "user"
        return calling("search_knowledge", arguments='{"query": "Peregrine tires"}') if is_first else "It is 42 [1]."

    model.answer_of = answer
    for each in (await turn.step()).calls:
        await call(tool_use, office, each.call_id)
    assert await turn.answer() == f"It is 42 [1].\n\n{CITED}"


@pytest.mark.parametrize("why", ["stopped", "failed"])
async def test_a_turn_that_is_given_up_takes_its_calls_along(
    turn: Turn, office: Office, model: ScriptedModel, messenger: RecordingMessenger, why: Any
) -> None:
    await define(office, "pay", over_http("https://127.0.0.1/", "POST", "changes"))
    await publish(office, "pay", "current_time")
    model.script(calling("pay", "current_time"))
    thought = await turn.step()
    request = AbandonRequest(office.tenant_id, turn.asked.conversation_id, [turn.asked.message_id], why)
    await ActivityEnvironment().run(turn.thinking.abandon, request)
    assert await call_states(office) == ["cancelled", "cancelled"]
    approval = await approval_row(office, thought.approvals[0])
    assert (approval.state, approval.decided_by) == ("denied", WITHDRAWN_BY[why])
    assert messenger.told == [("idle", "1.0")]


async def test_what_was_forgotten_meanwhile_leaves_no_call_of_a_stopped_turn(
    turn: Turn, office: Office, model: ScriptedModel
) -> None:
    model.script(calling("current_time"))
    await turn.step()
    async with office.session() as session:
        (await conversations.lock(session, turn.asked.conversation_id)).turn_id = None
    request = AbandonRequest(office.tenant_id, turn.asked.conversation_id, [turn.asked.message_id], "stopped")
    await ActivityEnvironment().run(turn.thinking.abandon, request)
    assert await call_states(office) == ["cancelled"]


async def test_an_answer_that_was_discarded_is_thought_of_again_and_arrives(
    turn: Turn, office: Office, model: ScriptedModel
) -> None:
    """Something was forgotten between the thought and the send; the turn's id stays, as it has used tools."""
    model.script(calling("current_time"), "Noon, Mr Canary.", "Noon.")
    await turn.step(NOON)
    first = await turn.think()
    async with office.session() as session:
        (await conversations.lock(session, turn.asked.conversation_id)).turn_id = None
    assert await office.begin_send(turn.asked, first.reply_ids[0]) == "superseded"
    second = await turn.think()
    [reply] = second.reply_ids
    assert (await office.message(reply)).body == "Noon."
    assert not isinstance(await office.begin_send(turn.asked, reply), str)
