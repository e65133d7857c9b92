import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError
from temporalio.testing import ActivityEnvironment

from activities.thinking import MODELS_DOWN, Thinking
from konstruct.contracts.conversation import AbandonRequest, AdmitRequest, ThinkRequest, Thought
from konstruct.errors import ModelsUnavailable
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ChatMessage, ModelCallError
from konstruct.tables import Usage
from tests.activities.conftest import AuditBroken
from tests.support.doubles import RecordingMessenger, ScriptedModel
from tests.support.office import Office

# 1,000 prompt tokens, 400 of them cached, and 100 of the answer, at the list prices of the two models.
OF_SONNET = Decimal("0.00342")
OF_GPT = Decimal("0.0031")


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("Hello?")


def request_for(office: Office, asked: Accepted, turn_id: UUID | None = None) -> ThinkRequest:
    return ThinkRequest(office.tenant_id, asked.conversation_id, turn_id or new_id(), [asked.message_id])


async def answers(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages("outbound")]


async def test_an_answer_is_stored_with_what_it_cost_and_who_gave_it(
    office: Office, asked: Accepted, thinking: Thinking, messenger: RecordingMessenger
) -> None:
    request = request_for(office, asked)
    thought = await ActivityEnvironment().run(thinking.think, request)

    [reply] = await office.messages("outbound")
    assert thought == Thought("reply", [reply.id], showed_status=False)
    assert (reply.body, reply.state, reply.purpose, reply.turn_id) == ("Hello!", "pending", "reply", request.turn_id)
    [used] = await office.rows(Usage)
    assert (used.outcome, used.error, used.estimated, used.cost) == ("ok", None, False, OF_SONNET)
    assert (used.provider, used.model) == ("anthropic", "claude-sonnet-4-6")
    assert (used.input_tokens, used.output_tokens, used.cached_tokens) == (1_000, 100, 400)
    assert (used.conversation_id, used.employee_id) == (asked.conversation_id, office.employee_id)
    assert used.turn_id == request.turn_id
    [event] = await office.events("turn.answered")
    assert (event.actor, event.conversation_id) == ("employee", asked.conversation_id)
    assert event.detail == {
        "turn_id": str(request.turn_id),
        "step": 0,
        "employee_version": 1,
        "model": "anthropic/claude-sonnet-4-6",
        "recalled": [],
        "passed_over": [],
    }
    assert messenger.told == []


