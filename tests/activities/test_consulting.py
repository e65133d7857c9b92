"""Asking a colleague and telling the conversation: in a Slack as it is, with each step cut off and done again."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.consulting import WITHDRAWN, Consulting
from activities.fetching import Removing
from activities.upkeep import Upkeep
from konstruct import consults, contacts, temporal
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.consults import Asked
from konstruct.contracts import consults as contracts
from konstruct.contracts.consults import ConsultStanding, ConsultState
from konstruct.contracts.conversation import DELIVER_MESSAGE, DeliverMessage
from konstruct.db import Database
from konstruct.desk_ports import Deskroom
from konstruct.embedded.loopback import free_port
from konstruct.errors import ChannelUnavailable, NotFound, SendUncertain, Unavailable
from konstruct.handoffs.owning import Agent
from konstruct.settings import Settings
from konstruct.tables import Connection
from konstruct.vault import Vault
from tests.konstruct.adapters.slack_place import SCOPES
from tests.konstruct.adapters.test_slack_handoffs import shown
from tests.support.consults import BEN, CHANNEL, PEOPLE, ask, let_pass, row, set_desk
from tests.support.doubles import KeptFiles
from tests.support.office import Office
from tests.support.slack_double import Json, SlackDouble

Deskrooms = dict[str, Deskroom]
SOON = timedelta(seconds=30)


@pytest.fixture
async def slack(office: Office) -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        double.world.add_workspace(bot_token=office.bot_token, scopes=SCOPES).add_channel(CHANNEL)
        yield double


@pytest.fixture
async def deskrooms(slack: SlackDouble) -> AsyncIterator[Deskrooms]:
    async with open_session() as session:
        yield {"slack": SlackDeskroom(session, slack.api_url)}


@pytest.fixture
async def consulting(
    office: Office, database: Database, vault: Vault, deskrooms: Deskrooms, temporal_client: Client
) -> Consulting:
    await set_desk(office)
    return Consulting(database, vault, deskrooms, temporal_client)


def state_of(office: Office, asked: Asked) -> ConsultState:
    return ConsultState(office.tenant_id, asked.consult_id)


async def announce(consulting: Consulting, office: Office, asked: Asked) -> None:
    await ActivityEnvironment().run(consulting.announce_consult, state_of(office, asked))


async def settle(consulting: Consulting, office: Office, asked: Asked) -> ConsultStanding:
    standing: ConsultStanding = await ActivityEnvironment().run(consulting.settle_consult, state_of(office, asked))
    return standing


async def report(consulting: Consulting, office: Office, asked: Asked) -> None:
    await ActivityEnvironment().run(consulting.report_consult, state_of(office, asked))


async def answer(office: Office, asked: Asked, said: str = "Yes.") -> None:
    async with office.session() as session:
        await consults.answer(session, office.vault, asked.consult_id, Agent("ben", "Ben Okoro"), said)


async def erase(office: Office, asked: Asked) -> None:
    contact_id = (await row(office, asked.consult_id)).contact_id
    async with office.session() as session:
        await contacts.erase(session, office.tenant_id, contact_id, actor="test")


async def signalled(client: Client, office: Office, asked: Asked) -> list[DeliverMessage]:
    """What the conversation's workflow was told, which nobody works on here."""
    handle = client.get_workflow_handle(temporal.workflow_id(office.tenant_id, asked.conversation_id))
    told = []
    async for event in handle.fetch_history_events():
        signal = event.workflow_execution_signaled_event_attributes
        if signal.signal_name:
            assert signal.signal_name == DELIVER_MESSAGE
            told += await client.data_converter.decode(list(signal.input.payloads), [DeliverMessage])
    await handle.terminate()
    return told


def card(slack: SlackDouble) -> Json:
    [message] = slack.bot_messages(CHANNEL)
    return message


async def test_a_colleague_is_asked_by_name_on_one_card(
    office: Office, slack: SlackDouble, consulting: Consulting
) -> None:
    asked = await ask(office)
    for _ in range(2):
        await announce(consulting, office, asked)
    assert card(slack)["text"].startswith(f"<@{BEN}> Ada asks Ben Okoro")
    assert asked.question in shown(card(slack)["blocks"])
    assert "Answer in this thread" in shown(card(slack)["blocks"])
    kept = await row(office, asked.consult_id)
    place = (kept.card_connection_id, kept.card_channel, kept.card_external_id)
    assert place == (office.connection_id, CHANNEL, card(slack)["ts"])
    assert kept.announced_at is not None


