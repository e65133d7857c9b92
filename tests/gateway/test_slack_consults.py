"""Answers of colleagues in Slack: in the thread of what they were asked, theirs alone, and kept before Slack hears."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus

from konstruct import connections, consults
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.consults import LONGEST_ANSWER, Asked
from konstruct.contracts import consults as contracts
from konstruct.db import Database
from konstruct.desk_ports import ConsultCard
from konstruct.tables import Consult
from tests.gateway.conftest import MakeEvents, OpenOffice, Quarantine, statuses, webhooks
from tests.gateway.office import Office
from tests.support import consults as asking
from tests.support.consults import ANNA, BEN, CHANNEL
from tests.support.http import serve
from tests.support.slack_double import Said, SlackDouble, events

STRANGER = "UEVE"


@dataclass(frozen=True)
class Room:
    """Where a question stands, and people write below it."""

    slack: SlackDouble
    office: Office
    asked: Asked
    card: str
    """Its ts."""

    async def say(self, text: str, user: str = BEN, *, thread: str | None = None) -> Said:
        team = self.office.workspace.team_id
        return await self.slack.person_says(CHANNEL, user, text, thread_ts=thread or self.card, team=team)

    async def told(self, user: str = BEN, count: int = 1) -> str:
        whispers = await self.slack.wait_for_whisper(count)
        channel, who, sentence = whispers[-1]
        assert (channel, who) == (CHANNEL, user)
        return sentence

    async def consult(self) -> Consult:
        return await asking.row(self.office, self.asked.consult_id)

    async def answer(self) -> str:
        async with self.office.session() as session:
            return (await consults.read(session, self.office.vault, self.asked.consult_id)).answer


OpenRoom = Callable[..., Awaitable[Room]]


@pytest.fixture
def open_room(slack: SlackDouble) -> OpenRoom:
    async def open_in(office: Office, colleague: str = "ben") -> Room:
        if CHANNEL not in office.workspace.channels:
            office.workspace.add_channel(CHANNEL)
        await asking.set_desk(office)
        asked = await asking.ask(office, colleague=colleague)
        card = ConsultCard(asked.consult_id, "Ada", asked.colleague_name, asked.question, asked.expires_at, (BEN,))
        async with open_session() as http, office.session() as session:
            account = await connections.open_account(session, office.vault, office.connection_id)
            ts = await SlackDeskroom(http, slack.api_url).show_consult(account, CHANNEL, card)
            await consults.shown(session, asked.consult_id, office.connection_id, CHANNEL, ts)
        return Room(slack, office, asked, ts)

    return open_in


@pytest.fixture
async def room(open_room: OpenRoom, office: Office) -> Room:
    return await open_room(office)


async def test_the_answer_of_whoever_was_asked_is_kept_and_the_workflow_told(
    room: Room, temporal_client: Client, quarantine: Quarantine
) -> None:
    said = await room.say("Yes &amp; *all* of it.")

    assert statuses(said.deliveries) == {200}
    assert ((await room.consult()).state, await room.answer()) == ("answered", "Yes & *all* of it.")
    workflow_id = contracts.workflow_id(room.office.tenant_id, room.asked.consult_id)
    described = await temporal_client.get_workflow_handle(workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    # It is no message to the employee, and nothing that an agent wrote.
    assert await room.office.bodies() == ["May it be refunded?"]
    assert (room.slack.world.whispers, await quarantine()) == ([], [])


async def test_it_comes_over_socket_mode_too(
    slack: SlackDouble, new_office: OpenOffice, make_events: MakeEvents, open_room: OpenRoom
) -> None:
    room = await open_room(await new_office())
    async with make_events(slack_app_token=SecretStr(slack.app_token)):
        await room.say("Yes.")
    assert await room.answer() == "Yes."


async def test_one_message_that_comes_twice_is_one_answer(room: Room) -> None:
    """A mention comes as two events, and Slack repeats what it is unsure of."""
    bot = room.office.workspace.bot_user_id
    said = await room.say(f"<@{bot}> yes.")
    again = [await room.slack.send(delivery.envelope, retry=(1, "http_timeout")) for delivery in said.deliveries]

    assert len(said.deliveries) == 2
    assert statuses([*said.deliveries, *again]) == {200}
    assert await room.answer() == "yes."
    assert len(await room.office.events("consult.answered")) == 1
    assert room.slack.world.whispers == []


async def test_what_they_write_later_is_not_used_and_they_are_told(room: Room) -> None:
    await room.say("Yes.")
    await room.say("No, wait.")

    assert "answered this already" in await room.told()
    assert await room.answer() == "Yes."
    assert await room.office.bodies() == ["May it be refunded?"]


@pytest.mark.parametrize(
    ("user", "sentence"), [(ANNA, "Ben Okoro was asked this"), (STRANGER, "not among the people of the desk")]
)
async def test_who_was_not_asked_is_told_so_and_nobody_else_is(room: Room, user: str, sentence: str) -> None:
    said = await room.say("Yes, sure.", user)

    assert statuses(said.deliveries) == {200}
    assert sentence in await room.told(user)
    assert (await room.consult()).state == "waiting"
    await room.say("No.")
    assert await room.answer() == "No."
    assert len(room.slack.bot_messages(CHANNEL, team=room.office.workspace.team_id)) == 1


async def test_what_is_written_elsewhere_is_no_answer(room: Room) -> None:
    elsewhere = await room.slack.person_says(CHANNEL, ANNA, "Lunch?", team=room.office.workspace.team_id)
    await room.say("Yes.", thread=elsewhere.ts)
    await room.slack.person_says(CHANNEL, BEN, "Yes.", team=room.office.workspace.team_id)
    assert ((await room.consult()).state, room.slack.world.whispers) == ("waiting", [])


async def test_a_file_alone_is_no_answer(room: Room) -> None:
    channel = room.office.workspace.channels[CHANNEL]
    for text, answer in (("", ""), ("See the list.", "See the list.")):
        stored = events.person_message(BEN, text, room.slack.world.next_ts(), room.office.workspace.team_id)
        stored |= {"thread_ts": room.card}
        channel.members.add(BEN)
        shared = events.file_share(channel, stored, name="a.pdf", mimetype="application/pdf", url="https://x.example")
        assert (await room.slack.deliver(shared, team=room.office.workspace.team_id)).status == 200
        assert await room.answer() == answer
    assert "write it as text" in await room.told()


async def test_one_that_is_too_long_can_be_given_again(room: Room) -> None:
    await room.say("x" * (LONGEST_ANSWER + 1))
    assert "too long" in await room.told()
    await room.say("Yes.")
    assert await room.answer() == "Yes."


async def test_what_came_too_late_is_told(room: Room) -> None:
    await asking.let_pass(room.office, room.asked.consult_id, expires_at=timedelta(days=3))
    await room.say("Yes.")
    assert "too late" in await room.told()


async def test_ids_of_people_are_those_of_the_desks_connection_alone(room: Room) -> None:
    await asking.set_desk(room.office, connection="another")
    await room.say("Yes.")
    assert "not answered in this workspace" in await room.told()
    assert (await room.consult()).state == "waiting"


async def test_another_tenants_question_is_not_answered(
    room: Room, new_office: OpenOffice, open_room: OpenRoom
) -> None:
    """Though the same person is at both desks, in channels of the same name, and the messages have the same ts."""
    theirs = await open_room(await new_office())
    async with theirs.office.session() as session:
        await consults.shown(session, theirs.asked.consult_id, theirs.office.connection_id, CHANNEL, room.card)
    await room.say("Yes.")
    assert (await room.consult()).state == "answered"
    assert (await theirs.consult()).state == "waiting"


async def test_of_many_at_once_one_is_used(room: Room) -> None:
    said = await asyncio.gather(*(room.say(f"Answer {number}") for number in range(4)))
    assert statuses([delivery for each in said for delivery in each.deliveries]) == {200}
    await room.told(count=3)
    assert (await room.answer()).startswith("Answer ")
    assert len(await room.office.events("consult.answered")) == 1


async def test_without_temporal_the_answer_stands(room: Room, make_events: MakeEvents) -> None:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    async with make_events(temporal_client=nowhere) as at_work, serve(webhooks(at_work, room.slack)) as url:
        room.slack.events_url = f"{url}/slack/events"
        assert statuses((await room.say("Yes.")).deliveries) == {200}
    assert await room.answer() == "Yes."


async def test_without_a_database_slack_has_to_come_again(room: Room, make_events: MakeEvents) -> None:
    nowhere = Database(SecretStr("postgresql://konstruct_app@127.0.0.1:1/konstruct"))
    async with make_events(database=nowhere) as at_work, serve(webhooks(at_work, room.slack)) as url:
        room.slack.events_url = f"{url}/slack/events"
        assert statuses((await room.say("Yes.")).deliveries) == {503}
    assert (await room.consult()).state == "waiting"


async def test_what_only_an_operator_can_mend_is_kept_aside_and_told_to_nobody(
    room: Room, quarantine: Quarantine
) -> None:
    async with room.office.session() as session:
        row = await session.get_one(Consult, (room.office.tenant_id, room.asked.consult_id))
        row.sealed_question = b"no longer whole"
    assert statuses((await room.say("Yes.")).deliveries) == {200}
    [kept] = await quarantine()
    assert "cannot be opened" in kept.reason
    assert room.slack.calls_of("chat.postEphemeral") == []


async def test_slack_is_answered_before_it_is_asked_to_tell_anybody(room: Room) -> None:
    """Slack waits for three seconds, and here it would have to wait for itself."""
    released = room.slack.hold_next("chat.postEphemeral")
    assert statuses((await room.say("Yes.", STRANGER)).deliveries) == {200}
    await room.slack.wait_for_call("chat.postEphemeral")
    released.set()
    await room.told(STRANGER)
