"""What an agent's program asks again, because nobody answered it, is done once."""

from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from konstruct import temporal
from konstruct.conversations import lock
from konstruct.tables import HandoffEntry
from tests.gateway.programs import Answer, Program
from tests.support.handoffs import hand_off, handoff_row, seat
from tests.support.office import Office


@pytest.fixture
async def office(office: Office) -> Office:
    await seat(office)
    return office


@pytest.fixture
async def waiting(office: Office) -> UUID:
    return await hand_off(office, await office.say("I want a person"))


pytestmark = pytest.mark.usefixtures("at_work")


async def act(program: Program, handoff_id: UUID, what: str, key: str, **more: str) -> Answer:
    body, headers = {"agent": "grace", **more}, {"Idempotency-Key": key}
    return await program.call("POST", f"/handoffs/{handoff_id}/{what}", body, headers=headers)


async def test_what_is_asked_again_under_its_key_gets_what_came_of_it(
    program: Program, office: Office, waiting: UUID
) -> None:
    first = await act(program, waiting, "claim", "one")
    released = await act(program, waiting, "release", "two")
    assert (released.status, released.body["owner"]) == (200, "queue")
    assert (await act(program, waiting, "claim", "one")).body == first.body
    assert (await handoff_row(office, waiting)).state == "waiting"
    assert (await act(program, waiting, "claim", "three")).body["epoch"] == released.body["epoch"] + 1


async def test_a_note_that_comes_again_with_its_act_is_kept_once(
    program: Program, office: Office, waiting: UUID
) -> None:
    await act(program, waiting, "claim", "one")
    backs = [await act(program, waiting, "hand-back", "back", note="Be kind.") for _ in range(3)]
    assert [(back.status, back.body) for back in backs] == [(200, backs[0].body)] * 3
    assert [entry.kind for entry in await office.rows(HandoffEntry)] == ["note"]


async def test_what_takes_long_is_not_begun_again_by_whoever_asks_again(
    at_work: Client, program: Program, office: Office, waiting: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = (await handoff_row(office, waiting)).conversation_id
    async with office.session() as session:
        await lock(session, conversation_id)
        with monkeypatch.context() as patch:
            patch.setattr(temporal, "_ACT_TIMEOUT", timedelta(milliseconds=500))
            assert [(await act(program, waiting, "claim", "one")).status for _ in range(3)] == [503] * 3
    assert (await act(program, waiting, "claim", "one")).body["agent"] == "grace"
    history = at_work.get_workflow_handle(temporal.workflow_id(office.tenant_id, conversation_id))
    kinds = [event.event_type async for event in history.fetch_history_events()]
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED) == 1