@pytest.mark.parametrize("why", ["no channel", "no connection", "revoked", "refused", "no user"])
async def test_who_cannot_be_shown_it_can_still_answer_over_the_api(
    office: Office, slack: SlackDouble, consulting: Consulting, why: str
) -> None:
    asked = await ask(office, colleague="cleo" if why == "no user" else "ben")
    if why == "refused":
        slack.fail_next("chat.postMessage", error="is_archived")
    elif why == "revoked":
        async with office.session() as session:
            connection = await session.get_one(Connection, (office.tenant_id, office.connection_id))
            connection.status = "revoked"
    elif why != "no user":
        await set_desk(office, **({"channel": None} if why == "no channel" else {"connection": "none"}))
    await announce(consulting, office, asked)
    assert slack.bot_messages(CHANNEL) == []
    kept = await row(office, asked.consult_id)
    assert (kept.state, kept.card_channel, kept.announced_at is None) == ("waiting", None, False)


async def test_a_card_that_may_have_been_shown_is_looked_for_first(
    office: Office, slack: SlackDouble, consulting: Consulting
) -> None:
    asked = await ask(office)
    slack.drop_next("chat.postMessage", accepted=True)
    with pytest.raises(SendUncertain):
        await announce(consulting, office, asked)
    assert (await row(office, asked.consult_id)).announced_at is None
    await announce(consulting, office, asked)
    assert (await row(office, asked.consult_id)).card_external_id == card(slack)["ts"]


async def test_a_card_that_was_certainly_not_shown_is_shown(
    office: Office, slack: SlackDouble, consulting: Consulting
) -> None:
    asked = await ask(office)
    slack.drop_next("chat.postMessage")
    with pytest.raises(SendUncertain):
        await announce(consulting, office, asked)
    await announce(consulting, office, asked)
    assert (await row(office, asked.consult_id)).card_external_id == card(slack)["ts"]


async def test_what_was_answered_before_anybody_was_shown_it_is_shown_to_nobody(
    office: Office, slack: SlackDouble, consulting: Consulting
) -> None:
    asked = await ask(office)
    await answer(office, asked)
    await announce(consulting, office, asked)
    assert slack.bot_messages(CHANNEL) == []


