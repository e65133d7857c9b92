"""Who owns a conversation, as its workflow knows it: cut off, taken over, given back; on a server whose clock skips.

What is being thought ends only after it was cut off: the server of these tests loses a workflow that cancels an
activity in the moment in which it ends, which the real one does not.
"""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from konstruct.contracts import handoffs
from konstruct.contracts.conversation import Delivered, Thought, ToolCallToMake
from konstruct.contracts.handoffs import (
    HAND_OFF,
    RESUME,
    Action,
    AgentAct,
    HandOff,
    HandoffStanding,
    HandoffState,
    OwnerState,
    Resume,
)
from tests.workflows.conftest import Conversation, Stage
from tests.workflows.people import People
from workflows import policies
from workflows.conversation import ConversationWorkflow

WISH = HandOff("billing", "The invoice is disputed.", "accounts", "high")
DAYS = timedelta(days=5)


async def queued(conversation: Conversation) -> UUID:
    """A conversation that waits for people; gives the handoff."""
    await conversation.tell(HAND_OFF, WISH)
    handoff_id = (await conversation.learns()).handoff_id
    assert handoff_id is not None
    return handoff_id


async def annas(conversation: Conversation) -> AgentAct:
    """A conversation that Anna has; gives what she says of it."""
    handoff_id = await queued(conversation)
    await conversation.act("claim", AgentAct("anna", handoff_id))
    await conversation.people.changed.get()
    return AgentAct("anna", handoff_id)


async def refusal(conversation: Conversation, action: Action, act: AgentAct) -> tuple[str, str | None]:
    with pytest.raises(WorkflowUpdateFailedError) as raised:
        await conversation.act(action, act)
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause.message, raised.value.cause.type


