"""What agents do in Slack: who may, what goes to the contact and what never does, and each thing once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from temporalio.client import Client

from gateway.slack_handoffs import COMMANDS, NO_FILES
from konstruct import temporal
from konstruct.embedded.loopback import free_port
from konstruct.handoffs import attending, entries
from konstruct.inbox import Accepted
from konstruct.settings import Settings
from konstruct.tables import HandoffEntry
from tests.gateway.conftest import MakeEvents, signals, statuses, webhooks
from tests.gateway.office import Office
from tests.gateway.people import Floor, open_floor
from tests.support.handoff_worker import working
from tests.support.handoffs import DESK_CHANNEL, GRACE, LINUS, claim, hand_back, hand_off, handoff_row, seat
from tests.support.http import serve
from tests.support.slack_double import SlackDouble
from tests.support.slack_double import events as built
from tests.support.slack_double.delivery import EventKind

BOTH_EVENTS: tuple[EventKind, ...] = ("message", "app_mention")


@pytest.fixture
async def floor(slack: SlackDouble, office: Office, gateway: str) -> Floor:
    return await open_floor(slack, office, gateway)


@pytest.fixture
async def asked(floor: Floor) -> Accepted:
    return await floor.office.say("I want a person")


@pytest.fixture
async def waiting(floor: Floor, asked: Accepted) -> UUID:
    """A handoff that nobody has, with its card."""
    handoff_id = await hand_off(floor.office, asked)
    await floor.show(handoff_id)
    return handoff_id


@pytest.fixture
async def owned(floor: Floor, waiting: UUID) -> UUID:
    await claim(floor.office, waiting)
    return waiting


@pytest.fixture
async def at_work(settings: Settings, floor: Floor) -> AsyncIterator[Client]:
    async with working(settings, floor.office) as client:
        yield client


@pytest.mark.usefixtures("at_work")
class TestButtons:
    async def test_who_presses_it_first_has_it(self, floor: Floor, waiting: UUID, asked: Accepted) -> None:
        click = await floor.click(waiting, "claim")
        assert (click.status, click.body) == (200, "")
        handoff = await floor.until(waiting, lambda row: row.state == "owned")
        assert handoff.agent == GRACE.key
        assert (await floor.owner(asked.conversation_id)).owner == "agent"
        assert floor.slack.world.whispers == []

    async def test_of_two_at_once_one_has_it_and_the_other_alone_is_told_who(self, floor: Floor, waiting: UUID) -> None:
        clicks = await asyncio.gather(floor.click(waiting, "claim"), floor.click(waiting, "claim", "ULINUS"))
        assert statuses(clicks) == {200}
        [(channel, loser, sentence)] = await floor.slack.wait_for_whisper()
        winner = (await handoff_row(floor.office, waiting)).agent
        assert (channel, loser) == (DESK_CHANNEL, "ULINUS" if winner == "grace" else "UGRACE")
        assert sentence == f"{GRACE.name if winner == 'grace' else LINUS.name} has it already."

    @pytest.mark.parametrize(
        ("what", "state", "how"),
        [("hand_back", "over", "handed_back"), ("resolve", "over", "resolved"), ("release", "waiting", None)],
    )
    async def test_who_has_it_gives_it_back(
        self, floor: Floor, owned: UUID, what: str, state: str, how: str | None
    ) -> None:
        await floor.click(owned, what)
        assert (await floor.until(owned, lambda row: row.state == state)).ended_how == how

    async def test_who_has_it_not_is_told_so(self, floor: Floor, owned: UUID) -> None:
        await floor.click(owned, "resolve", "ULINUS")
        assert await floor.told("ULINUS") == f"{GRACE.name} has it: only they can do that."
        assert (await handoff_row(floor.office, owned)).state == "owned"

    async def test_who_cannot_now_says_so(self, floor: Floor, waiting: UUID) -> None:
        await floor.click(waiting, "not_now")
        await floor.until(waiting, lambda row: attending.waiting_of(row).not_now == {"grace"})
        assert floor.slack.world.whispers == []

    @pytest.mark.parametrize("kind", ["draft", "summary"])
    async def test_help_is_asked_for(self, floor: Floor, owned: UUID, kind: str) -> None:
        await floor.click(owned, kind)
        entry = await floor.entry(kind)
        assert (entry.state, entry.agent, entry.handoff_id) == ("wanted", GRACE.key, owned)


class TestStrangers:
    @pytest.mark.parametrize("what", ["claim", "not_now", "hand_back", "draft"])
    async def test_who_is_not_at_the_desk_presses_in_vain(self, floor: Floor, waiting: UUID, what: str) -> None:
        assert (await floor.click(waiting, what, "UEVE")).status == 200
        assert "not among the people of the desk" in await floor.told("UEVE")
        handoff = await handoff_row(floor.office, waiting)
        assert (handoff.state, await floor.office.rows(HandoffEntry)) == ("waiting", [])

    async def test_who_is_not_at_the_desk_writes_in_vain(self, floor: Floor, owned: UUID) -> None:
        said = await floor.write(owned, "Let me in", "UEVE")
        assert statuses(said.deliveries) == {200}
        assert "not among the people of the desk" in await floor.told("UEVE")
        await floor.order(owned, "hand back", "UEVE")
        assert "not among the people of the desk" in await floor.told("UEVE", 2)
        assert (await floor.said(), await floor.office.rows(HandoffEntry)) == ([], [])
        assert (await handoff_row(floor.office, owned)).state == "owned"
        # And nothing of it became a contact's message to the employee.
        assert len(await floor.office.conversations()) == 1

    async def test_ids_of_people_are_those_of_the_desks_workspace_alone(self, floor: Floor, waiting: UUID) -> None:
        await seat(floor.office, connection="another")
        await floor.click(waiting, "claim")
        assert "not taken over in this workspace" in await floor.told()
        assert (await handoff_row(floor.office, waiting)).state == "waiting"

    @pytest.mark.parametrize("value", ["", "x", "0190A000-0000-7000-8000-000000000001", "' or true --"])
    async def test_a_card_that_carries_something_else_does_nothing(
        self, floor: Floor, waiting: UUID, value: str
    ) -> None:
        assert (await floor.click(waiting, "claim", value=value)).status == 200
        assert "cannot be used any more" in await floor.told()

    async def test_a_card_of_no_handoff_does_nothing(self, floor: Floor, waiting: UUID) -> None:
        await floor.click(waiting, "claim", value="0190a000-0000-7000-8000-000000000001")
        assert "no such handoff" in await floor.told()

    async def test_what_is_whispered_calls_nobody(self, floor: Floor, waiting: UUID) -> None:
        await seat(floor.office, people={"grace": {"name": "<!channel>", "slack": "UGRACE"}})
        await claim(floor.office, waiting)
        await floor.write(waiting, "Mine", "UEVE")
        assert "<" not in await floor.told("UEVE")


class TestLines:
    async def test_what_its_agent_writes_goes_to_the_contact_once(
        self, floor: Floor, owned: UUID, asked: Accepted, temporal_client: Client
    ) -> None:
        said = await floor.write(owned, "Hello *there*, see <https://example.com|this>")
        envelope = said.deliveries[0].envelope
        again = await asyncio.gather(*(floor.slack.send(envelope, retry=(n, "http_timeout")) for n in (1, 2, 3)))
        assert statuses(again) == statuses(said.deliveries) == {200}
        [message] = await floor.office.messages("outbound")
        assert (message.author, message.signed, message.state) == ("agent", GRACE.name, "pending")
        assert message.body == "Hello *there*, see this (https://example.com)"
        assert message.conversation_id == asked.conversation_id
        assert set(await signals(temporal_client, floor.office, asked.conversation_id)) == {"send_notice"}
        assert floor.slack.world.whispers == []

    async def test_what_is_written_there_is_not_put_there_again(self, floor: Floor, owned: UUID) -> None:
        await floor.write(owned, "Hello\n// note")
        assert {row.posted_at is not None for row in await floor.office.rows(HandoffEntry)} == {True}

    async def test_lines_with_the_mark_stay_among_people(self, floor: Floor, owned: UUID) -> None:
        await floor.write(owned, "// not for them")
        await floor.write(owned, "For them\n&gt; // not this")
        assert await floor.said() == ["For them"]
        assert sorted(row.kind for row in await floor.office.rows(HandoffEntry)) == ["note", "note", "reply"]

    async def test_what_somebody_else_writes_is_a_note_and_they_are_told(self, floor: Floor, owned: UUID) -> None:
        await floor.write(owned, "I know this one", "ULINUS")
        assert f"{GRACE.name} has the conversation" in await floor.told("ULINUS")
        [entry] = await floor.office.rows(HandoffEntry)
        assert (entry.kind, entry.agent, await floor.said()) == ("note", LINUS.key, [])

    async def test_while_nobody_has_it_what_is_written_is_a_note(self, floor: Floor, waiting: UUID) -> None:
        said = await floor.write(waiting, "Who takes it?")
        await floor.slack.send(said.deliveries[0].envelope, retry=(1, "http_timeout"))
        assert "Nobody has the conversation" in await floor.told()
        [entry] = await floor.office.rows(HandoffEntry)
        assert (entry.kind, await floor.said()) == ("note", [])

    async def test_once_it_is_over_what_is_written_is_a_note(self, floor: Floor, owned: UUID) -> None:
        await hand_back(floor.office, owned)
        await floor.write(owned, "One more thing")
        assert "This is over" in await floor.told()
        assert await floor.said() == []

    async def test_what_is_written_beside_the_card_is_nobodys(self, floor: Floor, owned: UUID) -> None:
        await floor.slack.person_says(DESK_CHANNEL, "UGRACE", "Lunch?")
        assert (await floor.said(), await floor.office.rows(HandoffEntry)) == ([], [])
        assert len(await floor.office.conversations()) == 1

    @pytest.mark.parametrize("text", ["See this", ""])
    async def test_files_do_not_go_out_and_it_is_told(self, floor: Floor, owned: UUID, text: str) -> None:
        workspace, channel = floor.slack.find_channel(DESK_CHANNEL)
        stored = built.person_message("UGRACE", text, floor.slack.world.next_ts(), workspace.team_id)
        stored |= {"thread_ts": (await handoff_row(floor.office, owned)).card_external_id}
        channel.members.add("UGRACE")
        event = built.file_share(channel, stored, name="secret.pdf", mimetype="application/pdf", url="https://x/f")
        assert (await floor.slack.deliver(event)).status == 200
        assert await floor.told() == NO_FILES
        assert await floor.said() == ([text] if text else [])

    async def test_while_temporal_is_away_what_was_written_is_kept(
        self, floor: Floor, owned: UUID, make_events: MakeEvents, settings: Settings
    ) -> None:
        away = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))
        async with (
            make_events(temporal_client=away) as events,
            serve(webhooks(events, floor.slack)) as url,
        ):
            floor.slack.events_url = f"{url}/slack/events"
            said = await floor.write(owned, "Kept")
        assert statuses(said.deliveries) == {200}
        assert await floor.said() == ["Kept"]


@pytest.mark.usefixtures("at_work")
class TestCommands:
    @pytest.mark.parametrize("order", [("message", "app_mention"), ("app_mention", "message"), ("app_mention",)])
    async def test_what_is_written_to_the_bot_is_done_once_and_never_goes_out(
        self, floor: Floor, owned: UUID, order: tuple[EventKind, ...]
    ) -> None:
        await floor.order(owned, "hand back now: They want a *bell*.", order=order)
        await floor.until(owned, lambda row: row.ended_how == "handed_back")
        entry = await floor.entry("note")
        async with floor.office.session() as session:
            assert await entries.text(session, floor.office.vault, entry.id) == "They want a *bell*."
        notes = [message for message in await floor.office.messages("inbound") if message.author == "system"]
        assert "They want a *bell*." in (notes[-1].body or "")
        assert (notes[-1].state, len(notes)) == ("received", 2)
        assert await floor.said() == []
        assert len(await floor.office.conversations()) == 1

    @pytest.mark.parametrize("text", ["take over", "Take Over", "take over, please"])
    async def test_it_can_be_taken_over(self, floor: Floor, waiting: UUID, text: str) -> None:
        await floor.order(waiting, text)
        await floor.until(waiting, lambda row: row.agent == GRACE.key)

    async def test_it_can_be_released(self, floor: Floor, owned: UUID) -> None:
        await floor.order(owned, "release", order=BOTH_EVENTS)
        await floor.until(owned, lambda row: row.state == "waiting")

    async def test_it_can_be_resolved_with_a_note(self, floor: Floor, owned: UUID) -> None:
        await floor.order(owned, "resolve: it was\nthe bell")
        await floor.until(owned, lambda row: row.ended_how == "resolved")
        notes = [message for message in await floor.office.messages("inbound") if message.author == "system"]
        assert "it was\nthe bell" in (notes[-1].body or "")
        assert notes[-1].state == "passed"

    @pytest.mark.parametrize("text", ["transfer <@ULINUS>", "transfer: to <@ULINUS|linus>, please"])
    async def test_it_can_be_transferred(self, floor: Floor, owned: UUID, text: str) -> None:
        await floor.order(owned, text, order=BOTH_EVENTS)
        await floor.until(owned, lambda row: row.agent == LINUS.key)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("transfer", "Say to whom"),
            ("transfer <@ULINUS> <@UGRACE>", "Say to whom"),
            ("transfer <@UEVE>", "not among the people of the desk"),
            ("transfer linus", "Say to whom"),
        ],
    )
    async def test_it_is_transferred_to_one_of_the_desk_alone(
        self, floor: Floor, owned: UUID, text: str, says: str
    ) -> None:
        await floor.order(owned, text)
        assert says in await floor.told()
        assert (await handoff_row(floor.office, owned)).agent == GRACE.key

    @pytest.mark.parametrize("kind", ["draft", "summary"])
    async def test_help_is_asked_for_once(self, floor: Floor, owned: UUID, kind: str) -> None:
        await floor.order(owned, kind, order=BOTH_EVENTS)
        assert (await floor.entry(kind)).state == "wanted"

    @pytest.mark.parametrize("text", ["", "hello", "tell them <@UGRACE> is here", "handback", "// hand back"])
    async def test_what_it_does_not_know_it_says_and_it_goes_to_nobody(
        self, floor: Floor, owned: UUID, text: str
    ) -> None:
        await floor.order(owned, text)
        assert await floor.told() == COMMANDS
        assert (await floor.said(), await floor.office.rows(HandoffEntry)) == ([], [])

    async def test_a_refusal_is_told_to_who_asked(self, floor: Floor, owned: UUID) -> None:
        await floor.order(owned, "hand back", "ULINUS")
        assert await floor.told("ULINUS") == f"{GRACE.name} has it: only they can do that."