async def test_what_is_answered_while_the_card_is_shown_is_on_it_at_once(
    office: Office, slack: SlackDouble, consulting: Consulting, deskrooms: Deskrooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, show = await ask(office), deskrooms["slack"].show_consult

    async def slow(*arguments: object) -> str:
        ts = await show(*arguments)  # type: ignore[arg-type]
        await answer(office, asked)
        return ts

    monkeypatch.setattr(deskrooms["slack"], "show_consult", slow)
    await announce(consulting, office, asked)
    assert "Ben Okoro answered, and Ada goes on with it." in shown(card(slack)["blocks"])


async def test_who_was_erased_is_shown_to_nobody(office: Office, slack: SlackDouble, consulting: Consulting) -> None:
    asked = await ask(office)
    await erase(office, asked)
    with pytest.raises(NotFound):
        await announce(consulting, office, asked)
    assert slack.bot_messages(CHANNEL) == []


async def test_how_it_stands_is_told_until_time_ends_it(office: Office, consulting: Consulting) -> None:
    asked = await ask(office)
    standing = await settle(consulting, office, asked)
    assert standing.state == "waiting"
    assert timedelta(days=3) - SOON < timedelta(seconds=standing.seconds_left) <= timedelta(days=3)
    await let_pass(office, asked.consult_id, expires_at=timedelta(days=3))
    standing = await settle(consulting, office, asked)
    assert standing.state == "expired"
    assert standing.seconds_left <= 0


async def test_the_conversation_is_told_and_the_card_says_so(
    office: Office, slack: SlackDouble, consulting: Consulting, temporal_client: Client
) -> None:
    asked = await ask(office)
    await announce(consulting, office, asked)
    await answer(office, asked, "Yes, all of it.")
    for _ in range(2):
        await report(consulting, office, asked)
    [_, note] = await office.messages("inbound")
    assert "Ben Okoro answered: Yes, all of it." in (note.body or "")
    assert await signalled(temporal_client, office, asked) == [DeliverMessage(note.id)] * 2
    assert "Ben Okoro answered, and Ada goes on with it." in shown(card(slack)["blocks"])
    assert "Answer in this thread" not in shown(card(slack)["blocks"])


async def test_a_card_says_that_time_ran_out(
    office: Office, slack: SlackDouble, consulting: Consulting, temporal_client: Client
) -> None:
    asked = await ask(office)
    await announce(consulting, office, asked)
    await let_pass(office, asked.consult_id, expires_at=timedelta(days=3))
    await settle(consulting, office, asked)
    await report(consulting, office, asked)
    assert "Nobody answered in time." in shown(card(slack)["blocks"])
    assert len(await signalled(temporal_client, office, asked)) == 1


async def test_a_card_is_renewed_where_it_is_though_the_desk_has_moved(
    office: Office, slack: SlackDouble, consulting: Consulting, temporal_client: Client
) -> None:
    asked = await ask(office)
    await announce(consulting, office, asked)
    await set_desk(office, channel="C2", people={"anna": PEOPLE["anna"]})
    await let_pass(office, asked.consult_id, expires_at=timedelta(days=3))
    await settle(consulting, office, asked)
    await report(consulting, office, asked)
    assert "Nobody answered in time." in shown(card(slack)["blocks"])
    assert len(await signalled(temporal_client, office, asked)) == 1


async def test_a_card_that_cannot_be_renewed_holds_nothing_up(
    office: Office, slack: SlackDouble, consulting: Consulting, temporal_client: Client
) -> None:
    asked = await ask(office)
    await announce(consulting, office, asked)
    await answer(office, asked)
    slack.fail_next("chat.update", status=503)
    await report(consulting, office, asked)
    assert len(await signalled(temporal_client, office, asked)) == 1


async def test_while_a_person_has_the_conversation_its_workflow_is_left_alone(
    office: Office, consulting: Consulting, database: Database, vault: Vault, settings: Settings
) -> None:
    asked = await ask(office)
    await office.change_owner(asked.conversation_id, "agent")
    await answer(office, asked)
    nowhere = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))
    await report(Consulting(database, vault, {}, nowhere), office, asked)
    assert [message.state for message in await office.messages("inbound")][-1] == "passed"


async def test_while_temporal_is_away_the_note_waits(
    office: Office, consulting: Consulting, database: Database, vault: Vault, settings: Settings
) -> None:
    asked = await ask(office)
    await answer(office, asked)
    nowhere = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))
    with pytest.raises(Unavailable):
        await report(Consulting(database, vault, {}, nowhere), office, asked)
    assert (await office.states())[-1] == "received"


async def test_of_whoever_was_erased_nothing_stays_on_the_card_and_nobody_is_told(
    office: Office, slack: SlackDouble, consulting: Consulting
) -> None:
    asked = await ask(office)
    await announce(consulting, office, asked)
    await erase(office, asked)
    assert (await settle(consulting, office, asked)).state == "withdrawn"
    await report(consulting, office, asked)
    assert WITHDRAWN in shown(card(slack)["blocks"])
    assert asked.question not in str(card(slack))
    assert (await row(office, asked.consult_id)).reported_at is not None
    assert len(await office.messages("inbound")) == 1


async def test_a_channel_that_is_away_is_asked_again(
    office: Office, slack: SlackDouble, consulting: Consulting
) -> None:
    asked = await ask(office)
    slack.drop_next("chat.postMessage")
    slack.fail_next("conversations.history", status=503)
    for error in (SendUncertain, ChannelUnavailable):
        with pytest.raises(error):
            await announce(consulting, office, asked)
    await announce(consulting, office, asked)
    assert (await row(office, asked.consult_id)).card_external_id == card(slack)["ts"]


async def test_a_sweep_starts_a_workflow_that_was_not_started(
    office: Office, consulting: Consulting, temporal_client: Client
) -> None:
    asked = await ask(office)
    await let_pass(office, asked.consult_id, created_at=SOON)
    for _ in range(2):
        removing = Removing(office.database, KeptFiles())
        await ActivityEnvironment().run(Upkeep(office.database, temporal_client, removing).sweep)
    workflow_id = contracts.workflow_id(office.tenant_id, asked.consult_id)
    handle = temporal_client.get_workflow_handle(workflow_id)
    signals = [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    await handle.terminate()
    assert signals == [contracts.SETTLED]
    assert (await row(office, asked.consult_id)).swept_at is not None