async def is_running(conversation: Conversation) -> bool:
    return (await conversation.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def waiting(conversation: Conversation) -> list[UUID]:
    return await conversation.handle.query(ConversationWorkflow.waiting_messages)


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
    assert await waiting(conversation) == []


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
    await queued(conversation)
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
    assert (len(stage.thoughts), await waiting(conversation)) == (1, [])
    assert [delivery.message_ids for delivery in stage.delivered] in ([], [[]])


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


async def test_a_stop_of_nothing_stops_nothing_later(conversation: Conversation, stage: Stage) -> None:
    await conversation.notice()
    await stage.deliveries.get()
    await conversation.handle.signal("stop_turn")
    await conversation.say()
    await conversation.handle.result()
    assert (len(stage.thoughts), stage.abandoned.empty()) == (1, True)


async def test_agents_take_it_and_give_it_on(conversation: Conversation, people: People) -> None:
    handoff_id = await queued(conversation)
    steps: list[tuple[Action, AgentAct, str, str | None]] = [
        ("claim", AgentAct("anna"), "agent", "anna"),
        ("claim", AgentAct("anna", handoff_id), "agent", "anna"),
        ("transfer", AgentAct("anna", handoff_id, to="ben"), "agent", "ben"),
        ("release", AgentAct("ben", handoff_id), "queue", None),
        ("claim", AgentAct("ben", handoff_id), "agent", "ben"),
        ("resolve", AgentAct("ben", handoff_id), "employee", None),
    ]
    for action, act, owner, agent in steps:
        changed = await conversation.act(action, act)
        assert (changed.owner, changed.agent) == (owner, agent)
        assert await conversation.ownership() == changed == people.now
    assert [change.act for change in people.asked[1:3]] == [AgentAct("anna"), AgentAct("anna", handoff_id)]
    await conversation.handle.result()
    assert conversation.stage.thoughts == []


async def test_who_was_later_is_told_who_has_it(conversation: Conversation) -> None:
    act = await annas(conversation)
    before = await conversation.ownership()
    actions: tuple[Action, ...] = ("claim", "transfer", "release", "resolve", "hand_back")
    for action in actions:
        sentence, kind = await refusal(conversation, action, AgentAct("ben", act.handoff_id, to="ben"))
        assert (sentence.startswith("anna has it"), kind) == (True, "Conflict")
    assert await conversation.ownership() == before
    assert (await conversation.act("hand_back", act)).owner == "employee"


async def test_of_two_claims_at_once_one_wins(conversation: Conversation) -> None:
    handoff_id = await queued(conversation)
    claims = [conversation.act("claim", AgentAct(agent, handoff_id)) for agent in ("anna", "ben")]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    [won] = [outcome for outcome in outcomes if isinstance(outcome, OwnerState)]
    [lost] = [outcome for outcome in outcomes if isinstance(outcome, WorkflowUpdateFailedError)]
    assert str(lost.cause) == f"Conflict: {won.agent} has it already."
    assert await conversation.ownership() == won


WHO = "Say which agent it is."
WHICH = "Say which handoff it is."


@pytest.mark.parametrize(
    ("action", "act", "sentence"),
    [
        ("claim", AgentAct(""), "Say which agent takes it."),
        ("transfer", AgentAct("anna", uuid4(), to=None), "Say to whom it is transferred."),
        *((action, AgentAct("", uuid4(), to="ben"), WHO) for action in ("transfer", "release", "resolve", "hand_back")),
        *((action, AgentAct("anna", to="ben"), WHICH) for action in ("transfer", "release", "resolve", "hand_back")),
    ],
)
async def test_what_says_too_little_is_not_asked_of_the_database(
    conversation: Conversation, people: People, action: Action, act: AgentAct, sentence: str
) -> None:
    await conversation.notice()
    assert await refusal(conversation, action, act) == (sentence, "BadInput")
    assert people.asked == []


async def test_who_holds_an_old_card_is_told_so(conversation: Conversation, people: People) -> None:
    act = await annas(conversation)
    old = AgentAct("anna", uuid4(), to="ben")
    over = "This is over: the conversation has been handed off anew since."
    actions: tuple[Action, ...] = ("transfer", "release", "resolve", "hand_back")
    for action in actions:
        assert await refusal(conversation, action, old) == (over, "Conflict")
    assert len(people.asked) == 2
    assert (await conversation.act("release", act)).owner == "queue"


async def test_what_is_told_late_is_not_what_holds(conversation: Conversation, stage: Stage, people: People) -> None:
    handoff_id = await queued(conversation)
    people.held["claim"] = asyncio.Event()
    claiming = asyncio.create_task(conversation.act("claim", AgentAct("anna", handoff_id)))
    await people.changed.get()
    back = await conversation.act("hand_back", AgentAct("anna", handoff_id))
    stage.hold = asyncio.Event()
    message = await conversation.say()
    await stage.thinking.get()
    people.held["claim"].set()
    assert (await claiming).epoch < back.epoch
    assert await conversation.ownership() == back
    # Nor is it taken from the employee what it was asked since.
    assert await waiting(conversation) == [message]
    stage.hold.set()
    await conversation.handle.result()
    assert [delivery.message_ids for delivery in stage.delivered] == [[stage.thoughts[0].turn_id]]


@pytest.mark.parametrize("at_once", [False, True])
async def test_handed_back_it_is_the_employees(conversation: Conversation, stage: Stage, at_once: bool) -> None:
    act = await annas(conversation)
    back = AgentAct("anna", act.handoff_id, note_id=(note := uuid4()), at_once=at_once)
    assert (await conversation.act("hand_back", back)).owner == "employee"
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == ([[note]] if at_once else [])
    assert len(stage.delivered) == len(stage.thoughts)


@pytest.mark.parametrize("at_once", [False, True])
async def test_any_client_can_have_the_employee_go_on(
    conversation: Conversation, stage: Stage, people: People, at_once: bool
) -> None:
    await annas(conversation)
    await conversation.tell(RESUME, wish := Resume("billing", "It is paid.", at_once=at_once))
    back = await people.changed.get()
    await conversation.handle.result()
    assert people.asked[-1].resume == wish
    assert [thought.message_ids for thought in stage.thoughts] == ([[back.answer_id]] if at_once else [])


async def test_taken_and_given_back_during_a_send_it_is_answered_in_a_turn_of_its_own(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    """What was thought before people had it is not gone on with."""
    note = uuid4()

    async def take_and_give_back() -> None:
        stage.before_deliver = None
        taken = await conversation.act("claim", AgentAct("anna"))
        await conversation.act("hand_back", AgentAct("anna", taken.handoff_id, note_id=note, at_once=True))

    stage.before_deliver = take_and_give_back
    stage.outcomes.append(Delivered("superseded"))
    await conversation.say()
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts][1:] == [[note]]
    assert stage.delivered[-1].message_ids == [stage.thoughts[-1].turn_id]
    assert (await conversation.ownership()).owner == "employee"


async def test_a_takeover_cuts_off_what_is_thought(conversation: Conversation, stage: Stage) -> None:
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    owned = await conversation.act("claim", AgentAct("anna"))
    assert (await stage.deliveries.get()).message_ids == []
    stage.hold.set()
    assert (await conversation.ownership(), await waiting(conversation)) == (owned, [])
    assert len(stage.thoughts) == 1


async def test_what_is_said_while_people_have_it_comes_to_nothing(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    await annas(conversation)
    stage.foregone.append(Thought("handed_off", ownership=people.now))
    await conversation.say()
    assert (await stage.deliveries.get()).message_ids == []
    assert (await conversation.ownership(), await waiting(conversation)) == (people.now, [])
    assert len(stage.thoughts) == 1


async def test_a_stop_while_people_have_it_does_not_give_it_back(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    await annas(conversation)
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    await conversation.handle.signal("stop_turn")
    await stage.abandoned.get()
    stage.hold.set()
    await conversation.notice()
    await stage.deliveries.get()
    assert await conversation.ownership() == people.now


async def test_who_answers_has_it_back_though_nobody_said_so(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    """As where nobody came in time, which the database knows."""
    await annas(conversation)
    await conversation.say()
    await stage.deliveries.get()
    await conversation.handle.result()
    assert await conversation.ownership() == OwnerState("employee", people.now.epoch)


async def test_what_agents_write_is_sent_while_they_have_it(conversation: Conversation, stage: Stage) -> None:
    await annas(conversation)
    written = [await conversation.notice() for _ in range(3)]
    sent: list[UUID] = []
    while len(sent) < 3:
        delivery = await stage.deliveries.get()
        assert delivery.are_apart
        sent += delivery.message_ids
    assert (sent, stage.thoughts) == (written, [])


async def test_days_of_silence_end_no_conversation_that_people_have(conversation: Conversation) -> None:
    act = await annas(conversation)
    await conversation.environment.sleep(DAYS)
    assert await is_running(conversation)
    await conversation.act("release", act)
    await conversation.environment.sleep(DAYS)
    assert await is_running(conversation)
    await conversation.tell(RESUME, Resume())
    await conversation.people.changed.get()
    await conversation.people.changed.get()
    await conversation.environment.sleep(DAYS)
    assert not await is_running(conversation)


async def test_its_next_run_knows_who_has_it_and_what_waits(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    handoff_id = await queued(conversation)
    people.held["claim"] = asyncio.Event()
    with conversation.environment.auto_time_skipping_disabled():
        claiming = asyncio.create_task(conversation.act("claim", AgentAct("anna", handoff_id)))
        await people.changed.get()
        # One is the handoff.
        for _ in range(policies.TURNS_IN_A_RUN - 1):
            await conversation.notice()
            await stage.deliveries.get()
        # The run is over, but for what an agent still waits to hear.
        last = await conversation.notice()
        await conversation.tell(RESUME, Resume("billing", at_once=True))
        assert (await is_running(conversation), last in stage.delivered[-1].message_ids) == (True, False)
        people.held["claim"].set()
        claimed = await claiming
        assert (claimed.owner, claimed.agent) == ("agent", "anna")
        back = await people.changed.get()
        assert (await stage.deliveries.get()).message_ids == [last]
        assert (await stage.thinking.get()).message_ids == [back.answer_id]
        await stage.deliveries.get()
    description = await conversation.handle.describe()
    assert description.run_id != conversation.first_run_id
    assert await conversation.ownership() == back


async def test_its_next_run_waits_for_people_as_the_last_one_did(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    act = await annas(conversation)
    with conversation.environment.auto_time_skipping_disabled():
        for _ in range(policies.TURNS_IN_A_RUN):
            await conversation.notice()
            await stage.deliveries.get()
    assert await conversation.ownership() == people.now
    assert (await conversation.handle.describe()).run_id != conversation.first_run_id
    await conversation.environment.sleep(DAYS)
    assert await is_running(conversation)
    assert (await conversation.act("hand_back", act)).owner == "employee"


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
    assert (await conversation.ownership(), await waiting(conversation)) == (people.now, [])
    await conversation.handle.terminate("A test ends it.")
    child = conversation.environment.client.get_workflow_handle(handoffs.workflow_id(conversation.tenant_id, handoff))
    description = await child.describe()
    assert (description.status, description.workflow_type) == (WorkflowExecutionStatus.RUNNING, handoffs.WORKFLOW)


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
    await queued(conversation)
    stage.outcomes.append(Delivered("failed"))
    await conversation.notice()
    await stage.deliveries.get()
    written = await conversation.notice()
    assert (await stage.deliveries.get()).message_ids == [written]
