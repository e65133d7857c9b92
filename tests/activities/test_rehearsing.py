"""Rehearsing: the draft answers, nobody is rung, nothing is sent, and each step is seen as it was."""

import json
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.approving import Approving
from activities.delivery import Delivery
from activities.remembering import Remembering
from activities.thinking import Thinking
from activities.tool_use import ToolUse
from konstruct import approvals, employees
from konstruct.contracts.approvals import ApprovalState
from konstruct.contracts.conversation import DeliverRequest, Thought
from konstruct.ports import ModelCallError
from konstruct.rehearsals.pretending import HANDED_OFF, SIMULATED
from konstruct.tables import Approval, Consult, Handoff, Memory, Usage
from tests.activities.escalations import TELL, rule
from tests.activities.memories import NO_FACTS, remember, whole
from tests.activities.tools import call
from tests.activities.turns import Turn, calling
from tests.support.doubles import RecordingMessenger, ScriptedModel
from tests.support.odd_shop import OddShop
from tests.support.office import Office
from tests.support.rehearsals import Stage, stage
from tests.support.workshop import approval_row, define, over_http, publish, set_tenant

SECRET = "sk-of-the-shop"
REFUND = {"name": "refund"}


async def answered(on: Stage, thinking: Thinking, delivery: Delivery, text: str = "Hello?") -> Thought:
    """One turn that needs no tools, to its end."""
    asked = await on.say(text)
    thought = await Turn(on.office, thinking, asked).think()
    await deliver(on, delivery, thought)
    return thought


async def deliver(on: Stage, delivery: Delivery, thought: Thought) -> None:
    request = DeliverRequest(on.office.tenant_id, on.rehearsal.conversation_id, thought.reply_ids)
    await ActivityEnvironment().run(delivery.deliver, request)


async def test_the_draft_answers_where_it_is_rehearsed_and_the_published_version_everywhere_else(
    office: Office, thinking: Thinking, model: ScriptedModel, delivery: Delivery
) -> None:
    on = await stage(office, name="Bea", system_prompt="Speak in rhymes.")
    await answered(on, thinking, delivery)
    await Turn(office, thinking, await office.say("Hello?")).answer()

    rehearsed, published = (whole(prompt) for prompt in model.prompts)
    assert ("Bea" in rehearsed, "Speak in rhymes." in rehearsed, "Be brief." in rehearsed) == (True, True, False)
    assert ("Bea" in published, "Be brief." in published) == (False, True)
    first, second = sorted(await office.rows(Usage), key=lambda row: row.created_at)
    assert (first.is_rehearsal, second.is_rehearsal) == (True, False)
    assert [event.detail["employee_version"] for event in await office.events("turn.answered")] == [
        employees.REHEARSED,
        1,
    ]


async def test_a_version_that_is_published_meanwhile_changes_nothing_of_a_rehearsal(
    office: Office, thinking: Thinking, model: ScriptedModel, delivery: Delivery
) -> None:
    on = await stage(office, system_prompt="Speak in rhymes.")
    await publish(office)
    await answered(on, thinking, delivery)
    assert "Speak in rhymes." in whole(model.prompts[-1])
    assert on.rehearsal.draft_revision == 2


async def test_a_step_is_shown_with_the_very_prompt_and_the_cost_of_the_ledger(
    office: Office, thinking: Thinking, model: ScriptedModel, delivery: Delivery
) -> None:
    on = await stage(office)
    model.script(ModelCallError("server", "It broke."), "Hello, you!")
    await answered(on, thinking, delivery, "Who are you?")

    shown = await on.shown()
    said, answer = shown.lines
    assert (said.author, said.text, said.state) == ("you", "Who are you?", "answered")
    assert (answer.author, answer.text) == ("employee", "Hello, you!")
    assert not shown.is_waiting
    turn = answer.turn
    assert turn is not None
    [thought] = turn.thoughts
    assert thought.model == "openai/gpt-5.4"
    sent = [(line.role, line.content) for line in thought.prompts[thought.model]]
    assert sent == [(message.role, message.content) for message in model.prompts[-1]]
    assert [(each.name, each.outcome, each.error) for each in turn.models] == [
        ("anthropic/claude-sonnet-4-6", "failed", "server"),
        ("openai/gpt-5.4", "ok", None),
    ]
    ledger = sum(row.cost or 0 for row in await office.rows(Usage))
    assert shown.cost == turn.cost == ledger > 0


