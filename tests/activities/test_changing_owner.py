"""Changes of owner as workflows have them made: acknowledged once nothing of the employee's begins any more."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.changing_owner import ChangingOwner
from konstruct import temporal
from konstruct.contracts import handoffs as contracts
from konstruct.contracts.handoffs import AgentAct, HandOff, OwnerChange, OwnerState, Resume
from konstruct.db import Database
from konstruct.embedded.loopback import free_port
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.settings import Settings
from konstruct.tables import Conversation, Handoff
from konstruct.vault import Vault
from tests.support.handoffs import GRACE, LINUS, conversation, hand_off, handoff_row, note, owned, seat
from tests.support.office import Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    await seat(office)
    return await office.say("I want a person")


@pytest.fixture
def changing(database: Database, vault: Vault, temporal_client: Client) -> ChangingOwner:
    return ChangingOwner(database, vault, temporal_client)


def change(office: Office, asked: Accepted, action: contracts.Action, **what: Any) -> OwnerChange:
    return OwnerChange(office.tenant_id, asked.conversation_id, action, **what)


def act(
    office: Office, asked: Accepted, action: contracts.Action, handoff_id: UUID | None = None, **more: Any
) -> OwnerChange:
    return change(office, asked, action, act=AgentAct(**({"by": "grace", "handoff_id": handoff_id} | more)))


async def run(changing: ChangingOwner, wanted: OwnerChange) -> OwnerState:
    state: OwnerState = await ActivityEnvironment().run(changing.change_owner, wanted)
    return state


async def is_attended_to(client: Client, office: Office, handoff_id: UUID) -> bool:
    handle = client.get_workflow_handle(contracts.workflow_id(office.tenant_id, handoff_id))
    return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_another_system_hands_off_and_resumes(
    office: Office, asked: Accepted, changing: ChangingOwner, temporal_client: Client
) -> None:
    wish = HandOff("crm", "A big customer.", "linus", "urgent")
    handed = await run(changing, change(office, asked, "hand_off", wish=wish))
    assert (handed.owner, handed.epoch) == ("queue", 1)
    assert handed.handoff_id is not None
    handoff = await handoff_row(office, handed.handoff_id)
    assert (handoff.cause, handoff.requested_by, handoff.target, handoff.priority) == (
        "outside",
        "crm",
        "linus",
        "urgent",
    )
    assert await is_attended_to(temporal_client, office, handed.handoff_id)

    back = await run(changing, change(office, asked, "resume", resume=Resume("crm", "It is done.", at_once=True)))
    assert (back.owner, back.epoch, back.handoff_id) == ("employee", 2, None)
    assert back.answer_id is not None
    assert "It is done." in ((await office.message(back.answer_id)).body or "")


async def test_an_agent_claims_passes_on_releases_and_hands_back(
    office: Office, asked: Accepted, changing: ChangingOwner
) -> None:
    handoff_id = await hand_off(office, asked)
    [note_id] = (await note(office, handoff_id, "Canary note")).entry_ids
    states = [
        await run(changing, wanted)
        for wanted in (
            act(office, asked, "claim", handoff_id),
            act(office, asked, "transfer", handoff_id, to="linus"),
            act(office, asked, "release", handoff_id, by="linus"),
            act(office, asked, "claim", handoff_id, by="linus"),
            act(office, asked, "hand_back", handoff_id, by="linus", note_id=note_id, at_once=True),
        )
    ]
    assert [(state.owner, state.agent, state.epoch) for state in states] == [
        ("agent", "grace", 2),
        ("agent", "linus", 3),
        ("queue", None, 4),
        ("agent", "linus", 5),
        ("employee", None, 6),
    ]
    answer_id = states[-1].answer_id
    assert answer_id is not None
    assert "Canary note" in ((await office.message(answer_id)).body or "")


async def test_what_nobody_offered_is_taken_over_and_resolved(
    office: Office, asked: Accepted, changing: ChangingOwner, temporal_client: Client
) -> None:
    taken = await run(changing, act(office, asked, "claim"))
    assert (taken.owner, taken.agent, taken.epoch) == ("agent", "grace", 1)
    assert taken.handoff_id is not None
    assert await is_attended_to(temporal_client, office, taken.handoff_id)
    resolved = await run(changing, act(office, asked, "resolve", taken.handoff_id))
    assert (resolved.owner, resolved.answer_id) == ("employee", None)


async def test_a_repetition_gives_the_same_answer(office: Office, asked: Accepted, changing: ChangingOwner) -> None:
    """Its first attempt was done, and did not live to say so."""
    handoff_id = await hand_off(office, asked)
    for wanted in (act(office, asked, "claim", handoff_id), act(office, asked, "resolve", handoff_id)):
        assert await run(changing, wanted) == await run(changing, wanted)
    assert (await conversation(office, asked)).epoch == 3


async def test_it_is_acknowledged_once_no_send_can_begin_any_more(
    office: Office, asked: Accepted, changing: ChangingOwner
) -> None:
    [reply] = await office.answer(asked, "On its way")
    await office.begin_send(asked, reply)
    claiming = asyncio.create_task(run(changing, act(office, asked, "claim")))
    while (await conversation(office, asked)).owner != "agent":
        assert not claiming.done()
    # The channel has been asked to take it by then, or never is.
    assert not claiming.done()
    await office.settle_sent(asked, reply)
    assert (await claiming).owner == "agent"
    assert (await office.message(reply)).state == "sent"


async def test_a_send_that_was_cut_off_holds_it_up_no_longer_than_it_may_begin(
    office: Office, asked: Accepted, changing: ChangingOwner
) -> None:
    [reply] = await office.answer(asked, "Cut off")
    await office.begin_send(asked, reply)
    claiming = asyncio.create_task(run(changing, act(office, asked, "claim")))
    while (await conversation(office, asked)).owner != "agent":
        assert not claiming.done()
    await office.let_send_time_pass(reply)
    assert (await claiming).owner == "agent"
    assert (await office.message(reply)).state == "sending"


async def test_after_it_was_acknowledged_nothing_of_the_employees_begins(
    office: Office, asked: Accepted, changing: ChangingOwner
) -> None:
    parts = await office.answer(asked, "One", "Two")
    await run(changing, act(office, asked, "claim"))
    assert [await office.begin_send(asked, part) for part in parts] == ["superseded"] * 2


async def test_handing_back_waits_for_nothing(office: Office, asked: Accepted, changing: ChangingOwner) -> None:
    handoff_id = await owned(office, asked)
    other = await office.say("More", root="2.0")
    [reply] = await office.answer(other)
    await office.begin_send(other, reply)
    assert (await run(changing, act(office, asked, "hand_back", handoff_id))).owner == "employee"


async def test_without_temporal_the_change_stands(
    office: Office, asked: Accepted, settings: Settings, database: Database, vault: Vault
) -> None:
    away = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))
    state = await run(ChangingOwner(database, vault, away), act(office, asked, "claim"))
    assert state.owner == "agent"
    assert state.handoff_id is not None
    assert (await handoff_row(office, state.handoff_id)).next_due_at is not None


class TestRefusals:
    async def test_the_loser_is_told_who_was_earlier(
        self, office: Office, asked: Accepted, changing: ChangingOwner
    ) -> None:
        handoff_id = await hand_off(office, asked)
        outcomes = await asyncio.gather(
            *(run(changing, act(office, asked, "claim", handoff_id, by=by)) for by in ("grace", "linus")),
            return_exceptions=True,
        )
        [error] = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert isinstance(error, Conflict)
        winner = (await conversation(office, asked)).agent
        assert str(error) == f"{GRACE.name if winner == 'grace' else LINUS.name} has it already."

    async def test_who_is_not_at_the_desk_does_nothing(
        self, office: Office, asked: Accepted, changing: ChangingOwner
    ) -> None:
        handoff_id = await owned(office, asked)
        for wanted in (
            act(office, asked, "claim", handoff_id, by="eve"),
            act(office, asked, "hand_back", handoff_id, by="eve"),
            act(office, asked, "transfer", handoff_id, to="eve"),
            act(office, asked, "transfer", handoff_id),
        ):
            with pytest.raises(NotAllowed):
                await run(changing, wanted)
        assert (await conversation(office, asked)).epoch == 2

    async def test_what_says_too_little_is_refused(
        self, office: Office, asked: Accepted, changing: ChangingOwner
    ) -> None:
        for wanted in (
            act(office, asked, "release"),
            change(office, asked, "claim"),
            change(office, asked, "hand_off"),
            change(office, asked, "resume", wish=HandOff()),
        ):
            with pytest.raises(BadInput):
                await run(changing, wanted)
        assert await office.rows(Handoff) == []

    async def test_a_handoff_is_acted_on_through_its_own_conversation_alone(
        self, office: Office, asked: Accepted, changing: ChangingOwner
    ) -> None:
        """Whose sends are waited for, and whose workflow learns of it."""
        other = await office.say("Something else", root="2.0")
        handoff_id = await hand_off(office, asked)
        with pytest.raises(NotFound):
            await run(changing, act(office, other, "claim", handoff_id))
        assert (await handoff_row(office, handoff_id)).state == "waiting"
        with pytest.raises(NotFound):
            await run(changing, act(office, asked, "claim", new_id()))

    async def test_a_note_of_another_contacts_handoff_is_not_passed_on(
        self, office: Office, asked: Accepted, changing: ChangingOwner
    ) -> None:
        other = await owned(office, await office.say("Of somebody else", root="2.0", contact="U2"))
        [note_id] = (await note(office, other, "Canary of somebody else")).entry_ids
        handoff_id = await owned(office, asked)
        for named in (note_id, new_id()):
            with pytest.raises(NotFound):
                await run(changing, act(office, asked, "hand_back", handoff_id, note_id=named))
        assert (await handoff_row(office, handoff_id)).state == "owned"

    async def test_what_does_not_exist_is_not_changed(
        self, office: Office, asked: Accepted, changing: ChangingOwner
    ) -> None:
        made_up = replace(change(office, asked, "hand_off", wish=HandOff()), conversation_id=new_id())
        with pytest.raises(NotFound):
            await run(changing, made_up)
        assert [row.epoch for row in await office.rows(Conversation)] == [0]
