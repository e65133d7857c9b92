"""Answers that a rule holds back: people are asked, and a yes sends what was shown to them, once and word for word."""

from typing import Any
from uuid import UUID

import pytest

from activities.builtin_tools import PEOPLES
from activities.escalating import HELD_BACK
from activities.thinking import Thinking
from activities.tool_use import ToolUse
from konstruct import approvals
from konstruct.approvals import Asked
from konstruct.conversations import Turn as Begun
from konstruct.identity import new_id
from konstruct.tables import Approval
from tests.activities.escalations import answering, asked_of, owner, rule, rules, send
from tests.activities.tools import call
from tests.activities.turns import Turn, calling
from tests.support.doubles import ScriptedModel
from tests.support.office import Office
from tests.support.workshop import approval_row, call_row, call_states

ASK: dict[str, Any] = {"ask_approval": {}}
ANSWER = "The canary refund is yours."


@pytest.fixture
async def turn(office: Office, thinking: Thinking, model: ScriptedModel) -> Turn:
    await rules(office, rule({"keyword": "refund"}, ASK, "refunds"))
    model.script(ANSWER)
    return Turn(office, thinking, await office.say("A refund, please"))


async def held_back(turn: Turn) -> UUID:
    """Its answer, with the contact told so: the approval."""
    thought = await turn.think()
    await send(turn.office, turn.asked, thought.reply_ids)
    [approval_id] = thought.approvals
    return approval_id


async def shown(office: Office, approval_id: UUID) -> Asked:
    async with office.session() as session:
        return await approvals.read(session, office.vault, approval_id)


async def decide(office: Office, tool_use: ToolUse, approval_id: UUID, *, is_yes: bool = True) -> str:
    """Takes down what a person says and does what follows, as its workflow does: what became of the call."""
    asked = await shown(office, approval_id)
    async with office.session() as session:
        await approvals.decide(
            session, office.vault, approval_id, is_yes=is_yes, fingerprint=asked.fingerprint, by="slack:U9"
        )
    if is_yes:
        await call(tool_use, office, asked.call_id)
    for _ in range(2):
        async with office.session() as session:
            await approvals.report(session, office.vault, approval_id)
    return (await call_row(office, asked.call_id)).state


def following(turn: Turn) -> Turn:
    return Turn(turn.office, turn.thinking, turn.asked)


async def said(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages("outbound")]


async def test_people_are_asked_and_the_contact_is_told_so(turn: Turn, office: Office, model: ScriptedModel) -> None:
    thought = await turn.think()

    [approval_id] = thought.approvals
    assert (thought.decision, thought.calls) == ("reply", [])
    assert await said(office) == [HELD_BACK]
    asked = await shown(office, approval_id)
    assert (asked.tool, asked.state, asked.reason) == ("send_reply", "waiting", 'The contact wrote "refund".')
    assert ANSWER in asked.arguments
    assert model.shown == [([], False)]
    assert await owner(office, turn.asked) == "employee"
    [event] = await office.events("rule.fired")
    assert event.detail["then"] == "ask_approval"
    assert len(await office.events("turn.held_back")) == 1


async def test_an_attempt_that_repeats_asks_once(turn: Turn, office: Office) -> None:
    first = await turn.think()
    second = await turn.think(attempt=2)
    assert second.reply_ids == first.reply_ids
    assert len(await office.rows(Approval)) == len(await office.events("rule.fired")) == 1


async def test_a_yes_sends_what_was_shown_without_a_model(
    turn: Turn, office: Office, model: ScriptedModel, tool_use: ToolUse
) -> None:
    assert await decide(office, tool_use, await held_back(turn)) == "done"
    sending = following(turn)
    thought = await sending.think()
    assert (await sending.think(attempt=2)).reply_ids == thought.reply_ids
    await send(office, turn.asked, thought.reply_ids)
    assert await said(office) == [HELD_BACK, ANSWER]
    assert asked_of(model) == ["employee"]
    assert await office.states() == ["answered", "sent", "answered", "sent"]
    assert (await following(turn).think()).decision == "nothing"


