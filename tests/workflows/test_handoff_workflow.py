"""A handoff's workflow: it attends, waits for a word or for what is due, and helps; on a server whose clock skips."""

import asyncio
from collections import deque
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from konstruct.contracts.conversation import FetchFilesRequest
from konstruct.contracts.handoffs import CHANGED, HandoffStanding
from tests.workflows.conftest import Conversation, Stage
from tests.workflows.people import People
from workflows import policies
from workflows.handoffs import HandoffWorkflow

OPEN = HandoffStanding(is_over=False)
OVER = HandoffStanding(is_over=True)
Handoff = WorkflowHandle[HandoffWorkflow, None]


async def is_running(handoff: Handoff) -> bool:
    return (await handoff.describe()).status is WorkflowExecutionStatus.RUNNING


async def taken(handoff: Handoff) -> timedelta:
    """From its start to its end. The clock goes on skipping after that."""
    await handoff.result()
    description = await handoff.describe()
    assert description.close_time is not None
    return description.close_time - description.start_time


def first_run(conversation: Conversation, handoff: Handoff) -> Handoff:
    client = conversation.environment.client
    return client.get_workflow_handle_for(HandoffWorkflow.run, handoff.id, run_id=handoff.first_execution_run_id)


async def done(conversation: Conversation, handoff: Handoff) -> int:
    """How many activities have ended in its first run."""
    events = first_run(conversation, handoff).fetch_history_events()
    return len([event async for event in events if event.HasField("activity_task_completed_event_attributes")])


async def test_what_is_over_is_attended_to_once(conversation: Conversation, people: People) -> None:
    people.stand(HandoffStanding(is_over=True, needs_packet=True, assist=[uuid4()]))
    handoff = await conversation.have_attended()
    await handoff.result()
    # Nobody needs help with it any more.
    assert (people.attended.qsize(), people.packed, people.helped) == (1, [], [])


async def test_a_word_has_it_attended_to_again(conversation: Conversation, people: People) -> None:
    handoff = await conversation.have_attended()
    for _ in range(3):
        await people.attended.get()
        assert people.attended.empty()
        await handoff.signal(CHANGED)
    await people.attended.get()
    people.stand(OVER)
    await handoff.signal(CHANGED)
    await handoff.result()
    assert people.attended.qsize() == 1


async def test_what_is_due_after_days_is_done_then(conversation: Conversation, people: People) -> None:
    day = HandoffStanding(is_over=False, seconds=timedelta(days=1).total_seconds())
    people.standings = deque([day, day, day, OVER])
    passed = await taken(await conversation.have_attended())
    assert timedelta(days=3) <= passed < timedelta(days=3, hours=1)
    assert people.attended.qsize() == 4


async def test_what_nobody_has_a_time_for_waits_for_a_word_alone(conversation: Conversation, people: People) -> None:
    handoff = await conversation.have_attended()
    await people.attended.get()
    await conversation.environment.sleep(timedelta(days=30))
    assert (await is_running(handoff), people.attended.qsize()) == (True, 0)
    people.stand(OVER)
    await handoff.signal(CHANGED)
    await handoff.result()


async def test_what_is_due_already_is_not_done_without_a_pause(conversation: Conversation, people: People) -> None:
    """By its own clock the database may find that some of the time is left."""
    due = [HandoffStanding(is_over=False, seconds=seconds) for seconds in (-5.0, 0.0, 0.2)]
    people.standings = deque([*due, OVER])
    passed = await taken(await conversation.have_attended())
    assert passed >= timedelta(seconds=3 * policies.LEAST_WAIT_SECONDS)


@pytest.mark.parametrize("last", [OPEN, OVER], ids=["open", "over"])
async def test_a_word_while_it_is_attended_to_is_not_missed(
    conversation: Conversation, people: People, last: HandoffStanding
) -> None:
    """What it told of may not have been seen yet."""

    async def say_so() -> None:
        people.during_attending = None
        await handoff.signal(CHANGED)

    handoff = await conversation.have_attended()
    await people.attended.get()
    people.during_attending = say_so
    people.standings = deque([last, OVER])
    await handoff.signal(CHANGED)
    await handoff.result()
    assert people.attended.qsize() == 2


async def test_each_entry_is_helped_with_once(conversation: Conversation, people: People) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    people.stand(HandoffStanding(is_over=False, assist=[first, second]))
    handoff = await conversation.have_attended()
    assert {await people.helping.get(), await people.helping.get()} == {first, second}
    # However long the entries say so.
    people.stand(HandoffStanding(is_over=False, assist=[first, second, third]))
    await handoff.signal(CHANGED)
    assert await people.helping.get() == third
    people.stand(OVER)
    await handoff.signal(CHANGED)
    await handoff.result()
    assert sorted(people.helped) == sorted([first, second, third])


