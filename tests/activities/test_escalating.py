"""Rules in a turn: each condition through a real one, and the judge beside the answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from activities.thinking import Thinking
from konstruct.ports import ChatMessage, ModelCallError
from konstruct.tables import Usage
from konstruct.tools.calls import Outcome
from tests.activities.escalations import (
    ANGRY,
    NOTHING,
    answering,
    asked_of,
    handoffs,
    is_judges,
    judged,
    reason,
    rule,
    rules,
)
from tests.activities.turns import Turn, calling
from tests.support.doubles import ScriptedModel
from tests.support.office import Office
from tests.support.workshop import set_tenant


@pytest.mark.parametrize(
    ("when", "text", "why"),
    [
        ({"asked_for_human": True}, "Let me talk to a human, please", "The contact asked for a person."),
        ({"keyword": "refund"}, "I want a REFUND!", 'The contact wrote "refund".'),
        ({"pattern": "order [0-9]+"}, "Where is order 17?", 'What the contact wrote fits the pattern "order [0-9]+".'),
        ({"turns": 1}, "Hello", "The conversation took 1 turn (at least 1)."),
    ],
)
async def test_what_needs_no_judge_hands_off_before_any_model_is_asked(
    office: Office, thinking: Thinking, model: ScriptedModel, when: dict[str, Any], text: str, why: str
) -> None:
    await rules(office, rule(when))
    turn = Turn(office, thinking, await office.say(text))

    thought = await turn.think()

    [handoff] = await handoffs(office)
    assert thought.decision == "handed_off"
    assert thought.ownership is not None
    assert (thought.ownership.owner, thought.ownership.epoch, thought.ownership.handoff_id) == ("queue", 1, handoff.id)
    assert (handoff.state, handoff.target, handoff.priority) == ("waiting", "support", "high")
    assert (handoff.cause, handoff.rule, handoff.requested_by) == ("rule", "rule", "employee")
    assert await reason(office, handoff) == why
    assert model.prompts == []
    assert await office.messages("outbound") == []
    [event] = await office.events("rule.fired")
    assert event.detail == {"turn_id": str(turn.id), "step": 0, "rule": "rule", "then": "hand_off"}
    assert [row.turn_id for row in await judged(office)] == [turn.id]


@pytest.mark.parametrize(
    ("when", "judgement", "why"),
    [
        ({"asked_for_human": True}, '{"asked_for_human": true}', "The contact asked for a person."),
        ({"failed_attempts": 1}, '{"failed": true}', "1 attempt failed (at least 1)."),
        ({"mood": "negative"}, ANGRY, "The contact's mood is angry."),
        ({"topic": ["refund", "law"]}, '{"topics": ["law"]}', 'It is about "law".'),
        ({"confidence_below": 0.5}, '{"confidence": 0.2}', "The answer is sure by 0.2 (below 0.5)."),
        (
            {"outside_policy": True},
            '{"outside_policy": true}',
            "The answer goes beyond what the employee was told.",
        ),
    ],
)
async def test_what_a_judge_finds_hands_off_instead_of_an_answer(
    office: Office, thinking: Thinking, model: ScriptedModel, when: dict[str, Any], judgement: str, why: str
) -> None:
    await rules(office, rule(when))
    answering(model, judgement)
    turn = Turn(office, thinking, await office.say("This is a canary"))

    assert (await turn.think()).decision == "handed_off"

    [handoff] = await handoffs(office)
    assert await reason(office, handoff) == why
    assert asked_of(model) == ["employee", "judge"]
    assert await office.messages("outbound") == []
    assert sorted(used.purpose for used in await office.rows(Usage)) == ["judge", "reply"]
    assert {used.turn_id for used in await office.rows(Usage)} == {turn.id}
    assert "turn.handed_off" in await office.actions()
    assert "turn.answered" not in await office.actions()
    assert await office.states() == ["passed", "passed"]


@pytest.mark.parametrize(
    "when",
    [
        *({"asked_for_human": True}, {"failed_attempts": 1}, {"mood": "negative"}, {"topic": "refund"}),
        *({"confidence_below": 0.5}, {"outside_policy": True}, {"keyword": "refund"}, {"turns": 2}),
        *({"tool_failed": True}, {"cost_above": "1.00"}, {"pattern": "refund"}),
    ],
)
async def test_where_nothing_holds_the_answer_is_given(
    office: Office, thinking: Thinking, model: ScriptedModel, when: dict[str, Any]
) -> None:
    await rules(office, rule(when))
    answering(model, '{"mood": "good", "confidence": 0.9}')
    assert await Turn(office, thinking, await office.say("Hello")).answer() == "Hello!"
    assert await handoffs(office) == []
    assert "rule.fired" not in await office.actions()
    [row] = await judged(office)
    assert (row.mood, row.has_failed) == ("good" if "judge" in asked_of(model) else "neutral", False)


async def test_without_rules_nobody_judges_and_nothing_is_kept(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    with capture_logs() as logs:
        assert await Turn(office, thinking, await office.say("I am FURIOUS! A human, now!")).answer() == "Hello!"
    assert "not_judged" not in [entry["event"] for entry in logs]
    assert asked_of(model) == ["employee"]
    assert await judged(office) == []


async def test_rules_that_need_no_judge_call_none(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    await rules(office, rule({"any": [{"keyword": "refund"}, {"turns": 9}, {"tool_failed": True}]}))
    assert await Turn(office, thinking, await office.say("Hello")).answer() == "Hello!"
    assert asked_of(model) == ["employee"]


async def test_the_judge_reads_while_the_answer_is_thought_of(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"mood": "angry"}))
    answering(model, NOTHING)
    model.may_answer = asyncio.Event()
    thought = asyncio.create_task(Turn(office, thinking, await office.say("Hello")).think())
    while len(model.prompts) < 2:
        await model.is_asked.wait()
        model.is_asked.clear()
    # Neither has answered yet.
    model.may_answer.set()
    assert (await thought).decision == "reply"
    assert asked_of(model) == ["employee", "judge"]


async def test_an_answer_is_judged_once_it_is_there_together_with_the_rest(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"all": [{"mood": "angry"}, {"confidence_below": 0.5}, {"topic": "bikes"}]}))
    answering(model, '{"mood": "angry", "confidence": 0.7, "topics": ["bikes"]}', "The canary answer.")
    await Turn(office, thinking, await office.say("Where is my bicycle?")).answer()

    [employees, judges] = model.prompts
    assert is_judges(judges)
    assert not is_judges(employees)
    shown = judges[-1].content
    assert "Draft: The canary answer." in shown
    assert "person: Where is my bicycle?" in shown
    assert "Instructions of the employee: Be brief." in shown
    assert '["bikes"]' in shown
    [row] = await judged(office)
    assert (row.mood, row.topics) == ("angry", ["bikes"])
    assert row.confidence == pytest.approx(0.7)


@pytest.mark.parametrize("broken", [ModelCallError("server", "It broke."), "I cannot judge this."])
async def test_where_the_judge_is_broken_words_decide(
    office: Office, thinking: Thinking, model: ScriptedModel, broken: str | ModelCallError
) -> None:
    def answer(prompt: Sequence[ChatMessage]) -> str:
        if is_judges(prompt):
            if isinstance(broken, ModelCallError):
                raise broken
            return broken
        return "Hello!"

    await rules(office, rule({"mood": "negative"}))
    model.answer_of = answer
    assert await Turn(office, thinking, await office.say("Hello")).answer() == "Hello!"
    following = Turn(office, thinking, await office.say("This is ridiculous, I am furious!!!", root="2.0"))
    assert (await following.think()).decision == "handed_off"
    assert [row.mood for row in await judged(office)] == ["neutral", "angry"]


async def test_with_the_local_model_alone_words_decide_before_it_is_asked(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await set_tenant(office, models=["local/smollm2"])
    await rules(office, rule({"mood": "angry"}), rule({"outside_policy": True}, name="beyond"))
    assert await Turn(office, thinking, await office.say("Hello")).answer() == "Hello!"
    assert asked_of(model) == ["employee"]
    following = Turn(office, thinking, await office.say("This is ridiculous, I am furious!!!", root="2.0"))
    assert (await following.think()).decision == "handed_off"
    assert asked_of(model) == ["employee"]


async def test_what_a_tool_failed_at_hands_off_in_the_next_step(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(
        office,
        rule({"tool_failed": ["crm/find order"]}, name="other"),
        rule({"tool_failed": "current_time"}, name="clock"),
        tools=["current_time"],
    )
    model.script(calling("current_time"))
    turn = Turn(office, thinking, await office.say("What time is it?"))
    await turn.step(Outcome("failed", "The clock stands still."))

    assert (await turn.think()).decision == "handed_off"

    [handoff] = await handoffs(office)
    assert (handoff.rule, await reason(office, handoff)) == ("clock", 'The tool "current_time" failed.')
    assert asked_of(model) == ["employee"]


async def test_a_tool_that_was_asked_for_is_not_used_where_people_get_it(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"mood": "angry"}), tools=["current_time"])
    answering(model, ANGRY, calling("current_time"))
    assert (await Turn(office, thinking, await office.say("Hello")).think()).decision == "handed_off"
    assert "tool.proposed" not in await office.actions()


async def test_what_was_judged_in_one_step_holds_in_the_next_unless_more_was_said(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"all": [{"mood": "angry"}, {"tool_failed": True}]}), tools=["current_time"])
    answering(model, ANGRY, calling("current_time"))
    turn = Turn(office, thinking, await office.say("Hello"))
    await turn.step(Outcome("done", "Noon."))
    assert asked_of(model) == ["employee", "judge"]
    answering(model, NOTHING, calling("current_time"))
    await turn.step(Outcome("done", "Noon."))
    assert asked_of(model) == ["employee", "employee", "judge"]

    await office.say("Thank you!")
    await turn.step(Outcome("failed", "It stands still."))

    assert asked_of(model) == ["employee", "employee", "employee", "judge", "judge"]
    answering(model, NOTHING, "Noon.")
    assert await turn.answer() == "Noon."
    assert [row.mood for row in await judged(office)] == ["neutral"]