async def test_what_was_written_meanwhile_is_answered_after_it(
    turn: Turn, office: Office, model: ScriptedModel, tool_use: ToolUse
) -> None:
    await decide(office, tool_use, await held_back(turn))
    model.script("You are welcome.")
    joined = Turn(office, turn.thinking, await office.say("Thank you!"))
    await joined.think()
    assert await said(office) == [HELD_BACK, ANSWER, "You are welcome."]
    # It knows what is sent before what it writes.
    assert ANSWER in model.prompts[-1][-1].content


@pytest.mark.parametrize("is_expired", [False, True])
async def test_without_a_yes_the_employee_answers_accordingly(
    turn: Turn, office: Office, model: ScriptedModel, tool_use: ToolUse, is_expired: bool
) -> None:
    approval_id = await held_back(turn)
    if is_expired:
        async with office.session() as session:
            approval = await session.get_one(Approval, (office.tenant_id, approval_id))
            approval.expires_at = approval.created_at
        async with office.session() as session:
            assert await approvals.settle(session, approval_id) == "expired"
            await approvals.report(session, office.vault, approval_id)
    else:
        assert await decide(office, tool_use, approval_id, is_yes=False) == "denied"
    model.script("Sorry, it cannot be done.")
    assert await following(turn).answer() == "Sorry, it cannot be done."
    told = "Nobody decided in time" if is_expired else "A person said no"
    assert told in model.prompts[-1][-1].content
    assert await said(office) == [HELD_BACK, "Sorry, it cannot be done."]


async def test_people_who_took_over_meanwhile_are_not_spoken_over(
    turn: Turn, office: Office, tool_use: ToolUse
) -> None:
    approval_id = await held_back(turn)
    await office.change_owner(turn.asked.conversation_id, "agent")
    assert await decide(office, tool_use, approval_id) == "failed"
    asked = await shown(office, approval_id)
    assert asked.state == "approved"
    assert (await following(turn).think()).decision == "handed_off"
    assert await said(office) == [HELD_BACK]
    note = (await office.messages("inbound"))[-1]
    assert PEOPLES in (note.body or "")
    assert note.state == "passed"


async def test_a_message_that_comes_before_the_notice_is_sent_takes_the_question_back(
    turn: Turn, office: Office
) -> None:
    [approval_id] = (await turn.think()).approvals
    await office.say("No, wait")
    newer = following(turn)
    again = await newer.think()
    assert (await approval_row(office, approval_id)).state == "denied"
    assert len(again.approvals) == 1
    assert await call_states(office) == ["cancelled", "waiting"]


async def test_an_answer_that_is_judged_is_held_back_and_a_tool_is_used_before(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"outside_policy": True}, ASK), tools=["current_time"])
    beyond = '{"outside_policy": true}'
    answering(model, beyond, calling("current_time"))
    turn = Turn(office, thinking, await office.say("Hello"))
    await turn.step()
    assert asked_of(model) == ["employee"]
    answering(model, beyond, ANSWER)
    thought = await turn.think()
    assert (thought.decision, len(thought.approvals)) == ("reply", 1)
    assert await said(office) == [HELD_BACK]
    assert await call_states(office) == ["ready", "waiting"]


async def test_a_model_that_makes_up_this_call_is_told_that_there_is_none(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"keyword": "refund"}, ASK), tools=["current_time", "send_reply"])
    model.script(calling("send_reply", arguments='{"text": "Canary"}'))
    await Turn(office, thinking, await office.say("Hello")).step()
    assert await call_states(office) == ["invalid"]
    assert model.shown == [(["current_time"], True)]


async def test_a_note_of_a_contacts_own_releases_nothing(
    turn: Turn, office: Office, tool_use: ToolUse, model: ScriptedModel
) -> None:
    """Only the note of the yes itself does; its turn is another one."""
    approval_id = await held_back(turn)
    await decide(office, tool_use, approval_id)
    other = await office.say("Hello", root="2.0", external_id=f"approval-{new_id()}")
    assert isinstance(await office.begin(other, new_id()), Begun)
    model.script("Hello!")
    assert await Turn(office, turn.thinking, other).answer() == "Hello!"
