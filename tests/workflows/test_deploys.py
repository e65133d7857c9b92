"""Builds of the workers side by side: conversations move when a turn is over, back as well, and off what is gone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from temporalio.api.enums.v1 import EventType, VersioningBehavior
from temporalio.client import WorkflowHistory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.fetching import Removing
from activities.upkeep import Upkeep
from konstruct import deploys, doctor, temporal
from konstruct.db import Database
from konstruct.deploys import Build, Builds
from konstruct.errors import Conflict, NotFound
from konstruct.settings import Settings
from tests.faults.broken.ungated_workflow import UngatedConversationWorkflow
from tests.faults.builds.next_workflow import NextConversationWorkflow
from tests.support.commands import Outcome, konstruct
from tests.support.doubles import KeptFiles
from tests.workflows.builds import PATIENCE, Street, opened_server, opened_street
from tests.workflows.conftest import Conversation, Desk, Stage, playing
from tests.workflows.people import People
from tests.workflows.record import HISTORIES
from workflows.sandbox import RUNNER

pytestmark = pytest.mark.stack

LONG = 2 * PATIENCE.total_seconds()


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with opened_server() as environment, opened_street(environment) as street:
        yield street


@pytest.fixture
async def forgetful_street() -> AsyncIterator[Street]:
    """Where Temporal knows of a worker for seconds after it last asked for work, and not for minutes: so one that is to
    stay known has to have something to do."""
    shortly = ("--dynamic-config-value", 'matching.PollerHistoryTTL="15s"')
    async with opened_server(*shortly) as environment, opened_street(environment) as street:
        yield street


async def test_a_conversation_moves_when_its_turn_is_over_and_not_before(street: Street) -> None:
    conversation = await street.promoted("turn-1")
    one = street.stages["turn-1"]
    one.hold = asyncio.Event()
    said = [await conversation.say()]
    await one.thinking.get()

    await street.promoted("turn-2")
    # What comes in meanwhile joins the turn, with the build that has begun it.
    said.append(await conversation.say())
    assert (await one.thinking.get()).message_ids == said
    one.hold.set()
    await one.deliveries.get()
    assert await street.drained("turn-1") == 0
    said.append(await conversation.say())
    await street.stages["turn-2"].deliveries.get()

    assert [thought.message_ids for thought in street.stages["turn-2"].thoughts] == [said[2:]]
    assert await street.builds_of(conversation) == [{"turn-1"}, {"turn-2"}]


async def test_what_reaches_no_workflow_does_not_move_it(street: Street) -> None:
    """Builds that took each other's place on a busy machine, with the seed 20261130: that a thought which was cut off
    had ended was completed without the workflow, which then went on with another build in the middle of its turn."""
    conversation = await street.promoted("quiet-1")
    one = street.stages["quiet-1"]
    one.hold = asyncio.Event()
    await conversation.say()
    await one.thinking.get()
    await conversation.say()
    await one.thinking.get()
    promises = await _promises_after_a_cancellation(conversation)
    one.hold.set()
    await one.deliveries.get()
    assert set(promises) == {VersioningBehavior.VERSIONING_BEHAVIOR_PINNED}


async def _promises_after_a_cancellation(conversation: Conversation) -> list[int]:
    """Of each task so far, once one has told of a cancellation."""
    promises: list[int] = []
    is_cancelled = False
    async for event in conversation.first_run.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            is_cancelled = True
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            promises.append(event.workflow_task_completed_event_attributes.versioning_behavior)
            if is_cancelled:
                break
    return promises


async def test_what_people_have_moves_too_and_stays_theirs(street: Street) -> None:
    conversation = await street.promoted("people-1")
    act = await conversation.annas()
    await street.promoted("people-2")

    assert await street.drained("people-1") == 0

    ownership = await conversation.ownership()
    assert (ownership.owner, ownership.handoff_id) == ("agent", act.handoff_id)
    assert await street.builds_of(conversation) == [{"people-1"}, {"people-2"}]


async def test_a_build_that_is_gone_back_from_is_left_like_any_other(street: Street) -> None:
    conversation = await street.promoted("back-1")
    await conversation.say()
    await street.stages["back-1"].deliveries.get()
    await street.promoted("back-2")
    await street.drained("back-1")

    before = (await deploys.look(street.client)).before
    assert before is not None
    assert before.id == "back-1"
    await deploys.promote(street.client, before.id, PATIENCE)

    assert await street.drained("back-2") == 0
    await conversation.say()
    await street.stages["back-1"].deliveries.get()
    assert await street.builds_of(conversation) == [{"back-1"}, {"back-2"}, {"back-1"}]


async def test_conversations_of_a_build_that_is_gone_go_on_in_the_middle_of_their_turn(street: Street) -> None:
    conversation = await street.promoted("gone-1")
    one = street.stages["gone-1"]
    one.hold = asyncio.Event()
    said = await conversation.say()
    await one.thinking.get()
    await street.promoted("gone-2")
    await street.end("gone-1")
    # It waits for the build that it is of, and nothing that is said to it gets lost.
    later = await conversation.say()

    assert await street.drained("gone-1", is_gone=True) == 0

    two = street.stages["gone-2"]
    await two.deliveries.get()
    assert two.thoughts[-1].message_ids == [said, later]
    # Until its run is over it goes on with whichever build is current.
    await street.promoted("gone-3")
    await conversation.say()
    await street.stages["gone-3"].deliveries.get()
    assert await street.builds_of(conversation) == [{"gone-1", "gone-2", "gone-3"}]


async def test_workers_of_no_build_are_left_for_a_build_and_come_back(street: Street) -> None:
    await street.promoted("first")
    conversation = await street.start("")
    await deploys.promote(street.client, "", PATIENCE)
    await conversation.say()
    await street.stages[""].deliveries.get()
    await street.promoted("named")
    await conversation.say()
    await street.stages["named"].deliveries.get()

    await deploys.promote(street.client, "", PATIENCE)

    assert await street.drained("named") == 0
    await conversation.say()
    await street.stages[""].deliveries.get()


async def test_a_ramp_takes_its_share_and_ends(street: Street) -> None:
    await street.promoted("ramp-1")
    await street.start("ramp-2")
    await deploys.ramp(street.client, "ramp-2", 25, PATIENCE)

    builds = await deploys.look(street.client)

    assert builds.ramping is not None
    assert builds.current is not None
    assert (builds.ramping.id, builds.ramping.share) == ("ramp-2", 25)
    assert (builds.current.id, builds.current.share) == ("ramp-1", 75)
    await deploys.ramp(street.client, "ramp-2", 0, PATIENCE)
    assert (await deploys.look(street.client)).ramping is None


async def test_what_takes_what_is_new_is_neither_left_nor_forgotten(street: Street) -> None:
    await street.promoted("kept")
    with pytest.raises(Conflict, match="kept takes what is new"):
        await street.drained("kept")
    with pytest.raises(Conflict, match="kept takes what is new"):
        await deploys.forget(street.client, "kept")
    with pytest.raises(NotFound, match="No worker of the build 'unheard-of' has been seen"):
        await deploys.forget(street.client, "unheard-of")
    with pytest.raises((Conflict, NotFound), match="unheard-of"):
        await deploys.promote(street.client, "unheard-of")


async def test_of_two_that_are_promoted_at_once_one_is_current(street: Street) -> None:
    conversation = await street.promoted("base")
    await street.start("left")
    await street.start("right")

    await asyncio.gather(*(deploys.promote(street.client, build, PATIENCE) for build in ("left", "right")))

    builds = await deploys.look(street.client)
    assert builds.current is not None
    assert builds.ramping is None
    assert (builds.current.id in ("left", "right"), builds.current.share) == (True, 100)
    assert await street.drained("base") == 0
    said = await conversation.say()
    stage = street.stages[builds.current.id]
    await stage.deliveries.get()
    assert stage.thoughts[-1].message_ids == [said]


async def speak_anew(street: Street, build: str) -> None:
    """In a conversation that nobody knows, so that the build's worker asks for more after it."""
    await Conversation(street.environment, temporal.CONVERSATIONS, street.stages[build], Desk(), People()).say()


