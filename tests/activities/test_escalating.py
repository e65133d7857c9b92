"""Rules in a turn: each condition through a real one, the judge beside the answer, and people who get it once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlmodel import col, select

from activities.thinking import Thinking
from konstruct.handoffs import owning
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ChatMessage, ModelCallError
from konstruct.tables import Conversation, Employee, EmployeeVersion, Handoff, Judgement, Usage
from konstruct.tools.calls import Outcome
from tests.activities.turns import Turn, calling
from tests.support.doubles import Calling, ScriptedModel
from tests.support.office import Office
from tests.support.workshop import publish, set_tenant

HAND_OFF = {"hand_off": {"to": "support", "priority": "high"}}
TELL = {"tell": {"to": "support"}}
ANGRY = '{"mood": "angry"}'
NOTHING = '{"mood": "neutral"}'


def rule(when: dict[str, Any], then: dict[str, Any] = HAND_OFF, name: str = "rule") -> dict[str, Any]:
    return {"name": name, "when": when, "then": then}


async def rules(office: Office, *given: dict[str, Any], tools: Sequence[Any] = ()) -> None:
    """A version of the employee that has these."""
    await publish(office, *tools)
    async with office.session() as session:
        employee = await session.get_one(Employee, (office.tenant_id, office.employee_id))
        version = (
            await session.scalars(
                select(EmployeeVersion).where(
                    EmployeeVersion.employee_id == office.employee_id,
                    EmployeeVersion.number == employee.published_version,
                )
            )
        ).one()
        employee.published_version += 1
        content = version.model_dump() | {
            "id": new_id(),
            "number": employee.published_version,
            "escalation": list(given),
        }
        session.add(EmployeeVersion(**content))


def is_judges(prompt: Sequence[ChatMessage]) -> bool:
    return "You judge one moment of a chat" in prompt[0].content


def answering(model: ScriptedModel, judgement: str, answer: str | Calling = "Hello!") -> None:
    model.answer_of = lambda prompt: judgement if is_judges(prompt) else answer


def asked_of(model: ScriptedModel) -> list[str]:
    """Who was asked, in no order."""
    return sorted("judge" if is_judges(prompt) else "employee" for prompt in model.prompts)


async def handoffs(office: Office) -> list[Handoff]:
    return await office.rows(Handoff)


async def judged(office: Office) -> list[Judgement]:
    async with office.session() as session:
        return list(await session.scalars(select(Judgement).order_by(col(Judgement.created_at))))


async def reason(office: Office, handoff: Handoff) -> str:
    async with office.session() as session:
        cipher = await office.vault.cipher(session, office.tenant_id, handoff.contact_id)
    return cipher.open(owning.REASON, handoff.id, handoff.sealed_reason)


async def owner(office: Office, asked: Accepted) -> str:
    async with office.session() as session:
        return (await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))).owner


async def send(office: Office, asked: Accepted, reply_ids: Sequence[Any]) -> None:
    for reply_id in reply_ids:
        await office.begin_send(asked, reply_id)
        await office.settle_sent(asked, reply_id)


async def converse(office: Office, thinking: Thinking, *texts: str) -> Turn:
    """Turns that are answered, all of one conversation."""
    for text in texts:
        turn = Turn(office, thinking, await office.say(text))
        await send(office, turn.asked, (await turn.think()).reply_ids)
    return turn


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
    assert await Turn(office, thinking, await office.say("I am FURIOUS! A human, now!")).answer() == "Hello!"
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


async def test_failed_attempts_are_counted_over_turns(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    await rules(office, rule({"failed_attempts": 2}))
    answering(model, '{"failed": true}')
    await converse(office, thinking, "It does not work")
    answering(model, NOTHING)
    await converse(office, thinking, "And the bell?")
    answering(model, '{"failed": true}')
    assert (await Turn(office, thinking, await office.say("Still broken")).think()).decision == "handed_off"
    assert [row.has_failed for row in await judged(office)] == [True, False, True]


async def test_turns_are_counted_as_far_as_they_were_answered(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"turns": 3}))
    await converse(office, thinking, "One", "Two")
    assert (await Turn(office, thinking, await office.say("Three")).think()).decision == "handed_off"


async def test_what_models_cost_is_counted_with_this_turns_own_calls(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    """One call costs 0.00342 dollars here."""
    await rules(office, rule({"cost_above": "0.0060"}))
    await converse(office, thinking, "One")
    assert (await Turn(office, thinking, await office.say("Two")).think()).decision == "handed_off"
    assert len(model.prompts) == 2


async def test_after_people_gave_it_back_all_is_counted_anew(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"any": [{"turns": 2}, {"failed_attempts": 1}]}))
    answering(model, NOTHING)
    await converse(office, thinking, "One")
    asked = await office.say("Two")
    assert (await Turn(office, thinking, asked).think()).decision == "handed_off"
    async with office.session() as session:
        await owning.resume(session, office.vault, asked.conversation_id, "test")

    following = await converse(office, thinking, "Three")

    assert await owner(office, following.asked) == "employee"
    judges = [prompt for prompt in model.prompts if is_judges(prompt)]
    # What people dealt with is not judged once more.
    assert "person: Three" in judges[-1][-1].content
    assert "person: Two" not in judges[-1][-1].content


async def test_a_note_alone_never_hands_off(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    """Else a conversation that nobody came for would go to and fro for ever."""
    await rules(office, rule({"turns": 1}))
    asked = await office.say("Hello")
    assert (await Turn(office, thinking, asked).think()).decision == "handed_off"
    async with office.session() as session:
        await owning.resume(session, office.vault, asked.conversation_id, "test", at_once=True)
    assert await Turn(office, thinking, asked).answer() == "Hello!"


async def test_the_first_rule_in_their_order_is_acted_on(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    """The second would hold without a judge, whose word is waited for all the same."""
    await rules(office, rule({"mood": "angry"}, name="angry"), rule({"keyword": "human"}, name="human"))
    answering(model, ANGRY)
    assert (await Turn(office, thinking, await office.say("A human!")).think()).decision == "handed_off"
    answering(model, NOTHING)
    assert (await Turn(office, thinking, await office.say("A human!", root="2.0")).think()).decision == "handed_off"
    assert [handoff.rule for handoff in await handoffs(office)] == ["angry", "human"]


async def test_people_come_though_no_model_answers(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    await rules(office, rule({"mood": "angry"}, name="angry"), rule({"keyword": "human"}, name="human"))
    model.script(ModelCallError("server", "It broke."))
    assert (await Turn(office, thinking, await office.say("A human!")).think()).decision == "handed_off"
    assert [handoff.rule for handoff in await handoffs(office)] == ["human"]
    assert {used.outcome for used in await office.rows(Usage)} == {"failed"}


async def test_people_are_told_once_and_the_answer_is_sent(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"keyword": "bell"}, TELL, "told"), rule({"keyword": "sue"}, name="sue"))
    turn = Turn(office, thinking, await office.say("A bell, please"))
    thought = await turn.think()

    [told] = await handoffs(office)
    assert (thought.decision, thought.told_handoff_id) == ("reply", told.id)
    assert (told.state, told.rule, told.target) == ("told", "told", "support")
    assert await owner(office, turn.asked) == "employee"
    [event] = await office.events("rule.fired")
    assert event.detail["then"] == "tell"
    await send(office, turn.asked, thought.reply_ids)

    again = await Turn(office, thinking, await office.say("A bell, please")).think()
    assert (again.decision, again.told_handoff_id) == ("reply", None)
    # It does not stand in the way of those that come after it.
    assert (await Turn(office, thinking, await office.say("A bell, or I sue")).think()).decision == "handed_off"
    assert len(await office.events("rule.fired")) == 2


async def test_an_attempt_that_repeats_hands_off_once(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    await rules(office, rule({"mood": "angry"}))
    answering(model, ANGRY)
    turn = Turn(office, thinking, await office.say("Hello"))
    first = await turn.think()
    second = await turn.think(attempt=2)
    assert second.decision == first.decision == "handed_off"
    assert second.ownership == first.ownership
    assert len(await handoffs(office)) == len(await judged(office)) == len(await office.events("rule.fired")) == 1
    assert asked_of(model) == ["employee", "judge"]


async def test_of_two_attempts_at_once_one_hands_off(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    await rules(office, rule({"mood": "angry"}))
    answering(model, ANGRY)
    model.may_answer = asyncio.Event()
    turn = Turn(office, thinking, await office.say("Hello"))
    attempts = [asyncio.create_task(turn.think()) for _ in range(2)]
    while len(model.prompts) < 4:
        await model.is_asked.wait()
        model.is_asked.clear()
    model.may_answer.set()
    decisions = sorted([(await attempt).decision for attempt in attempts])
    assert decisions == ["handed_off", "superseded"]
    assert len(await handoffs(office)) == len(await office.events("rule.fired")) == 1
    assert (await turn.think()).decision == "handed_off"


@pytest.mark.parametrize("by", ["a newer turn", "a person who took it back"])
async def test_a_turn_whose_time_is_over_hands_nothing_off(
    office: Office, thinking: Thinking, model: ScriptedModel, by: str
) -> None:
    await rules(office, rule({"mood": "angry"}))
    answering(model, ANGRY)
    model.may_answer = asyncio.Event()
    turn = Turn(office, thinking, await office.say("Hello"))
    thought = asyncio.create_task(turn.think())
    await model.is_asked.wait()
    if by == "a newer turn":
        await office.begin(turn.asked, new_id())
    else:
        await office.change_owner(turn.asked.conversation_id, "agent")
    model.may_answer.set()

    assert (await thought).decision == ("superseded" if by == "a newer turn" else "nothing")
    assert [*await handoffs(office), *await judged(office), *await office.events("rule.fired")] == []
    assert len(await office.rows(Usage)) == 2


async def test_a_cancelled_turn_ends_its_judge_and_keeps_what_it_cost(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"mood": "angry"}))
    answering(model, ANGRY)
    model.may_answer = asyncio.Event()
    thought = asyncio.create_task(Turn(office, thinking, await office.say("Hello")).think())
    while len(model.prompts) < 2:
        await model.is_asked.wait()
        model.is_asked.clear()
    thought.cancel()
    with pytest.raises(asyncio.CancelledError):
        await thought
    used = await office.rows(Usage)
    assert sorted((each.purpose, each.outcome) for each in used) == [("judge", "cancelled"), ("reply", "cancelled")]
    assert await handoffs(office) == []
