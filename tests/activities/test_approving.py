"""Asking people, taking down what they say, and telling the conversation: each step may be cut off and done again."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.approving import Approving
from konstruct import approvals, contacts, temporal
from konstruct.contracts.approvals import ApprovalState
from konstruct.contracts.conversation import DELIVER_MESSAGE, DeliverMessage
from konstruct.db import Database
from konstruct.embedded.loopback import free_port
from konstruct.errors import ChannelRefused, ChannelUnavailable, NotFound, Unavailable
from konstruct.settings import Settings
from konstruct.tables import Approval, Connection
from konstruct.tools import calls
from konstruct.tools.calls import UNKNOWN, Outcome
from konstruct.vault import Vault
from tests.support.doubles import RecordingMessenger
from tests.support.office import Office
from tests.support.workshop import Job, approval_row, define, job, over_http, publish, set_tenant

CHANNEL = "C9"


@pytest.fixture
async def turn(office: Office) -> Job:
    await define(office, "pay", over_http("https://127.0.0.1/", "POST", "changes", timeout_seconds=40))
    await publish(office, "pay")
    await set_tenant(office, approvals={"connection": "slack", "channel": CHANNEL, "deciders": ["U9"]})
    return await job(office, "Pay, please")


@pytest.fixture
def approving(database: Database, vault: Vault, messenger: RecordingMessenger, temporal_client: Client) -> Approving:
    return Approving(database, vault, {"slack": messenger}, temporal_client)


async def ask(turn: Job, **more: Any) -> ApprovalState:
    return ApprovalState(turn.office.tenant_id, (await turn.step("pay", **more)).approvals[0])


async def decide(office: Office, state: ApprovalState, *, is_yes: bool) -> None:
    row = await approval_row(office, state.approval_id)
    async with office.session() as session:
        await approvals.decide(
            session, office.vault, row.id, is_yes=is_yes, fingerprint=row.fingerprint, by="slack:U9", note="Canary."
        )


async def announce(approving: Approving, state: ApprovalState) -> None:
    await ActivityEnvironment().run(approving.announce_approval, state)


async def report(approving: Approving, state: ApprovalState) -> None:
    await ActivityEnvironment().run(approving.report_approval, state)


async def erase(office: Office, state: ApprovalState) -> None:
    async with office.session() as session:
        row = await session.get_one(Approval, (office.tenant_id, state.approval_id))
        await contacts.erase(session, office.tenant_id, row.contact_id, actor="test")


async def signalled(client: Client, office: Office, turn: Job) -> list[DeliverMessage]:
    """What the conversation's workflow was told, which nobody works on here."""
    handle = client.get_workflow_handle(temporal.workflow_id(office.tenant_id, turn.asked.conversation_id))
    told = []
    async for event in handle.fetch_history_events():
        signal = event.workflow_execution_signaled_event_attributes
        if signal.signal_name:
            assert signal.signal_name == DELIVER_MESSAGE
            told += await client.data_converter.decode(list(signal.input.payloads), [DeliverMessage])
    await handle.terminate()
    return told


async def test_people_are_asked_on_one_card_with_all_of_it(
    turn: Job, approving: Approving, messenger: RecordingMessenger
) -> None:
    state = await ask(turn)
    for _ in range(2):
        await announce(approving, state)
    [(card_id, card)] = messenger.cards.items()
    assert card_id == f"{CHANNEL}-card-{state.approval_id}"
    assert (card.employee, card.tool, card.arguments, card.outcome) == ("Ada", "pay", "{}", "")
    row = await approval_row(turn.office, state.approval_id)
    assert card.fingerprint == row.fingerprint
    assert row.cards == [
        {"connection_id": str(turn.office.connection_id), "channel": CHANNEL, "external_id": card_id},
    ]
    assert row.announced_at is not None


@pytest.mark.parametrize("why", ["no channel", "no connection", "revoked", "refused"])
async def test_where_nobody_can_be_asked_the_api_still_can(
    turn: Job, approving: Approving, messenger: RecordingMessenger, why: str
) -> None:
    office, state = turn.office, await ask(turn)
    if why == "refused":
        messenger.troubles.append(ChannelRefused("It is archived.", "is_archived"))
    elif why == "revoked":
        async with office.session() as session:
            connection = await session.get_one(Connection, (office.tenant_id, office.connection_id))
            connection.status = "revoked"
    else:
        missing = {"connection": "none", "channel": CHANNEL} if why == "no connection" else {}
        await set_tenant(office, approvals=missing)
    await announce(approving, state)
    assert messenger.cards == {}
    row = await approval_row(office, state.approval_id)
    assert (row.cards, row.state) == ([], "waiting")
    assert row.announced_at is not None


async def test_a_channel_that_is_away_is_asked_again(
    turn: Job, approving: Approving, messenger: RecordingMessenger
) -> None:
    state = await ask(turn)
    messenger.troubles.append(ChannelUnavailable("It is away."))
    with pytest.raises(ChannelUnavailable):
        await announce(approving, state)
    assert (await approval_row(turn.office, state.approval_id)).announced_at is None
    await announce(approving, state)
    assert len(messenger.cards) == 1


async def test_who_was_erased_is_shown_to_nobody(
    turn: Job, approving: Approving, messenger: RecordingMessenger
) -> None:
    state = await ask(turn)
    await erase(turn.office, state)
    with pytest.raises(NotFound):
        await announce(approving, state)
    assert messenger.cards == {}


