"""States in which workflows wait for people, or for what people set going: each is recorded as it stands."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from konstruct.contracts import approvals
from konstruct.contracts.conversation import Delivered, Thought, ToolCallToMake
from konstruct.contracts.handoffs import CHANGED, HAND_OFF, RESUME, AgentAct, HandoffStanding, OwnerState, Resume
from tests.workflows.conftest import Conversation
from tests.workflows.people import WISH
from workflows import policies

TIMER: Final = "timer_started_event_attributes"

Recorded = WorkflowHandle[Any, Any]
State = Callable[[Conversation], Awaitable[Recorded]]


async def seen(conversation: Conversation) -> Recorded:
    """A question is answered when all that came before it has been seen."""
    await conversation.ownership()
    return conversation.handle


async def answering(conversation: Conversation) -> Recorded:
    conversation.stage.hold = asyncio.Event()
    await conversation.say()
    await conversation.stage.thinking.get()
    return await seen(conversation)


async def using_tools(conversation: Conversation) -> Recorded:
    conversation.desk.hold = asyncio.Event()
    calls = [ToolCallToMake(uuid4(), 30.0, 3) for _ in range(2)]
    conversation.stage.foregone.append(Thought("tools", calls=calls, approvals=[uuid4()]))
    await conversation.say()
    for _ in calls:
        await conversation.desk.calling.get()
    return await seen(conversation)


async def used_tools(conversation: Conversation) -> Recorded:
    await using_tools(conversation)
    assert conversation.desk.hold is not None
    conversation.desk.hold.set()
    await conversation.stage.deliveries.get()
    return await seen(conversation)


async def stopped_with_tools(conversation: Conversation) -> Recorded:
    await using_tools(conversation)
    await conversation.handle.signal("stop_turn")
    await conversation.stage.abandoned.get()
    return await seen(conversation)


async def stopped_during_a_send(conversation: Conversation) -> Recorded:
    async def stop() -> None:
        await conversation.handle.signal("stop_turn")

    conversation.stage.before_deliver = stop
    conversation.stage.outcomes.append(Delivered("superseded"))
    await conversation.say()
    await conversation.stage.abandoned.get()
    return await seen(conversation)


async def told(conversation: Conversation) -> Recorded:
    conversation.stage.foregone.append(Thought("reply", [uuid4()], told_handoff_id=uuid4()))
    await conversation.say()
    await conversation.people.attended.get()
    return await seen(conversation)


async def queued(conversation: Conversation) -> Recorded:
    await answering(conversation)
    await conversation.tell(HAND_OFF, WISH)
    await conversation.learns()
    return await seen(conversation)


async def queued_by_thinking(conversation: Conversation) -> Recorded:
    conversation.people.now = OwnerState("queue", 1, uuid4())
    conversation.stage.foregone.extend([Thought("handed_off", ownership=conversation.people.now)] * 2)
    await conversation.say()
    await conversation.stage.deliveries.get()
    await conversation.people.attended.get()
    await conversation.say()
    await conversation.stage.deliveries.get()
    conversation.stage.outcomes.append(Delivered("failed"))
    await conversation.notice()
    # It is told that the notice failed.
    await conversation.people.attended.get()
    return await seen(conversation)


async def not_queued(conversation: Conversation) -> Recorded:
    conversation.people.refused.add("hand_off")
    await answering(conversation)
    await conversation.tell(HAND_OFF, WISH)
    await conversation.stage.thinking.get()
    return await seen(conversation)


async def owned(conversation: Conversation) -> Recorded:
    act = await conversation.annas()
    claims = [conversation.act("claim", AgentAct(agent, act.handoff_id)) for agent in ("anna", "ben")]
    [_, refused] = await asyncio.gather(*claims, return_exceptions=True)
    assert isinstance(refused, WorkflowUpdateFailedError)
    await conversation.notice()
    await conversation.stage.deliveries.get()
    await conversation.act("transfer", AgentAct("anna", act.handoff_id, to="ben"))
    return await seen(conversation)


async def owned_in_the_next_run(conversation: Conversation) -> Recorded:
    await conversation.annas()
    for _ in range(policies.TURNS_IN_A_RUN):
        await conversation.notice()
        await conversation.stage.deliveries.get()
    await seen(conversation)
    return conversation.environment.client.get_workflow_handle(str(conversation.id))


async def resuming(conversation: Conversation) -> Recorded:
    act = await conversation.annas()
    conversation.stage.hold = asyncio.Event()
    await conversation.act("hand_back", AgentAct("anna", act.handoff_id, note_id=uuid4(), at_once=True))
    await conversation.stage.thinking.get()
    return await seen(conversation)


async def resumed(conversation: Conversation) -> Recorded:
    await conversation.annas()
    await conversation.tell(RESUME, Resume("billing"))
    await conversation.learns()
    await conversation.say()
    await conversation.stage.deliveries.get()
    return await seen(conversation)


async def attended(conversation: Conversation) -> Recorded:
    due = HandoffStanding(is_over=False, seconds=3600.0)
    conversation.people.standings = deque([HandoffStanding(is_over=False, needs_packet=True), due])
    handoff = await conversation.have_attended()
    for _ in range(2):
        await conversation.people.attended.get()
    # It waits for what is due, until there is a word.
    while not [event async for event in handoff.fetch_history_events() if event.HasField(TIMER)]:
        pass
    await handoff.signal(CHANGED)
    await conversation.people.attended.get()
    return handoff


async def attended_to_the_end(conversation: Conversation) -> Recorded:
    conversation.people.stand(HandoffStanding(is_over=False, seconds=3600.0, assist=[uuid4(), uuid4()]))
    handoff = await conversation.have_attended()
    await conversation.people.attended.get()
    conversation.people.stand(HandoffStanding(is_over=True))
    await handoff.signal(CHANGED)
    await handoff.result()
    return handoff


async def fetched_for_people(conversation: Conversation) -> Recorded:
    conversation.stage.files_fail = True
    waits = HandoffStanding(is_over=False, files_wait_in=conversation.id)
    conversation.people.standings = deque([waits, HandoffStanding(is_over=True)])
    handoff = await conversation.have_attended()
    await handoff.result()
    return handoff


async def asked(conversation: Conversation) -> Recorded:
    asking = await conversation.ask_people()
    for _ in range(2):
        await conversation.desk.looked.get()
        await asking.signal(approvals.DECIDED)
    await conversation.desk.looked.get()
    return asking


async def approved(conversation: Conversation) -> Recorded:
    asking = await asked(conversation)
    conversation.desk.decide(("approved", 1.0))
    await asking.signal(approvals.DECIDED)
    await asking.result()
    return asking


async def denied_before_it_was_announced(conversation: Conversation) -> Recorded:
    conversation.desk.hold_announcing = asyncio.Event()
    conversation.desk.decide(("denied", 1.0))
    asking = await conversation.ask_people()
    await asking.result()
    return asking


STATES: tuple[State, ...] = (
    answering,
    using_tools,
    used_tools,
    stopped_with_tools,
    stopped_during_a_send,
    told,
    queued,
    queued_by_thinking,
    not_queued,
    owned,
    owned_in_the_next_run,
    resuming,
    resumed,
    attended,
    attended_to_the_end,
    fetched_for_people,
    asked,
    approved,
    denied_before_it_was_announced,
)