async def test_the_sweep_moves_conversations_off_a_build_that_is_gone(
    forgetful_street: Street, database: Database
) -> None:
    street = forgetful_street
    conversation = await street.promoted("lost")
    one = street.stages["lost"]
    one.hold = asyncio.Event()
    said = await conversation.say()
    await one.thinking.get()
    await street.promoted("found")
    await street.end("lost")
    sweep = Upkeep(database, street.client, Removing(database, KeptFiles())).sweep

    two = street.stages["found"]
    async with asyncio.timeout(LONG):
        while not any(said in thought.message_ids for thought in two.thoughts):
            await speak_anew(street, "found")
            await ActivityEnvironment().run(sweep)

    assert await street.builds_of(conversation) == [{"lost", "found"}]


async def deploy(street: Street, *arguments: str, status: int | None = 0) -> Outcome:
    """``status``: None where it may be any."""
    env = {
        "KONSTRUCT_TEMPORAL_ADDRESS": street.client.service_client.config.target_host,
        "KONSTRUCT_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    done = await konstruct("deploy", *arguments, env=env)
    assert status in (None, done.status), done
    return done


async def test_a_build_that_was_left_is_retired_once_its_workers_are_forgotten(forgetful_street: Street) -> None:
    street = forgetful_street
    await street.promoted("left")
    await street.promoted("kept")
    await street.end("left")

    said, complaints = "", set[str]()
    async with asyncio.timeout(LONG):
        while not said:
            await speak_anew(street, "kept")
            done = await deploy(street, "retire", "left", status=None)
            said = done.said
            complaints.add(done.complained)

    assert "left is forgotten." in said, complaints
    shown = (await deploy(street, "status")).said
    assert "kept  current 100 %" in shown
    assert "left" not in shown


async def test_an_operator_takes_a_build_to_another_and_back(street: Street) -> None:
    async def said(*arguments: str) -> str:
        return (await deploy(street, *arguments)).said

    conversation = await street.start("told-1")
    promoted = await said("promote", "told-1")
    assert "told-1  current 100 %  workers: 1  in the background: 0  conversations: 0" in promoted
    await conversation.say()
    await street.stages["told-1"].deliveries.get()
    await street.start("told-2")
    assert "told-2  current 100 %" in await said("promote", "told-2")
    assert "No conversation needs told-1 any more: its workers can be ended." in await said("drain", "told-1")
    assert "told-1  current 100 %" in await said("rollback")
    assert "told-2  ramping 50 %" in await said("ramp", "told-2", "50")
    assert "told-2  old" in await said("rollback")
    await said("drain", "told-2")
    async with playing(street.environment, Stage(), build="told-1", queue=temporal.MEMORY):
        # Temporal tells of it once it has asked for work.
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not (await deploys.look(street.client)).called("told-1").in_background:
                pass
        shown = await said("status")
    assert "told-1  current 100 %  workers: 1  in the background: 1  conversations: 1" in shown
    # Its worker is there.
    assert "told-2" in (await deploy(street, "retire", "told-2", status=1)).complained


async def test_the_doctor_says_which_build_is_current(street: Street, settings: Settings) -> None:
    await street.promoted("seen")
    here = settings.model_copy(update={"temporal_address": street.client.service_client.config.target_host})
    found = {(finding.part, finding.which): finding for finding in await doctor.examine(here)}
    assert found["worker", ""].says == "1 at work"
    assert found["build", "seen"].says == "100 % of what is new goes to it"


def build(build_id: str, state: deploys.State, *, workers: int = 0, conversations: int = 0) -> Build:
    return Build(build_id, state, 0.0, workers, conversations, datetime.now(UTC))


def test_what_nobody_works_for_is_told() -> None:
    builds = Builds((build("old", "old", conversations=3), build("new", "current"), build("idle", "old")), 0)
    assert builds.abandoned == [builds.known[0]]
    assert [(finding.part, finding.state) for finding in doctor.of_builds(builds)] == [
        ("worker", "missing"),
        ("build", "ok"),
        ("build", "warning"),
    ]
    [first] = doctor.of_builds(Builds((build("first", "new", workers=1),), 0))
    assert (first.state, first.says.endswith("run `konstruct deploy promote first`.")) == ("missing", True)


def replayer(workflow: type) -> Replayer:
    return Replayer(workflows=[workflow], workflow_runner=RUNNER)


async def test_a_change_of_commands_that_is_not_gated_does_not_replay_and_one_that_is_does() -> None:
    [path] = HISTORIES.glob("answered-*.json")
    history = WorkflowHistory.from_json("recorded", path.read_text())

    await replayer(NextConversationWorkflow).replay_workflow(history)
    with pytest.raises(NondeterminismError):
        await replayer(UngatedConversationWorkflow).replay_workflow(history)
