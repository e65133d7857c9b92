"""The conversation's workflow: order, bursts, interruptions, outages, silence; on a server whose clock skips."""

import asyncio
import math
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from konstruct.contracts.conversation import Delivered, Thought
from tests.workflows.conftest import Conversation, Stage
from workflows import policies


async def test_a_message_is_thought_about_and_answered_once(conversation: Conversation, stage: Stage) -> None:
    message = await conversation.say()
    delivery = await stage.deliveries.get()
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == [[message]]
    assert delivery.message_ids == [stage.thoughts[0].turn_id]
    assert len(stage.delivered) == 1


async def test_a_message_that_comes_while_the_model_thinks_joins_the_turn(
    conversation: Conversation, stage: Stage
) -> None:
    stage.hold = asyncio.Event()
    first = await conversation.say()
    await stage.thinking.get()
    second = await conversation.say()
    joined = await stage.thinking.get()
    stage.hold.set()
    await conversation.handle.result()
    assert joined.message_ids == [first, second]
    # The first call's result came too late for anybody.
    assert [delivery.message_ids for delivery in stage.delivered] == [[joined.turn_id]]


async def test_a_burst_is_answered_once_and_in_order(conversation: Conversation, stage: Stage) -> None:
    stage.hold = asyncio.Event()
    messages = [await conversation.say() for _ in range(5)]
    while (await stage.thinking.get()).message_ids != messages:
        pass
    stage.hold.set()
    await conversation.handle.result()
    assert len(stage.delivered) == 1


async def test_a_repeated_signal_changes_nothing(conversation: Conversation, stage: Stage) -> None:
    stage.hold = asyncio.Event()
    message = await conversation.say()
    await stage.thinking.get()
    await conversation.say_again(message)
    stage.hold.set()
    await conversation.handle.result()
    assert len(stage.thoughts) == 1


async def test_a_message_that_comes_during_the_send_waits_for_its_own_turn(
    conversation: Conversation, stage: Stage
) -> None:
    late: list[UUID] = []

    async def speak_once() -> None:
        if not late:
            late.append(await conversation.say())

    stage.before_deliver = speak_once
    first = await conversation.say()
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == [[first], late]
    assert len(stage.delivered) == 2


async def test_what_was_thought_for_nothing_is_thought_again_and_its_status_ended(
    conversation: Conversation, stage: Stage
) -> None:
    stage.foregone.append(Thought("superseded", showed_status=True))
    message = await conversation.say()
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == [[message], [message]]
    assert stage.thoughts[0].turn_id != stage.thoughts[1].turn_id
    [delivery] = stage.delivered
    assert (delivery.message_ids, delivery.end_status) == ([stage.thoughts[1].turn_id], True)


async def test_a_status_is_ended_though_there_is_nothing_left_to_answer(
    conversation: Conversation, stage: Stage
) -> None:
    stage.foregone.extend([Thought("superseded", showed_status=True), Thought("nothing")])
    await conversation.say()
    await conversation.handle.result()
    assert [(delivery.message_ids, delivery.end_status) for delivery in stage.delivered] == [([], True)]


async def test_an_answer_that_was_superseded_is_thought_again(conversation: Conversation, stage: Stage) -> None:
    stage.outcomes.append(Delivered("superseded"))
    message = await conversation.say()
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == [[message], [message]]


async def test_a_stopped_turn_is_cancelled_and_never_answered(conversation: Conversation, stage: Stage) -> None:
    stage.hold = asyncio.Event()
    message = await conversation.say()
    await stage.thinking.get()
    await conversation.handle.signal("stop_turn")
    abandoned = await stage.abandoned.get()
    stage.hold.set()
    await conversation.handle.result()
    assert (abandoned.message_ids, abandoned.why) == ([message], "stopped")
    assert not stage.delivered


async def test_while_all_models_are_down_the_contact_is_told_once_and_the_turn_goes_on_later(
    conversation: Conversation, stage: Stage
) -> None:
    stage.failures = 4
    message = await conversation.say()
    await conversation.handle.result()
    assert len(stage.admitted) == 1
    assert len(stage.thoughts) == 5
    assert stage.thoughts[-1].message_ids == [message]
    assert stage.delivered[-1].message_ids == [stage.thoughts[-1].turn_id]
    # One honest sentence, one answer.
    assert len(stage.delivered) == 2


async def test_a_turn_that_fails_for_a_day_is_given_up_on_record(conversation: Conversation, stage: Stage) -> None:
    stage.failures = math.inf
    message = await conversation.say()
    await conversation.handle.result()
    abandoned = stage.abandoned.get_nowait()
    assert (abandoned.message_ids, abandoned.why) == ([message], "failed")
    # The first of them took no time; the rest are ten minutes apart at most, and no closer than that for long.
    assert len(stage.thoughts) < 24 * 6 + 10


async def test_a_notice_is_sent_without_thinking(conversation: Conversation, stage: Stage) -> None:
    notice = await conversation.notice()
    await conversation.handle.result()
    assert [delivery.message_ids for delivery in stage.delivered] == [[notice]]
    assert not stage.thoughts


async def test_a_silent_conversation_completes_and_starts_again_with_the_next_message(
    conversation: Conversation, stage: Stage
) -> None:
    await conversation.say()
    await conversation.handle.result()
    description = await conversation.handle.describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED
    await conversation.say()
    await conversation.handle.result()
    assert len(stage.delivered) == 2


async def test_a_long_conversation_continues_as_new_and_loses_nothing(
    skipping: WorkflowEnvironment, conversation: Conversation, stage: Stage
) -> None:
    first = None
    with skipping.auto_time_skipping_disabled():
        for _ in range(policies.TURNS_IN_A_RUN + 3):
            await conversation.say()
            first = first or (await conversation.handle.describe()).run_id
            await stage.deliveries.get()
    assert (await conversation.handle.describe()).run_id != first
    await conversation.handle.result()
    assert len(stage.delivered) == policies.TURNS_IN_A_RUN + 3


async def test_a_run_of_many_events_ends_before_it_has_had_many_turns(
    skipping: WorkflowEnvironment, conversation: Conversation, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "EVENTS_IN_A_RUN", 40)
    runs = []
    with skipping.auto_time_skipping_disabled():
        for _ in range(10):
            await conversation.say()
            await stage.deliveries.get()
            runs.append((await conversation.handle.describe()).run_id)
    await conversation.handle.result()
    assert len(stage.delivered) == 10
    # A turn is of some ten events.
    assert max(runs.count(run) for run in runs) <= 6