async def test_a_packet_is_made_once_and_shown(conversation: Conversation, people: People) -> None:
    people.standings = deque([HandoffStanding(is_over=False, needs_packet=True), OVER])
    handoff = await conversation.have_attended()
    # Nobody says a word: that it is there has it attended to again.
    await handoff.result()
    assert ([handoff.id.endswith(str(packed)) for packed in people.packed], people.attended.qsize()) == ([True], 2)


async def test_while_a_model_writes_the_handoff_is_attended_to(conversation: Conversation, people: People) -> None:
    people.hold_helping = asyncio.Event()
    people.stand(HandoffStanding(is_over=False, needs_packet=True, assist=[uuid4()]))
    handoff = await conversation.have_attended()
    await people.attended.get()
    await people.helping.get()
    await people.helping.get()
    await handoff.signal(CHANGED)
    await people.attended.get()
    people.stand(OVER)
    await handoff.signal(CHANGED)
    await people.attended.get()
    # What is being written is waited for, and shown.
    assert await is_running(handoff)
    people.hold_helping.set()
    await handoff.result()
    assert (len(people.packed), len(people.helped)) == (1, 1)
    assert not people.attended.empty()


async def test_without_a_model_the_handoff_is_what_it_is(conversation: Conversation, people: People) -> None:
    people.helping_fails = True
    people.standings = deque([HandoffStanding(is_over=False, needs_packet=True, assist=[entry := uuid4()]), OVER])
    await (await conversation.have_attended()).result()
    assert (len(people.packed), len(people.helped), people.given_up) == (3, 3, [entry])


async def test_while_the_channel_is_away_it_is_tried_until_it_is_back(
    conversation: Conversation, people: People
) -> None:
    people.attending_fails = 200
    people.stand(OVER)
    passed = await taken(await conversation.have_attended())
    assert (people.attended.qsize(), passed > timedelta(hours=3)) == (1, True)


async def test_a_long_handoff_continues_as_new(conversation: Conversation, people: People) -> None:
    due = HandoffStanding(is_over=False, seconds=60.0)
    people.standings = deque([*[due] * (policies.HANDOFF_STEPS_IN_A_RUN + 1), OVER])
    handoff = await conversation.have_attended()
    await handoff.result()
    first_run = conversation.environment.client.get_workflow_handle(handoff.id, run_id=handoff.first_execution_run_id)
    assert (await first_run.describe()).status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert people.attended.qsize() == policies.HANDOFF_STEPS_IN_A_RUN + 2


async def test_a_run_that_ends_waits_for_what_is_written(conversation: Conversation, people: People) -> None:
    people.hold_helping = asyncio.Event()
    people.stand(HandoffStanding(is_over=False, assist=[uuid4()]))
    handoff = await conversation.have_attended()
    for _ in range(policies.HANDOFF_STEPS_IN_A_RUN):
        await people.attended.get()
        await handoff.signal(CHANGED)
    people.stand(OVER)
    while await done(conversation, handoff) < policies.HANDOFF_STEPS_IN_A_RUN:
        pass
    # Answered when all that is done has been seen.
    await handoff.query("__stack_trace")
    people.hold_helping.set()
    await handoff.result()
    assert await done(conversation, handoff) == policies.HANDOFF_STEPS_IN_A_RUN + len(people.helped)


async def test_files_are_fetched_while_it_is_attended_to_and_then_shown(
    conversation: Conversation, people: People, stage: Stage
) -> None:
    stage.hold_files = asyncio.Event()
    people.stand(HandoffStanding(is_over=False, files_wait_in=conversation.id))
    handoff = await conversation.have_attended()
    await people.attended.get()
    assert await stage.fetching.get() == FetchFilesRequest(conversation.tenant_id, conversation.id)
    await handoff.signal(CHANGED)
    await people.attended.get()
    # That files wait has reached the workflow when it has this attended to.
    people.stand(HandoffStanding(is_over=False))
    await handoff.signal(CHANGED)
    await people.attended.get()
    # Once at a time; nobody says another word, and what came meanwhile is fetched after it.
    people.standings = deque([HandoffStanding(is_over=False, files_wait_in=conversation.id), OVER])
    stage.hold_files.set()
    await handoff.result()
    assert (stage.fetching.qsize(), people.attended.qsize(), people.given_up_files) == (1, 2, [])


async def test_files_that_cannot_be_fetched_are_given_up_and_that_is_shown(
    conversation: Conversation, people: People, stage: Stage
) -> None:
    stage.files_fail = True
    people.standings = deque([HandoffStanding(is_over=False, files_wait_in=conversation.id), OVER])
    await (await conversation.have_attended()).result()
    assert (people.given_up_files, people.attended.qsize()) == ([conversation.id], 2)


async def test_of_what_is_over_no_files_are_fetched(conversation: Conversation, people: People, stage: Stage) -> None:
    people.stand(HandoffStanding(is_over=True, files_wait_in=conversation.id))
    await (await conversation.have_attended()).result()
    assert stage.fetching.empty()