async def test_what_was_decided_before_anybody_was_asked_is_shown_to_nobody(
    turn: Job, approving: Approving, messenger: RecordingMessenger
) -> None:
    state = await ask(turn)
    await decide(turn.office, state, is_yes=True)
    await announce(approving, state)
    assert messenger.cards == {}


async def test_what_is_decided_while_the_card_is_shown_is_on_it_at_once(
    turn: Job, approving: Approving, messenger: RecordingMessenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = await ask(turn)
    show = messenger.show_approval

    async def slow(*arguments: Any) -> str:
        shown = await show(*arguments)
        await decide(turn.office, state, is_yes=False)
        return shown

    monkeypatch.setattr(messenger, "show_approval", slow)
    await announce(approving, state)
    [card] = messenger.cards.values()
    assert card.outcome == "Denied by slack:U9; it was not done."


async def test_how_it_stands_comes_with_how_it_is_made(turn: Job, approving: Approving) -> None:
    office, state = turn.office, await ask(turn, expires_in=timedelta(hours=2))
    standing = await ActivityEnvironment().run(approving.settle_approval, state)
    row = await approval_row(office, state.approval_id)
    assert (standing.state, standing.conversation_id, standing.call_id) == (
        *("waiting", turn.asked.conversation_id),
        row.call_id,
    )
    assert 7_000 < standing.seconds_left <= 7_200
    assert (standing.timeout_seconds, standing.attempts) == (40.0, 3)
    await decide(office, state, is_yes=True)
    assert (await ActivityEnvironment().run(approving.settle_approval, state)).state == "approved"


async def test_time_ends_what_nobody_decided(turn: Job, approving: Approving) -> None:
    state = await ask(turn, expires_in=timedelta(0))
    standing = await ActivityEnvironment().run(approving.settle_approval, state)
    assert standing.state == "expired"
    assert standing.seconds_left <= 0


async def test_the_conversation_is_told_and_the_card_says_so(
    turn: Job, approving: Approving, messenger: RecordingMessenger, temporal_client: Client
) -> None:
    office, state = turn.office, await ask(turn)
    await announce(approving, state)
    await decide(office, state, is_yes=False)
    for _ in range(2):
        await report(approving, state)
    [_, note] = await office.messages("inbound")
    assert "A person said no, so it was not done." in (note.body or "")
    assert await signalled(temporal_client, office, turn) == [DeliverMessage(note.id)] * 2
    [card] = messenger.cards.values()
    assert card.outcome == "Denied by slack:U9; it was not done."


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome("done", "Paid."), "It was done."),
        (Outcome("failed", "It broke."), "It was tried and failed."),
        (Outcome("unknown", UNKNOWN), "Nobody can tell whether it was done: please check."),
        (None, "It is being done."),
    ],
)
async def test_a_card_says_what_came_of_a_yes(
    turn: Job,
    approving: Approving,
    messenger: RecordingMessenger,
    temporal_client: Client,
    outcome: Outcome | None,
    told: str,
) -> None:
    office, state = turn.office, await ask(turn)
    await announce(approving, state)
    await decide(office, state, is_yes=True)
    if outcome is not None:
        async with office.session() as session:
            row = await approvals.get(session, state.approval_id)
            await calls.settle(session, office.vault, row.call_id, outcome)
    await report(approving, state)
    [card] = messenger.cards.values()
    assert card.outcome == f"Approved by slack:U9. {told}"
    assert len(await signalled(temporal_client, office, turn)) == 1


async def test_a_card_says_that_time_ran_out(
    turn: Job, approving: Approving, messenger: RecordingMessenger, temporal_client: Client
) -> None:
    office, state = turn.office, await ask(turn)
    await announce(approving, state)
    async with office.session() as session:
        row = await session.get_one(Approval, (office.tenant_id, state.approval_id))
        row.expires_at -= timedelta(days=4)
    await ActivityEnvironment().run(approving.settle_approval, state)
    await report(approving, state)
    [card] = messenger.cards.values()
    assert card.outcome == "Nobody decided in time; it was not done."
    assert len(await signalled(temporal_client, office, turn)) == 1


async def test_a_card_that_cannot_be_renewed_holds_nothing_up(
    turn: Job, approving: Approving, messenger: RecordingMessenger, temporal_client: Client
) -> None:
    office, state = turn.office, await ask(turn)
    await announce(approving, state)
    await decide(office, state, is_yes=False)
    messenger.troubles.append(ChannelUnavailable("It is away."))
    await report(approving, state)
    assert len(await signalled(temporal_client, office, turn)) == 1


async def test_while_temporal_is_away_the_note_waits(
    turn: Job, database: Database, vault: Vault, messenger: RecordingMessenger, settings: Settings
) -> None:
    office, state = turn.office, await ask(turn)
    nowhere = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))
    await decide(office, state, is_yes=False)
    with pytest.raises(Unavailable):
        await report(Approving(database, vault, {"slack": messenger}, nowhere), state)
    assert await office.states() == ["taken", "received"]


async def test_of_whoever_was_erased_nobody_is_told(
    turn: Job, approving: Approving, messenger: RecordingMessenger
) -> None:
    office, state = turn.office, await ask(turn)
    await announce(approving, state)
    await erase(office, state)
    standing = await ActivityEnvironment().run(approving.settle_approval, state)
    assert standing.state == "denied"
    await report(approving, state)
    assert (await approval_row(office, state.approval_id)).reported_at is not None
    assert len(await office.messages("inbound")) == 1
