"""How people come to a conversation: a signal, a thought that comes to it, and who is told; on a clock that skips.

What is being thought ends only after it was cut off: the server of these tests loses a workflow that cancels an
activity in the moment in which it ends, which the real one does not.
"""

import asyncio
from uuid import UUID, uuid4

import pytest
from temporalio.api.enums.v1 import ParentClosePolicy
from temporalio.client import WorkflowExecutionStatus

from konstruct.contracts import handoffs
from konstruct.contracts.conversation import Delivered, Thought, ToolCallToMake
from konstruct.contracts.handoffs import (
    HAND_OFF,
    RESUME,
    HandoffStanding,
    HandoffState,
    OwnerState,
    Resume,
)
from tests.workflows.conftest import DAYS, Conversation, Stage
from tests.workflows.people import WISH, People


async def test_a_signal_cuts_off_what_is_thought_and_people_have_it(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    await conversation.tell(HAND_OFF, WISH)
    queue = await conversation.learns()
    stage.hold.set()
    assert [(change.action, change.wish) for change in people.asked] == [("hand_off", WISH)]
    # The status alone is ended.
    [delivery] = stage.delivered
    assert (delivery.message_ids, delivery.end_status, len(stage.thoughts)) == ([], True, 1)
    assert await conversation.ownership() == queue
    assert await conversation.waiting() == []


async def test_a_signal_during_calls_of_tools_cuts_them_short(conversation: Conversation, people: People) -> None:
    conversation.desk.hold = asyncio.Event()
    conversation.stage.foregone.append(Thought("tools", calls=[ToolCallToMake(call := uuid4(), 30.0, 3)]))
    await conversation.say()
    await conversation.desk.calling.get()
    await conversation.tell(HAND_OFF, WISH)
    assert await conversation.desk.cut_short.get() == call
    assert (await people.changed.get()).owner == "queue"
    assert (len(conversation.stage.thoughts), conversation.desk.given_up) == (1, [])


async def test_a_signal_to_a_silent_conversation_needs_no_message(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    await conversation.queued()
    assert await conversation.ownership() == people.now
    assert (stage.thoughts, stage.delivered) == ([], [])


async def test_where_the_handoff_is_refused_the_turn_goes_on(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.refused.add("hand_off")
    stage.hold = asyncio.Event()
    message = await conversation.say()
    await stage.thinking.get()
    await conversation.tell(HAND_OFF, WISH)
    again = await stage.thinking.get()
    stage.hold.set()
    await conversation.handle.result()
    assert ([again.message_ids], len(people.asked)) == ([[message]], 1)
    assert stage.delivered[-1].message_ids == [again.turn_id]


async def test_a_change_that_fails_is_tried_until_it_works_and_nothing_is_thought_meanwhile(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.failing = 3
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    await conversation.tell(HAND_OFF, WISH)
    assert (await people.changed.get()).owner == "queue"
    stage.hold.set()
    assert (len(people.asked), len(stage.thoughts)) == (4, 1)


async def test_a_signal_while_a_notice_is_sent_comes_before_the_next_turn(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    async def ask_for_people() -> None:
        stage.before_deliver = None
        await conversation.say()
        await conversation.tell(HAND_OFF, WISH)

    stage.before_deliver = ask_for_people
    await conversation.notice()
    await people.changed.get()
    assert (stage.thoughts, len(stage.delivered)) == ([], 1)


async def test_a_signal_during_a_send_that_is_superseded_is_followed_by_no_thought(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    async def ask_for_people() -> None:
        stage.before_deliver = None
        await conversation.say()
        await conversation.tell(HAND_OFF, WISH)

    stage.before_deliver = ask_for_people
    stage.outcomes.append(Delivered("superseded"))
    await conversation.say()
    await people.changed.get()
    assert len(stage.thoughts) == 1


@pytest.mark.parametrize("stops_first", [False, True])
async def test_a_stop_and_a_handoff_at_once_leave_nothing_to_answer(
    conversation: Conversation, stage: Stage, people: People, stops_first: bool
) -> None:
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    words = [conversation.handle.signal("stop_turn"), conversation.handle.signal(HAND_OFF, WISH)]
    await asyncio.gather(*(words if stops_first else reversed(words)))
    queue = await conversation.learns()
    stage.hold.set()
    assert await conversation.ownership() == queue
    assert (len(stage.thoughts), await conversation.waiting()) == (1, [])
    assert [delivery.message_ids for delivery in stage.delivered] in ([], [[]])
    # What comes when people are done was not stopped.
    await conversation.tell(RESUME, Resume(at_once=True))
    await conversation.handle.result()
    assert stage.delivered[-1].message_ids == [stage.thoughts[1].turn_id]


async def test_a_stop_holds_where_the_handoff_beside_it_is_refused(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.refused.add("hand_off")
    people.held["hand_off"] = asyncio.Event()
    stage.hold = asyncio.Event()
    message = await conversation.say()
    await stage.thinking.get()
    await conversation.tell(HAND_OFF, WISH)
    await people.changed.get()
    await conversation.handle.signal("stop_turn")
    people.held["hand_off"].set()
    abandoned = await stage.abandoned.get()
    stage.hold.set()
    await conversation.handle.result()
    assert (abandoned.message_ids, abandoned.why, len(stage.thoughts)) == ([message], "stopped", 1)


async def test_a_stop_during_a_send_that_is_superseded_is_followed_by_no_thought(
    conversation: Conversation, stage: Stage
) -> None:
    async def stop() -> None:
        stage.before_deliver = None
        await conversation.handle.signal("stop_turn")

    stage.before_deliver = stop
    stage.outcomes.append(Delivered("superseded"))
    message = await conversation.say()
    await conversation.handle.result()
    abandoned = stage.abandoned.get_nowait()
    assert (abandoned.message_ids, abandoned.why, len(stage.thoughts)) == ([message], "stopped", 1)


async def test_a_stop_of_nothing_stops_nothing_later(conversation: Conversation, stage: Stage, people: People) -> None:
    people.refused.add("hand_off")
    await conversation.tell(HAND_OFF, WISH)
    await people.changed.get()
    await conversation.handle.signal("stop_turn")
    await conversation.say()
    await conversation.handle.result()
    assert (len(stage.thoughts), stage.abandoned.empty()) == (1, True)


def attending(conversation: Conversation, handoff_id: UUID) -> HandoffState:
    return HandoffState(conversation.tenant_id, handoff_id)


async def test_where_thinking_comes_to_a_handoff_people_are_told_in_a_workflow_that_outlives_it(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.now = OwnerState("queue", 7, handoff := uuid4())
    stage.foregone.append(Thought("handed_off", ownership=people.now, showed_status=True))
    await conversation.say()
    assert await people.attended.get() == attending(conversation, handoff)
    assert [(delivery.message_ids, delivery.end_status) for delivery in stage.delivered] == [([], True)]
    assert (await conversation.ownership(), await conversation.waiting()) == (people.now, [])
    await conversation.tell(RESUME, Resume())
    await conversation.learns()
    await conversation.environment.sleep(DAYS)
    assert not await conversation.is_running()
    child = conversation.environment.client.get_workflow_handle(handoffs.workflow_id(conversation.tenant_id, handoff))
    description = await child.describe()
    assert (description.status, description.workflow_type) == (WorkflowExecutionStatus.RUNNING, handoffs.WORKFLOW)
    # The server of these tests would let it live in any case.
    events = [event async for event in conversation.first_run.fetch_history_events()]
    started = [event.start_child_workflow_execution_initiated_event_attributes for event in events]
    [policy] = [each.parent_close_policy for each in started if each.workflow_id]
    assert policy == ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON


async def test_what_the_contact_is_told_with_a_handoff_is_sent(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.now = OwnerState("queue", 7, uuid4())
    stage.foregone.append(Thought("handed_off", [told := uuid4()], showed_status=True, ownership=people.now))
    await conversation.say()
    delivery = await stage.deliveries.get()
    assert (delivery.message_ids, delivery.end_status) == ([told], True)
    assert await people.attended.get()
    assert await conversation.waiting() == []


async def test_people_who_are_only_told_leave_the_employee_at_it(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.stand(HandoffStanding(is_over=True))
    stage.foregone.append(Thought("reply", [reply := uuid4()], told_handoff_id=(handoff := uuid4())))
    await conversation.say()
    assert (await stage.deliveries.get()).message_ids == [reply]
    assert await people.attended.get() == attending(conversation, handoff)
    await conversation.handle.result()
    assert (await conversation.ownership()).owner == "employee"


async def test_a_handoff_that_a_sweep_has_started_is_started_once(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    await conversation.have_attended()
    state = await people.attended.get()
    people.now = OwnerState("queue", 1, state.handoff_id)
    stage.foregone.append(Thought("handed_off", ownership=people.now))
    await conversation.say()
    await stage.deliveries.get()
    await conversation.notice()
    await stage.deliveries.get()
    assert (people.attended.empty(), await conversation.ownership()) == (True, people.now)


async def test_an_agent_is_told_of_what_did_not_reach_the_contact(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    people.now = OwnerState("queue", 1, uuid4())
    stage.foregone.append(Thought("handed_off", ownership=people.now))
    await conversation.say()
    state = await people.attended.get()
    await stage.deliveries.get()
    stage.outcomes.append(Delivered("failed"))
    await conversation.notice()
    assert await people.attended.get() == state
    assert people.attended.empty()


async def test_where_nobody_attends_what_failed_keeps_nothing_waiting(conversation: Conversation, stage: Stage) -> None:
    await conversation.queued()
    stage.outcomes.append(Delivered("failed"))
    await conversation.notice()
    await stage.deliveries.get()
    written = await conversation.notice()
    assert (await stage.deliveries.get()).message_ids == [written]
