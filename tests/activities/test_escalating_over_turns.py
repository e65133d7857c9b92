"""Rules over the turns of a conversation: what is counted, which one is acted on, and that it is acted on once."""

import asyncio

import pytest

from activities.thinking import Thinking
from konstruct.handoffs import owning
from konstruct.identity import new_id
from konstruct.ports import ModelCallError
from konstruct.tables import Usage
from tests.activities.escalations import (
    ANGRY,
    NOTHING,
    TELL,
    answering,
    asked_of,
    converse,
    handoffs,
    is_judges,
    judged,
    owner,
    rule,
    rules,
    send,
)
from tests.activities.turns import Turn
from tests.support.doubles import ScriptedModel
from tests.support.office import Office


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