async def test_nothing_of_a_prompt_lies_open_in_the_database(
    office: Office, thinking: Thinking, delivery: Delivery
) -> None:
    on = await stage(office)
    await answered(on, thinking, delivery, "Canary of a rehearsal")
    async with office.session() as session:
        rows = (await session.connection()).exec_driver_sql
        found = (await rows("select string_agg(t::text, '') from rehearsed_steps t")).scalar_one()
    assert "Canary of a rehearsal" not in found
    assert b"Canary of a rehearsal".hex() not in found


HANDING_OFF = {"hand_off": {"to": "support", "priority": "high"}}


async def test_a_rule_that_hands_off_rings_nobody_and_says_why(
    office: Office, thinking: Thinking, model: ScriptedModel, delivery: Delivery
) -> None:
    await set_tenant(office, desk={"people": {"anna": {"name": "Anna"}}, "groups": {"support": {"people": ["anna"]}}})
    on = await stage(office, escalation=[rule({"keyword": ["lawyer"]}, HANDING_OFF)])
    await answered(on, thinking, delivery, "My lawyer will call you.")

    assert model.prompts == []
    assert await office.rows(Handoff) == []
    said, notice = (await on.shown()).lines
    assert (said.state, notice.author, notice.text, notice.is_handed_off) == ("answered", "notice", HANDED_OFF, True)
    assert notice.turn is not None
    fired = notice.turn.fired
    assert fired is not None
    assert (fired.rule, fired.then, fired.to) == ("rule", "hand_off", "support")
    assert any("lawyer" in sentence for sentence in fired.why)

    await answered(on, thinking, delivery, "Then only tell me when you are open.")
    assert (await on.shown()).lines[-1].text == "Hello!"


async def test_the_employees_own_wish_for_people_ends_the_turn_and_rings_nobody(
    office: Office, thinking: Thinking, model: ScriptedModel, tool_use: ToolUse, delivery: Delivery
) -> None:
    on = await stage(office, tools=[{"name": "hand_off"}])
    model.script(calling("hand_off", arguments='{"reason": "They want a person."}'))
    turn = Turn(office, thinking, await on.say("A person, please."))
    [made] = (await turn.step()).calls
    await call(tool_use, office, made.call_id)
    await deliver(on, delivery, await turn.think())

    assert await office.rows(Handoff) == []
    assert len(model.prompts) == 1
    notice = (await on.shown()).lines[-1]
    assert notice.turn is not None
    fired = notice.turn.fired
    assert fired is not None
    assert (notice.is_handed_off, fired.rule, fired.why) == (True, "", ["They want a person."])
    assert fired.to == "everyone"


@pytest.mark.parametrize("then", [TELL, {"ask_approval": {}}])
async def test_where_a_rule_tells_people_or_holds_an_answer_back_it_comes_all_the_same(
    office: Office, thinking: Thinking, delivery: Delivery, then: dict[str, Any]
) -> None:
    on = await stage(office, escalation=[rule({"keyword": ["refund"]}, then)])
    await answered(on, thinking, delivery, "A refund, please.")

    assert (await office.rows(Handoff), await office.rows(Approval)) == ([], [])
    answer = (await on.shown()).lines[-1]
    assert answer.text == "Hello!"
    assert answer.turn is not None
    assert answer.turn.fired is not None
    assert answer.turn.fired.then == next(iter(then))


