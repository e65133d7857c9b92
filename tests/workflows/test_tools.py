"""Turns that use tools, and people who are asked for a yes; on a server whose clock skips.

An announcement is over, or held, when a decision is made: the server of these tests loses a workflow that cancels an
activity in the moment in which it ends, which the real one does not.
"""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus

from konstruct.contracts import approvals
from konstruct.contracts.conversation import Thought, ToolCallRequest, ToolCallToMake
from tests.workflows.conftest import Conversation, Desk, Stage
from workflows import policies


def using(*calls: UUID, asking: UUID | None = None) -> Thought:
    return Thought(
        "tools",
        calls=[ToolCallToMake(call, 30.0, 3) for call in calls],
        approvals=[asking] if asking is not None else [],
    )


async def test_calls_are_made_all_at_once_and_then_it_is_thought_again(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    desk.hold = asyncio.Event()
    stage.foregone.extend([using(first, second), using(third)])
    message = await conversation.say()
    assert {(await desk.calling.get()).call_id, (await desk.calling.get()).call_id} == {first, second}
    desk.hold.set()
    await conversation.handle.result()
    assert [request.call_id for request in desk.calls][2:] == [third]
    assert desk.calls[2] == ToolCallRequest(conversation.tenant_id, third, 3)
    assert [thought.step for thought in stage.thoughts] == [0, 1, 2]
    assert {thought.turn_id for thought in stage.thoughts} == {stage.thoughts[0].turn_id}
    assert [thought.message_ids for thought in stage.thoughts] == [[message]] * 3
    [delivery] = stage.delivered
    assert delivery.message_ids == [stage.thoughts[0].turn_id]


async def test_a_step_whose_calls_are_none_to_make_goes_on_at_once(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(using())
    await conversation.say()
    await conversation.handle.result()
    assert ([thought.step for thought in stage.thoughts], len(stage.delivered)) == ([0, 1], 1)


async def test_the_next_turn_begins_anew(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(using(uuid4()))
    await conversation.say()
    await stage.deliveries.get()
    await conversation.say()
    await conversation.handle.result()
    assert [thought.step for thought in stage.thoughts] == [0, 1, 0]
    assert stage.thoughts[2].turn_id != stage.thoughts[1].turn_id


async def test_a_message_during_calls_joins_the_turn_and_repeats_none_of_them(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    desk.hold = asyncio.Event()
    stage.foregone.append(using(uuid4()))
    first = await conversation.say()
    await desk.calling.get()
    second = await conversation.say()
    # It is heard of, and waits for the calls.
    assert await conversation.handle.query("waiting_messages", result_type=list[UUID]) == [first, second]
    assert len(stage.thoughts) == 1
    desk.hold.set()
    await conversation.handle.result()
    assert [(thought.message_ids, thought.step) for thought in stage.thoughts] == [([first], 0), ([first, second], 1)]
    assert stage.thoughts[0].turn_id == stage.thoughts[1].turn_id
    assert (len(desk.calls), len(stage.delivered)) == (1, 1)


async def test_a_message_while_it_thinks_again_joins_the_same_step(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    desk.hold = asyncio.Event()
    stage.foregone.append(using(uuid4()))
    first = await conversation.say()
    await desk.calling.get()
    await stage.thinking.get()
    stage.hold = asyncio.Event()
    desk.hold.set()
    await stage.thinking.get()
    second = await conversation.say()
    joined = await stage.thinking.get()
    stage.hold.set()
    await conversation.handle.result()
    assert (joined.message_ids, joined.step) == ([first, second], 1)
    assert joined.turn_id == stage.thoughts[0].turn_id
    assert len(stage.delivered) == 1


async def test_what_was_superseded_after_tools_is_thought_again_under_the_same_id(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    stage.foregone.extend([using(uuid4()), Thought("superseded")])
    await conversation.say()
    await conversation.handle.result()
    assert [thought.step for thought in stage.thoughts] == [0, 1, 1]
    assert len({thought.turn_id for thought in stage.thoughts}) == 1
    assert (len(desk.calls), len(stage.delivered)) == (1, 1)


async def test_an_answer_that_an_earlier_attempt_had_stored_is_followed_by_another_look(
    conversation: Conversation, stage: Stage
) -> None:
    """It may not have known of what came in since."""
    stage.foregone.extend([using(uuid4()), Thought("reply", [reply := uuid4()], is_repeated=True), Thought("nothing")])
    await conversation.say()
    await conversation.handle.result()
    assert [thought.step for thought in stage.thoughts] == [0, 1, 0]
    assert stage.thoughts[2].turn_id != stage.thoughts[1].turn_id
    assert stage.delivered[0].message_ids == [reply]


async def test_a_stop_during_calls_cuts_them_short_and_abandons_the_turn(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    desk.hold = asyncio.Event()
    stage.foregone.append(using(call := uuid4()))
    message = await conversation.say()
    await desk.calling.get()
    await conversation.handle.signal("stop_turn")
    abandoned = await stage.abandoned.get()
    assert (abandoned.message_ids, abandoned.why) == ([message], "stopped")
    assert await desk.cut_short.get() == call
    await conversation.handle.result()
    assert (len(stage.thoughts), stage.delivered, desk.given_up) == (1, [], [])


async def test_a_stop_while_it_thinks_again_abandons_the_turn(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    desk.hold = asyncio.Event()
    stage.foregone.append(using(uuid4()))
    await conversation.say()
    await desk.calling.get()
    await stage.thinking.get()
    stage.hold = asyncio.Event()
    desk.hold.set()
    await stage.thinking.get()
    await conversation.handle.signal("stop_turn")
    assert (await stage.abandoned.get()).why == "stopped"
    stage.hold.set()
    await conversation.handle.result()
    assert stage.delivered == []


async def test_a_stop_is_told_to_those_who_were_asked(conversation: Conversation, stage: Stage, desk: Desk) -> None:
    desk.hold = asyncio.Event()
    stage.foregone.append(using(uuid4(), asking=(approval := uuid4())))
    await conversation.say()
    await desk.calling.get()
    assert await desk.looked.get() == approval
    desk.decide(("denied", 1.0))
    await conversation.handle.signal("stop_turn")
    await stage.abandoned.get()
    # It looks again, though there were days left, and ends.
    assert await desk.reported.get() == approval
    await conversation.handle.result()
    assert len(desk.calls) == 1


async def test_a_call_whose_attempts_all_die_is_given_up_and_the_turn_goes_on(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    dying, late, good = uuid4(), uuid4(), uuid4()
    desk.failing.update({dying: 3, late: 2})
    stage.foregone.append(using(dying, late, good))
    await conversation.say()
    await conversation.handle.result()
    assert desk.given_up == [dying]
    made = [request.call_id for request in desk.calls]
    assert [made.count(call) for call in (dying, late, good)] == [3, 3, 1]
    assert ([thought.step for thought in stage.thoughts], len(stage.delivered)) == ([0, 1], 1)


async def test_while_all_models_are_down_what_was_done_stays_done(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    desk.hold = asyncio.Event()
    stage.foregone.append(using(uuid4()))
    await conversation.say()
    await desk.calling.get()
    stage.failures = 3
    desk.hold.set()
    await conversation.handle.result()
    assert [thought.step for thought in stage.thoughts] == [0, 1, 1, 1, 1]
    assert len({thought.turn_id for thought in stage.thoughts}) == 1
    assert [admitted.turn_id for admitted in stage.admitted] == [stage.thoughts[0].turn_id]
    assert len(desk.calls) == 1


async def test_people_are_asked_in_a_workflow_that_outlives_the_conversations(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    stage.foregone.append(using(asking=(approval := uuid4())))
    await conversation.say()
    # The answer waits for nobody.
    await stage.deliveries.get()
    assert await desk.announced.get() == approval
    await conversation.handle.result()
    workflow_id = approvals.workflow_id(conversation.tenant_id, approval)
    asking = conversation.environment.client.get_workflow_handle(workflow_id)
    description = await asking.describe()
    assert (description.status, description.workflow_type) == (WorkflowExecutionStatus.RUNNING, approvals.WORKFLOW)
    desk.decide(("approved", 1.0))
    await asking.signal(approvals.DECIDED)
    assert await desk.reported.get() == approval
    assert [request.call_id for request in desk.calls] == [desk.call_id]
    await asking.result()


async def test_people_are_asked_for_an_answer_that_is_held_back_and_the_turn_ends(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    reply_id, approval = uuid4(), uuid4()
    stage.foregone.append(Thought("reply", [reply_id], approvals=[approval]))
    await conversation.say()
    assert (await stage.deliveries.get()).message_ids == [reply_id]
    assert await desk.announced.get() == approval
    await conversation.handle.result()
    assert len(stage.thoughts) == 1


@pytest.mark.parametrize("is_yes", [True, False])
async def test_what_was_decided_is_done_or_not_and_told(conversation: Conversation, desk: Desk, is_yes: bool) -> None:
    asking = await conversation.ask_people()
    await desk.announced.get()
    await desk.looked.get()
    await asking.signal(approvals.DECIDED)
    await desk.looked.get()
    desk.decide(("approved" if is_yes else "denied", 1.0))
    await asking.signal(approvals.DECIDED)
    await asking.result()
    assert desk.calls == ([ToolCallRequest(conversation.tenant_id, desk.call_id, 3)] if is_yes else [])
    assert desk.reported.qsize() == 1


async def test_what_is_decided_before_anybody_was_told_waits_for_no_announcement(
    conversation: Conversation, desk: Desk
) -> None:
    desk.hold_announcing = desk.hold = asyncio.Event()
    desk.decide(("approved", 1.0))
    asking = await conversation.ask_people()
    assert (await desk.calling.get()).call_id == desk.call_id
    assert await desk.cut_short.get() == await desk.announced.get()
    desk.hold.set()
    await asking.result()
    assert (len(desk.calls), desk.reported.qsize()) == (1, 1)


async def test_what_nobody_decides_expires_after_days(conversation: Conversation, desk: Desk) -> None:
    # By its own clock the database may find that some of the time is left.
    desk.standings.extend([("waiting", 0.2), ("expired", -1.0)])
    before = await conversation.environment.get_current_time()
    await (await conversation.ask_people()).result()
    passed = (await conversation.environment.get_current_time()) - before
    assert passed >= timedelta(days=3, seconds=policies.LEAST_WAIT_SECONDS)
    assert (desk.calls, desk.reported.qsize(), desk.looked.qsize()) == ([], 1, 3)


async def test_a_decision_whose_signal_was_lost_is_found_when_the_time_is_over(
    conversation: Conversation, desk: Desk
) -> None:
    desk.standings.append(("approved", -1.0))
    await (await conversation.ask_people()).result()
    assert (len(desk.calls), desk.reported.qsize()) == (1, 1)


async def test_after_a_word_that_changes_nothing_it_is_waited_on(conversation: Conversation, desk: Desk) -> None:
    asking = await conversation.ask_people()
    await desk.looked.get()
    for _ in range(3):
        await asking.signal(approvals.DECIDED)
        await desk.looked.get()
    assert desk.reported.empty()
    desk.decide(("expired", -1.0))
    await asking.result()
    assert desk.reported.qsize() == 1


async def test_a_report_is_tried_until_it_is_told(conversation: Conversation, desk: Desk) -> None:
    desk.hold_announcing = asyncio.Event()
    desk.decide(("denied", 1.0))
    desk.reports_failing = 5
    await (await conversation.ask_people()).result()
    assert desk.reported.qsize() == 1


async def test_where_nobody_can_be_told_it_can_be_decided_all_the_same(conversation: Conversation, desk: Desk) -> None:
    desk.announcing_fails = True
    asking = await conversation.ask_people()
    await desk.looked.get()
    await asking.signal(approvals.DECIDED)
    await desk.looked.get()
    desk.decide(("approved", 1.0))
    await asking.signal(approvals.DECIDED)
    await asking.result()
    assert (len(desk.calls), desk.reported.qsize()) == (1, 1)


async def test_what_was_approved_and_dies_each_time_is_given_up_and_told(
    conversation: Conversation, desk: Desk
) -> None:
    desk.hold_announcing = asyncio.Event()
    desk.decide(("approved", 1.0))
    desk.failing[desk.call_id] = 3
    await (await conversation.ask_people()).result()
    assert (len(desk.calls), desk.given_up, desk.reported.qsize()) == (3, [desk.call_id], 1)


async def test_an_approval_that_a_sweep_has_started_is_started_once(
    conversation: Conversation, stage: Stage, desk: Desk
) -> None:
    asking = await conversation.ask_people()
    approval = await desk.announced.get()
    stage.foregone.append(using(asking=approval))
    await conversation.say()
    await stage.deliveries.get()
    assert desk.announced.empty()
    desk.decide(("denied", 1.0))
    await asking.signal(approvals.DECIDED)
    await asking.result()
    assert desk.reported.qsize() == 1
    await conversation.handle.result()