async def test_the_model_is_told_who_it_is_and_what_was_said(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    second = await office.say("Anybody there?")
    request = ThinkRequest(office.tenant_id, asked.conversation_id, new_id(), [asked.message_id, second.message_id])
    await ActivityEnvironment().run(thinking.think, request)
    [[system, *said]] = model.prompts
    assert system.role == "system"
    assert "You are Ada, Front desk at Acme Bikes." in system.content
    assert "Be brief." in system.content
    assert said == [ChatMessage("user", "Hello?\n\nAnybody there?")]


async def test_an_answer_in_parts_is_stored_in_order(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    model.script("Part one\n\nPart two\n\nPart three")
    thought = await ActivityEnvironment().run(thinking.think, request_for(office, asked))
    assert [(await office.message(reply)).body for reply in thought.reply_ids] == ["Part one", "Part two", "Part three"]
    assert [(await office.message(reply)).seq for reply in thought.reply_ids] == [2, 3, 4]


async def test_a_model_that_failed_is_recorded_beside_the_one_that_answered(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    model.script(ModelCallError("server", "It broke."), "Hello!")
    await ActivityEnvironment().run(thinking.think, request_for(office, asked))
    failed, ok = sorted(await office.rows(Usage), key=lambda used: used.created_at)
    assert (failed.outcome, failed.error, failed.provider, failed.cost) == ("failed", "server", "anthropic", Decimal(0))
    assert (ok.outcome, ok.error, ok.provider, ok.cost) == ("ok", None, "openai", OF_GPT)
    [event] = await office.events("turn.answered")
    assert event.detail["model"] == "openai/gpt-5.4"
    assert event.detail["passed_over"] == ["anthropic/claude-sonnet-4-6: server"]


async def test_when_no_model_answers_the_calls_are_recorded_and_nothing_is_stored(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    model.script(ModelCallError("auth", "Incorrect API key sk-canary at https://internal.example/v1"))
    with pytest.raises(ModelsUnavailable) as raised:
        await ActivityEnvironment().run(thinking.think, request_for(office, asked))

    assert "anthropic/claude-sonnet-4-6 (auth)" in str(raised.value)
    assert "canary" not in str(raised.value)
    assert "internal.example" not in str(raised.value)
    assert [(used.outcome, used.error) for used in await office.rows(Usage)] == [("failed", "auth")] * 2
    assert await office.states() == ["taken"]
    assert "turn.answered" not in await office.actions()


async def test_a_contact_is_told_of_a_delay_without_the_reason(
    office: Office, asked: Accepted, thinking: Thinking
) -> None:
    turn_id = new_id()
    request = AdmitRequest(
        office.tenant_id, asked.conversation_id, turn_id, "No model answered: anthropic/claude-sonnet-4-6 (auth)."
    )
    first, second = [await ActivityEnvironment().run(thinking.admit, request) for _ in range(2)]

    assert first == second
    [notice] = [message for message in await office.messages() if message.purpose == "notice"]
    assert [notice.id] == first.notice_ids
    assert notice.body == MODELS_DOWN
    assert not {"anthropic", "model", "auth"} & set(notice.body.lower().split())
    delayed = await office.events("turn.delayed")
    assert delayed[0].detail == {"turn_id": str(turn_id), "reason": request.reason}


async def test_a_cancelled_turn_stores_no_answer_but_what_it_cost(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    model.may_answer = asyncio.Event()
    environment = ActivityEnvironment()
    thought = asyncio.create_task(environment.run(thinking.think, request_for(office, asked)))
    await model.is_asked.wait()
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await thought

    [used] = await office.rows(Usage)
    assert (used.outcome, used.estimated, used.provider) == ("cancelled", True, "anthropic")
    assert used.cost is not None
    # By our own count of tokens, at the model's prices: 3 and 15 dollars a million.
    assert used.cost == (used.input_tokens * Decimal(3) + used.output_tokens * Decimal(15)) / 1_000_000
    assert used.cost > 0
    assert await answers(office) == []
    assert "turn.answered" not in await office.actions()


async def test_an_answer_to_a_conversation_that_moved_on_is_thrown_away(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    model.may_answer = asyncio.Event()
    thought = asyncio.create_task(ActivityEnvironment().run(thinking.think, request_for(office, asked)))
    await model.is_asked.wait()
    await office.change_owner(asked.conversation_id, "agent")
    model.may_answer.set()

    assert (await thought).decision == "nothing"
    assert await answers(office) == []
    assert [used.outcome for used in await office.rows(Usage)] == ["ok"]
    actions = await office.actions()
    assert "turn.superseded" in actions
    assert "turn.answered" not in actions


async def test_of_two_attempts_at_once_the_record_names_the_one_whose_answer_stands(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    """The first one stood still and was taken for dead, but both think to the end."""
    request, model.may_answer = request_for(office, asked), asyncio.Event()
    attempts = [asyncio.create_task(ActivityEnvironment().run(thinking.think, request)) for _ in range(2)]
    while len(model.prompts) < 2:
        await model.is_asked.wait()
        model.is_asked.clear()
    model.may_answer.set()

    first, second = await asyncio.gather(*attempts)
    assert first.decision == second.decision == "reply"
    assert first.reply_ids == second.reply_ids
    assert await answers(office) == ["Hello!"]
    assert len(await office.rows(Usage)) == 2
    actions = await office.actions()
    assert (actions.count("turn.answered"), actions.count("turn.superseded")) == (1, 1)


async def test_an_attempt_after_a_crash_asks_no_model_again(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    request = request_for(office, asked)
    first = await ActivityEnvironment().run(thinking.think, request)
    second = await ActivityEnvironment().run(thinking.think, request)
    # The attempt that died may have left a status.
    assert second == replace(first, showed_status=True, is_repeated=True)
    assert len(model.prompts) == len(await office.rows(Usage)) == len(await answers(office)) == 1


async def test_an_answer_without_its_audit_event_is_not_stored(
    office: Office, asked: Accepted, thinking: Thinking, audit_broken: AuditBroken
) -> None:
    request = request_for(office, asked)
    before = await office.actions()
    async with audit_broken():
        with pytest.raises(DBAPIError):
            await ActivityEnvironment().run(thinking.think, request)
        assert await answers(office) == []
        # The call was made, and costs what it costs.
        assert len(await office.rows(Usage)) == 1
        with pytest.raises(DBAPIError):
            await ActivityEnvironment().run(
                thinking.admit, AdmitRequest(office.tenant_id, asked.conversation_id, request.turn_id, "down")
            )
        with pytest.raises(DBAPIError):
            await ActivityEnvironment().run(
                thinking.abandon,
                AbandonRequest(office.tenant_id, asked.conversation_id, [asked.message_id], "stopped"),
            )
    assert await office.states() == ["taken"]
    assert await office.actions() == [*before, "model.called"]

    assert (await ActivityEnvironment().run(thinking.think, request)).decision == "reply"
    assert await answers(office) == ["Hello!"]


async def test_a_status_is_shown_when_the_answer_takes_a_while(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel, messenger: RecordingMessenger
) -> None:
    model.may_answer = asyncio.Event()
    thought = asyncio.create_task(ActivityEnvironment().run(thinking.think, request_for(office, asked)))
    await messenger.is_thinking.wait()
    model.may_answer.set()
    assert (await thought).showed_status
    assert messenger.told == [("thinking", "1.0")]


async def test_a_status_of_an_attempt_that_died_is_ended_too(
    office: Office, asked: Accepted, thinking: Thinking
) -> None:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=2)
    assert (await environment.run(thinking.think, request_for(office, asked))).showed_status


async def test_an_abandoned_turn_ends_its_status(
    office: Office, asked: Accepted, thinking: Thinking, messenger: RecordingMessenger
) -> None:
    await ActivityEnvironment().run(
        thinking.abandon, AbandonRequest(office.tenant_id, asked.conversation_id, [asked.message_id], "stopped")
    )
    assert await office.states() == ["stopped"]
    assert messenger.told == [("idle", "1.0")]
    assert "turn.stopped" in await office.actions()


async def test_thinking_gives_signs_of_life(
    office: Office, asked: Accepted, thinking: Thinking, model: ScriptedModel
) -> None:
    model.may_answer = asyncio.Event()
    environment, beat = ActivityEnvironment(), asyncio.Event()
    environment.on_heartbeat = lambda *details: beat.set()
    thought = asyncio.create_task(environment.run(thinking.think, request_for(office, asked)))
    await beat.wait()
    assert not thought.done()
    model.may_answer.set()
    await thought