async def has_refunds(office: Office, shop: OddShop) -> None:
    definition = over_http(
        f"{shop.url}/ok",
        "POST",
        "changes",
        auth={"kind": "bearer"},
        body={"amount": "{amount}"},
        parameters={"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
    )
    await define(office, "refund", definition, secret=SECRET)


async def refund(on: Stage, thinking: Thinking, model: ScriptedModel) -> tuple[Turn, Thought]:
    model.script(calling("refund", arguments='{"amount": 20}'), "Done!")
    turn = Turn(on.office, thinking, await on.say("Pay me back."))
    return turn, await turn.step()


async def test_a_tool_with_effects_is_simulated_and_what_it_would_send_is_shown(
    office: Office,
    thinking: Thinking,
    model: ScriptedModel,
    tool_use: ToolUse,
    delivery: Delivery,
    shop: OddShop,
) -> None:
    await has_refunds(office, shop)
    on = await stage(office, tools=[REFUND])
    turn, thought = await refund(on, thinking, model)
    [made] = thought.calls
    await call(tool_use, office, made.call_id)
    await deliver(on, delivery, await turn.think())

    assert (shop.taken, await office.rows(Approval)) == ([], [])
    assert model.prompts[-1][-1].content == SIMULATED
    answer = (await on.shown()).lines[-1]
    assert (answer.text, answer.turn is not None) == ("Done!", True)
    assert answer.turn is not None
    [shown] = answer.turn.calls
    assert (shown.tool, shown.state, json.loads(shown.arguments)) == ("refund", "done", {"amount": 20})
    assert ("Request", f"POST {shop.url}/ok") in shown.would
    assert [json.loads(text) for what, text in shown.would if what == "Body"] == [{"amount": 20}]
    assert SECRET not in repr(shown.would)
    assert [each.tool for each in answer.turn.thoughts[0].would_ask] == ["refund"]


async def test_really_used_it_waits_for_a_yes_that_nobody_else_is_asked_for(
    office: Office,
    thinking: Thinking,
    model: ScriptedModel,
    messenger: RecordingMessenger,
    tool_use: ToolUse,
    shop: OddShop,
    temporal_client: Client,
) -> None:
    await has_refunds(office, shop)
    await set_tenant(office, approvals={"connection": "slack", "channel": "C0DESK"})
    on = await stage(office, acts=True, tools=[REFUND])
    _, thought = await refund(on, thinking, model)
    [approval_id] = thought.approvals
    approving = Approving(office.database, office.vault, {"slack": messenger}, temporal_client)
    await ActivityEnvironment().run(approving.announce_approval, ApprovalState(office.tenant_id, approval_id))

    assert messenger.cards == {}
    async with office.session() as session:
        assert await approvals.listing(session, office.vault) == []
    asking = await asked_for(on)
    assert (asking, shop.taken) == (approval_id, [])

    approval = await approval_row(office, approval_id)
    async with office.session() as session:
        await approvals.decide(
            session, office.vault, approval_id, is_yes=True, fingerprint=approval.fingerprint, by=f"user:{on.user_id}"
        )
    await call(tool_use, office, approval.call_id)
    assert [path for path, _ in shop.taken] == ["/ok"]


async def asked_for(on: Stage) -> UUID:
    under_way = (await on.shown()).under_way
    assert under_way is not None
    [shown] = under_way.calls
    assert shown.asking is not None
    assert shown.asking.state == "waiting"
    return shown.asking.approval_id


async def test_no_colleague_is_asked_even_where_tools_are_really_used(
    office: Office, thinking: Thinking, model: ScriptedModel, tool_use: ToolUse
) -> None:
    await set_tenant(office, desk={"people": {"anna": {"name": "Anna"}}})
    on = await stage(office, acts=True, tools=[{"name": "ask_colleague"}])
    model.script(calling("ask_colleague", arguments='{"colleague": "anna", "question": "How long?"}'))
    [made] = (await Turn(office, thinking, await on.say()).step()).calls
    row = await call(tool_use, office, made.call_id)
    assert (row.state, await office.rows(Consult)) == ("done", [])


async def test_what_was_said_in_an_earlier_rehearsal_is_remembered_in_the_next_and_nowhere_else(
    office: Office, thinking: Thinking, model: ScriptedModel, delivery: Delivery, remembering: Remembering
) -> None:
    on = await stage(office)
    asked = await on.say("My bicycle is called Rosinante.")
    await deliver(on, delivery, await Turn(office, thinking, asked).think())
    model.script(NO_FACTS)
    await remember(remembering, office, asked)
    model.script("Rosinante!")

    again = await stage(office, user_id=on.user_id)
    await answered(again, thinking, delivery, "What is my bicycle called?")
    stranger = await stage(office)
    await answered(stranger, thinking, delivery, "What is my bicycle called?")
    await Turn(office, thinking, await office.say("What is my bicycle called?")).answer()

    answer = (await again.shown()).lines[-1]
    assert answer.turn is not None
    assert [each.text for each in answer.turn.thoughts[0].recalled] == ["My bicycle is called Rosinante.", "Hello!"]
    told = ["Rosinante" in whole(prompt) for prompt in model.prompts[-3:]]
    assert told == [True, False, False]
    assert {row.contact_id for row in await office.rows(Memory)} == {on.rehearsal.contact_id}
    learnt = [row for row in await office.rows(Usage) if row.purpose == "facts"]
    assert [row.is_rehearsal for row in learnt] == [True]


async def test_that_no_model_answers_is_said_with_the_reason(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    on = await stage(office)
    model.script(ModelCallError("auth", "Not this key."))
    with pytest.raises(Exception, match="auth"):
        await Turn(office, thinking, await on.say()).think()
    shown = await on.shown()
    assert shown.is_waiting
    assert "anthropic/claude-sonnet-4-6 (auth)" in shown.trouble
