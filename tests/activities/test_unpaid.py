"""Turns for which no budget is left: handed to people, answered for nothing, or put off; and what all others cost."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlmodel import col
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.thinking import Thinking
from activities.unpaid import TO_OPERATOR, UNFINISHED
from konstruct import unsettled
from konstruct.contracts.conversation import Delivered, DeliverRequest, ThinkRequest
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ModelCallError
from konstruct.scope.sentences import SENTENCES
from konstruct.tables import Message, Usage
from konstruct.tables.base import utc_now
from konstruct.tools.calls import Outcome
from tests.activities.escalations import answering, asked_of, handoffs, reason, rule, rules
from tests.activities.turns import Turn, calling
from tests.support.crowds import statements
from tests.support.doubles import RecordingMessenger, ScriptedModel
from tests.support.handoffs import hand_back, seat
from tests.support.months import holds, ledger, pay, plan, spend_all, spent
from tests.support.office import Office
from tests.support.rehearsals import stage
from tests.support.workshop import publish

LATER = SENTENCES["en"].later


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("Do you have red bikes?")


async def let_minutes_pass(office: Office, minutes: int = 1) -> None:
    """For what came in so far."""
    async with office.session() as session:
        await session.execute(update(Message).values(created_at=col(Message.created_at) - timedelta(minutes=minutes)))


async def swept(office: Office) -> list[object]:
    found = await unsettled.find(office.database, 10_000)
    return [each.message_id for each in found if each.tenant_id == office.tenant_id and not each.is_notice]


async def test_what_a_turn_costs_is_held_before_and_counted_after(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await plan(office, business="5", ada="3")
    model.script(ModelCallError("server", "It broke."), "Hello!")
    model.may_answer = asyncio.Event()
    turn = asyncio.create_task(Turn(office, thinking, asked).answer())
    await model.is_asked.wait()
    model.is_asked.clear()
    await model.is_asked.wait()
    first, second = await holds(office)
    assert first > Decimal("0.1")
    assert second > Decimal("0.1")
    model.may_answer.set()
    assert await turn == "Hello!"
    assert await holds(office) == []
    total = await ledger(office)
    assert total == Decimal("0.0031")
    assert await spent(office) == {"business": total, str(office.employee_id): total}


async def test_a_turn_that_is_cut_off_lets_go_of_what_it_held(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await plan(office, business="5")
    model.may_answer = asyncio.Event()
    turn = asyncio.create_task(Turn(office, thinking, asked).think())
    await model.is_asked.wait()
    turn.cancel()
    await asyncio.wait([turn])
    [row] = await office.rows(Usage)
    assert (row.outcome, await holds(office)) == ("cancelled", [])
    assert (await spent(office))["business"] == row.cost


async def test_without_a_budget_a_turn_asks_the_database_one_thing_more(
    office: Office, asked: Accepted, thinking: Thinking
) -> None:
    with statements(office.database) as ran:
        await Turn(office, thinking, asked).answer()
    about = [text for text, _ in ran if "budget" in text and "from tenants" not in text.lower()]
    assert len([text for text in about if "settle_budgets" in text]) == 1
    assert not any("hold_of_budget" in text for text in about)
    assert await spent(office) == {}


async def test_people_get_what_no_budget_is_left_for(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await seat(office)
    await spend_all(office, asked)
    turn = Turn(office, thinking, asked)
    thought = await turn.think()
    assert thought.decision == "handed_off"
    [handoff] = await handoffs(office)
    assert thought.ownership is not None
    assert thought.ownership.handoff_id == handoff.id
    assert "budget" in await reason(office, handoff)
    assert model.prompts == []
    # Thought of again, after a crash, it rings nobody twice.
    assert (await turn.think(attempt=2)).decision == "handed_off"
    assert len(await handoffs(office)) == 1
    assert [event.detail["rule"] for event in await office.events("rule.fired")] == ["budget-used-up"]


async def test_what_people_hand_back_is_not_handed_off_again_until_the_contact_writes(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await seat(office)
    await spend_all(office, asked)
    await Turn(office, thinking, asked).think()
    [handoff] = await handoffs(office)
    owned = await hand_back(office, handoff.id, at_once=True)
    assert owned.answer_id is not None
    note = ThinkRequest(office.tenant_id, asked.conversation_id, new_id(), [owned.answer_id])
    thought = await ActivityEnvironment().run(thinking.think, note)
    # The contact waits for an answer, and is told that it comes later.
    assert thought.decision == "reply"
    assert [(await office.message(each)).body for each in thought.reply_ids] == [LATER]
    assert len(await handoffs(office)) == 1
    again = await office.say("And blue ones?")
    assert (await Turn(office, thinking, again).think()).decision == "handed_off"
    assert len(await handoffs(office)) == 2
    assert model.prompts == []


async def test_a_pause_says_one_kind_sentence_a_day_and_loses_nothing(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await spend_all(office, asked, when_spent="pause")
    assert await Turn(office, thinking, asked).answer() == LATER
    second = await office.say("Hello?")
    assert (await Turn(office, thinking, second).think()).decision == "nothing"
    assert model.prompts == []
    assert await handoffs(office) == []
    assert [message.state for message in await office.messages("inbound")] == ["received"] * 2
    assert [event.action for event in await office.events("turn.put_off")] == ["turn.put_off"] * 2
    await let_minutes_pass(office, 30)
    assert await swept(office) == []
    await plan(office, business="6", when_spent="pause")
    assert set(await swept(office)) == {asked.message_id, second.message_id}
    assert await Turn(office, thinking, second).answer() == "Hello!"
    assert model.prompts[-1][-1].content == "Do you have red bikes?\n\nHello?"
    assert [message.state for message in await office.messages("inbound")] == ["taken"] * 2


async def test_the_sentence_reaches_the_contact_and_answers_nothing(
    office: Office, asked: Accepted, thinking: Thinking, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    await spend_all(office, asked, when_spent="pause")
    thought = await Turn(office, thinking, asked).think()
    request = DeliverRequest(office.tenant_id, asked.conversation_id, thought.reply_ids, end_status=True)
    assert await ActivityEnvironment().run(delivery.deliver, request) == Delivered("sent")
    assert messenger.sent == [LATER]
    assert (await office.message(asked.message_id)).state == "received"


async def test_what_is_put_off_is_looked_at_again_by_itself(
    office: Office, asked: Accepted, thinking: Thinking
) -> None:
    await spend_all(office, asked, when_spent="pause")
    await Turn(office, thinking, asked).think()
    message = await office.message(asked.message_id)
    assert message.swept_at is not None
    assert timedelta(0) < message.swept_at - utc_now() + unsettled.SWEPT_EVERY <= timedelta(hours=1)


async def test_the_sentence_is_in_the_contacts_language_and_the_next_day_said_again(
    office: Office, thinking: Thinking
) -> None:
    asked = await office.say("Hallo, habt ihr rote Räder?")
    await spend_all(office, asked, when_spent="pause")
    assert await Turn(office, thinking, asked).answer() == SENTENCES["de"].later
    await let_minutes_pass(office, 25 * 60)
    assert await Turn(office, thinking, await office.say("Hallo?")).answer() == SENTENCES["de"].later


async def test_a_turn_that_was_joined_meanwhile_is_not_put_off(
    office: Office, asked: Accepted, thinking: Thinking
) -> None:
    await spend_all(office, asked, when_spent="pause")
    turn = Turn(office, thinking, asked)
    later = Turn(office, thinking, await office.say("Hello?"))
    first, second = await asyncio.gather(turn.think(), later.think())
    told = [message for message in await office.messages("outbound") if message.purpose == "notice"]
    assert len(told) == 1
    assert {first.decision, second.decision} <= {"reply", "nothing", "superseded"}
    assert [message.state for message in await office.messages("inbound")] == ["received"] * 2


async def test_a_model_that_costs_nothing_stands_in_although_nobody_listed_it(
    office: Office, asked: Accepted, thinking: Thinking
) -> None:
    await spend_all(office, asked, when_spent="local")
    assert await Turn(office, thinking, asked).answer() == "Hello!"
    [answered] = await office.events("turn.answered")
    assert answered.detail["model"] == "local/smollm2"
    assert answered.detail["passed_over"] == [
        "anthropic/claude-sonnet-4-6: budget",
        "openai/gpt-5.4: budget",
    ]
    assert await ledger(office) == Decimal("4.999999")


@pytest.mark.parametrize("is_there", [True, False])
async def test_where_none_stands_in_it_is_put_off(
    office: Office,
    asked: Accepted,
    thinking: Thinking,
    model: ScriptedModel,
    *,
    is_there: bool,
) -> None:
    await spend_all(office, asked, when_spent="local")
    if is_there:
        model.script(ModelCallError("refused", "Nobody listens."))
    else:
        thinking._settings.local_model_base_url = None
    assert await Turn(office, thinking, asked).answer() == LATER
    assert len(model.prompts) == int(is_there)


async def test_what_tools_have_done_is_not_done_again_another_day(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await publish(office, "current_time")
    await plan(office, business="5", when_spent="pause")
    model.script(calling("current_time"), "Never said.")
    turn = Turn(office, thinking, asked)
    await turn.step(Outcome("done", "It is noon."))
    await pay(office, asked, "4.999999", at=utc_now())
    assert await turn.answer() == UNFINISHED
    assert len(model.prompts) == 1


async def test_a_judge_is_done_without_and_words_decide(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await rules(office, rule({"mood": "negative"}))
    await spend_all(office, asked, when_spent="local")
    answering(model, '{"mood": "angry"}')
    assert await Turn(office, thinking, asked).answer() == "Hello!"
    assert asked_of(model) == ["employee"]


async def test_who_rehearses_reads_why_there_is_no_answer_and_pays_like_all_others(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    await plan(office, business="5")
    on = await stage(office, system_prompt="Speak in rhymes.")
    assert await Turn(office, thinking, await on.say()).answer() == "Hello!"
    assert (await spent(office))["business"] == await ledger(office) > 0
    await pay(office, asked, "4.99", at=utc_now())
    assert await Turn(office, thinking, await on.say()).answer() == TO_OPERATOR
    assert await handoffs(office) == []
