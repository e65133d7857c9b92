"""Builds of the workers side by side: conversations move when a turn is over, back as well, and off what is gone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from konstruct import deploys, doctor
from konstruct.deploys import Build, Builds
from konstruct.errors import Conflict, NotFound
from konstruct.settings import Settings
from tests.faults.broken.ungated_workflow import UngatedConversationWorkflow
from tests.faults.builds.next_workflow import NextConversationWorkflow
from tests.support.commands import konstruct
from tests.workflows.builds import PATIENCE, Street, opened_server, opened_street
from tests.workflows.record import HISTORIES
from workflows.sandbox import RUNNER

pytestmark = pytest.mark.stack


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with opened_server() as environment, opened_street(environment) as street:
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


async def test_an_operator_takes_a_build_to_another_and_back(street: Street) -> None:
    env = {
        "KONSTRUCT_TEMPORAL_ADDRESS": street.client.service_client.config.target_host,
        "KONSTRUCT_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }

    async def deploy(*arguments: str, status: int = 0) -> str:
        done = await konstruct("deploy", *arguments, env=env)
        assert done.status == status, done
        return done.said + done.complained

    conversation = await street.start("told-1")
    assert "told-1  current 100 %  1 workers  no conversation needs it" in await deploy("promote", "told-1")
    await conversation.say()
    await street.stages["told-1"].deliveries.get()
    await street.start("told-2")
    assert "told-2  current 100 %" in await deploy("promote", "told-2")
    drained = await deploy("drain", "told-1")
    assert "No conversation needs told-1 any more: its workers can be ended." in drained
    assert "told-1  current 100 %" in await deploy("rollback")
    assert "told-2  ramping 50 %" in await deploy("ramp", "told-2", "50")
    assert "told-2  old" in await deploy("rollback")
    await deploy("drain", "told-2")
    assert "told-1  current 100 %  1 workers  1 conversations on it" in await deploy("status")
    # Its worker is there.
    assert "told-2" in await deploy("retire", "told-2", status=1)


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
