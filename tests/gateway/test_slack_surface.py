"""What people see and do beside messages, and what happens while a part of ours is away."""

import time

from pydantic import SecretStr
from temporalio.client import Client

from gateway.slack_listeners import STOP_IS_MEANT_FOR
from konstruct.db import Database
from tests.gateway.conftest import MakeEvents, OpenOffice, signals, statuses, webhooks
from tests.gateway.office import Office
from tests.support.http import serve
from tests.support.slack_double import SlackDouble
from tests.support.slack_double import events as built


class TestTheAgentSurface:
    async def test_who_opens_the_dm_is_offered_the_employees_prompts(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        office = await new_office(prompts=["Where is my order?"])
        dm = office.workspace.dm_with("U1")

        await slack.deliver(built.app_home_opened(dm, "U1", slack.world.next_ts()))
        await slack.wait_for_call("assistant.threads.setSuggestedPrompts")

        assert slack.world.prompts[dm.id] == [{"title": "Where is my order?", "message": "Where is my order?"}]

    async def test_slack_is_answered_before_it_answers_us(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        office = await new_office(prompts=["Where is my order?"])
        slack.hold_next("assistant.threads.setSuggestedPrompts")

        opened = built.app_home_opened(office.workspace.dm_with("U1"), "U1", slack.world.next_ts())

        assert (await slack.deliver(opened)).status == 200
        await slack.wait_for_call("assistant.threads.setSuggestedPrompts")

    async def test_no_event_calls_slack_before_its_answer(self, slack: SlackDouble, office: Office) -> None:
        await slack.person_says("C1", "U1", f"<@{office.workspace.bot_user_id}> hello")
        await slack.deliver(built.tokens_revoked([office.workspace.bot_user_id], slack.world.next_ts()))

        assert slack.calls == []

    async def test_the_stop_button_reaches_the_conversation(
        self, slack: SlackDouble, office: Office, temporal_client: Client
    ) -> None:
        dm = office.workspace.dm_with("U1")
        said = await slack.person_says(dm.id, "U1", "hello")

        stop = await slack.deliver(built.agent_session_stopped(dm, said.ts, "U1", slack.world.next_ts()))

        assert stop.status == 200
        [conversation] = await office.conversations()
        assert await signals(temporal_client, office, conversation.id) == ["deliver_message", "stop_turn"]

    async def test_a_stop_that_comes_late_is_dropped(
        self, slack: SlackDouble, office: Office, temporal_client: Client
    ) -> None:
        dm = office.workspace.dm_with("U1")
        said = await slack.person_says(dm.id, "U1", "hello")
        envelope = slack.envelope(built.agent_session_stopped(dm, said.ts, "U1", slack.world.next_ts()))

        late = envelope | {"event_time": int(time.time()) - STOP_IS_MEANT_FOR - 2}

        assert (await slack.send(late)).status == 200
        [conversation] = await office.conversations()
        assert await signals(temporal_client, office, conversation.id) == ["deliver_message"]

    async def test_a_stop_where_there_is_no_conversation_stops_nothing(
        self, slack: SlackDouble, office: Office
    ) -> None:
        dm = office.workspace.dm_with("U1")

        stop = await slack.deliver(built.agent_session_stopped(dm, "1.000001", "U1", slack.world.next_ts()))

        assert stop.status == 200


class TestWhenAPartIsAway:
    async def test_without_a_database_slack_is_asked_to_come_again(
        self, slack: SlackDouble, office: Office, make_events: MakeEvents
    ) -> None:
        nowhere = Database(SecretStr("postgresql://konstruct_app@127.0.0.1:1/konstruct"))
        dm = office.workspace.dm_with("U1")
        event = built.message(dm, built.person_message("U1", "hello", "1.000001", office.workspace.team_id))

        async with make_events(database=nowhere) as events, serve(webhooks(events, slack)) as url:
            while_away = await slack.deliver(event, url=f"{url}/slack/events")
            unusable = await slack.post(f"{url}/slack/events", b"{")

        assert statuses([while_away, unusable]) == {503}
        assert (await slack.deliver(event)).status == 200
        assert await office.bodies() == ["hello"]

    async def test_without_temporal_a_message_is_safe_and_a_stop_is_tried_again(
        self, slack: SlackDouble, office: Office, make_events: MakeEvents
    ) -> None:
        nowhere = await Client.connect("127.0.0.1:1", lazy=True)
        dm = office.workspace.dm_with("U1")

        async with make_events(temporal_client=nowhere) as events, serve(webhooks(events, slack)) as url:
            slack.events_url = f"{url}/slack/events"
            said = await slack.person_says(dm.id, "U1", "hello")
            stop = await slack.deliver(built.agent_session_stopped(dm, said.ts, "U1", slack.world.next_ts()))

        assert statuses(said.deliveries) == {200}
        assert stop.status == 503
        assert await office.bodies() == ["hello"]

    async def test_a_message_over_the_limit_is_recorded_and_told_once(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        office = await new_office(limits={"contact": "1/hour"})
        dm = office.workspace.dm_with("U1").id

        for text in ("one", "two", "three"):
            await slack.person_says(dm, "U1", text)

        states = [(m.direction, m.state) for m in await office.messages()]
        assert sorted(states) == [
            ("inbound", "received"),
            ("inbound", "refused"),
            ("inbound", "refused"),
            ("outbound", "pending"),
        ]
