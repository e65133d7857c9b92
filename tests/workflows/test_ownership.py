"""Who has a conversation, as its workflow knows it: agents take it over and give it back; on a clock that skips.

What is being thought ends only after it was cut off, as in test_handing_off.py.
"""

import asyncio
import math
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from konstruct.contracts.conversation import Delivered, Thought
from konstruct.contracts.handoffs import (
    RESUME,
    Action,
    AgentAct,
    OwnerState,
    Resume,
)
from tests.workflows.conftest import DAYS, Conversation, Stage
from tests.workflows.people import People
from workflows import policies


async def refusal(conversation: Conversation, action: Action, act: AgentAct) -> tuple[str, str | None]:
    with pytest.raises(WorkflowUpdateFailedError) as raised:
        await conversation.act(action, act)
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause.message, raised.value.cause.type


async def test_agents_take_it_and_give_it_on(conversation: Conversation, people: People) -> None:
    handoff_id = await conversation.queued()
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
    act = await conversation.annas()
    before = await conversation.ownership()
    actions: tuple[Action, ...] = ("claim", "transfer", "release", "resolve", "hand_back")
    for action in actions:
        sentence, kind = await refusal(conversation, action, AgentAct("ben", act.handoff_id, to="ben"))
        assert (sentence.startswith("anna has it"), kind) == (True, "Conflict")
    assert await conversation.ownership() == before
    assert (await conversation.act("hand_back", act)).owner == "employee"


async def test_of_two_claims_at_once_one_wins(conversation: Conversation) -> None:
    handoff_id = await conversation.queued()
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
    act = await conversation.annas()
    old = AgentAct("anna", uuid4(), to="ben")
    over = "This is over: the conversation has been handed off anew since."
    actions: tuple[Action, ...] = ("transfer", "release", "resolve", "hand_back")
    for action in actions:
        assert await refusal(conversation, action, old) == (over, "Conflict")
    assert len(people.asked) == 2
    assert (await conversation.act("release", act)).owner == "queue"


async def test_what_is_told_late_is_not_what_holds(conversation: Conversation, stage: Stage, people: People) -> None:
    handoff_id = await conversation.queued()
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
    assert await conversation.waiting() == [message]
    stage.hold.set()
    await conversation.handle.result()
    assert [delivery.message_ids for delivery in stage.delivered] == [[stage.thoughts[0].turn_id]]


@pytest.mark.parametrize("at_once", [False, True])
async def test_handed_back_it_is_the_employees(conversation: Conversation, stage: Stage, at_once: bool) -> None:
    act = await conversation.annas()
    back = AgentAct("anna", act.handoff_id, note_id=(note := uuid4()), at_once=at_once)
    assert (await conversation.act("hand_back", back)).owner == "employee"
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == ([[note]] if at_once else [])
    assert len(stage.delivered) == len(stage.thoughts)


@pytest.mark.parametrize("at_once", [False, True])
async def test_any_client_can_have_the_employee_go_on(
    conversation: Conversation, stage: Stage, people: People, at_once: bool
) -> None:
    await conversation.annas()
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
    assert (await conversation.ownership(), await conversation.waiting()) == (owned, [])
    assert len(stage.thoughts) == 1


async def test_a_takeover_ends_the_wait_for_a_model(conversation: Conversation, stage: Stage) -> None:
    stage.failures = math.inf
    await conversation.say()
    [notice] = (await stage.deliveries.get()).message_ids
    owned = await conversation.act("claim", AgentAct("anna"))
    assert (await stage.deliveries.get()).message_ids == []
    assert (await conversation.ownership(), await conversation.waiting()) == (owned, [])
    assert (len(stage.thoughts), [delivery.message_ids for delivery in stage.delivered]) == (1, [[notice], []])


async def test_what_is_said_while_people_have_it_comes_to_nothing(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    await conversation.annas()
    stage.foregone.append(Thought("handed_off", ownership=people.now))
    await conversation.say()
    assert (await stage.deliveries.get()).message_ids == []
    assert (await conversation.ownership(), await conversation.waiting()) == (people.now, [])
    assert len(stage.thoughts) == 1


async def test_a_stop_while_people_have_it_does_not_give_it_back(
    conversation: Conversation, stage: Stage, people: People
) -> None:
    await conversation.annas()
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
    await conversation.annas()
    await conversation.say()
    await stage.deliveries.get()
    await conversation.handle.result()
    assert await conversation.ownership() == OwnerState("employee", people.now.epoch)


async def test_what_agents_write_is_sent_while_they_have_it(conversation: Conversation, stage: Stage) -> None:
    await conversation.annas()
    written = [await conversation.notice() for _ in range(3)]
    sent: list[UUID] = []
    while len(sent) < 3:
        delivery = await stage.deliveries.get()
        assert delivery.are_apart
        sent += delivery.message_ids
    assert (sent, stage.thoughts) == (written, [])


async def test_days_of_silence_end_no_conversation_that_people_have(conversation: Conversation) -> None:
    act = await conversation.annas()
    await conversation.environment.sleep(DAYS)
    assert await conversation.is_running()
    assert (await conversation.act("release", act)).owner == "queue"
    await conversation.environment.sleep(DAYS)
    assert await conversation.is_running()
    assert (await conversation.act("claim", act)).owner == "agent"
    # Who gives it back is told so, though nothing keeps it from ending at once.
    assert (await conversation.act("hand_back", act)).owner == "employee"
    await conversation.environment.sleep(DAYS)
    assert not await conversation.is_running()


async def test_its_next_run_knows_who_has_it_and_what_waits(
    conversation: Conversation, stage: Stage, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "EVENTS_IN_A_RUN", 10_000)
    handoff_id = await conversation.queued()
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
        assert (await conversation.is_running(), last in stage.delivered[-1].message_ids) == (True, False)
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
    act = await conversation.annas()
    with conversation.environment.auto_time_skipping_disabled():
        for _ in range(policies.TURNS_IN_A_RUN):
            await conversation.notice()
            await stage.deliveries.get()
    assert await conversation.ownership() == people.now
    assert (await conversation.handle.describe()).run_id != conversation.first_run_id
    await conversation.environment.sleep(DAYS)
    assert await conversation.is_running()
    assert (await conversation.act("hand_back", act)).owner == "employee"
