"""What becomes of what people, other apps and Slack itself do in a workspace."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlmodel import select
from temporalio.client import Client

from konstruct.connecting import disconnecting
from konstruct.tables import Contact, EarlyChange
from tests.gateway.conftest import OpenOffice, Quarantine, signals, statuses
from tests.gateway.office import Office
from tests.support.slack_double import SlackDouble
from tests.support.slack_double import events as built
from tests.support.slack_double.delivery import EventKind


class TestAddressing:
    @pytest.mark.parametrize(
        "order", [("message", "app_mention"), ("app_mention", "message"), ("app_mention",), ("message",)]
    )
    async def test_a_mention_is_one_message_however_it_is_delivered(
        self, slack: SlackDouble, office: Office, temporal_client: Client, order: Sequence[EventKind]
    ) -> None:
        said = await slack.person_says("C1", "U1", f"<@{office.workspace.bot_user_id}> hello", order=order)

        assert statuses(said.deliveries) == {200}
        [message] = await office.messages()
        [conversation] = await office.conversations()
        assert (message.body, message.external_id, message.state) == ("hello", f"C1:{said.ts}", "received")
        assert (conversation.channel, conversation.root) == ("C1", said.ts)
        assert await signals(temporal_client, office, conversation.id) == ["deliver_message"]

    async def test_the_same_event_three_times_is_one_message(self, slack: SlackDouble, office: Office) -> None:
        said = await slack.person_says("C1", "U1", f"<@{office.workspace.bot_user_id}> hello", order=["app_mention"])
        envelope = said.deliveries[0].envelope

        again = await asyncio.gather(*(slack.send(envelope, retry=(n, "http_timeout")) for n in (1, 2, 3)))

        assert statuses(again) == {200}
        assert await office.bodies() == ["hello"]

    async def test_a_retry_whose_first_delivery_never_arrived_is_taken(
        self, slack: SlackDouble, office: Office
    ) -> None:
        dm = office.workspace.dm_with("U1")
        event = built.message(dm, built.person_message("U1", "hello", "1.000001", office.workspace.team_id))

        assert (await slack.send(slack.envelope(event), retry=(1, "connection_failed"))).status == 200
        assert await office.bodies() == ["hello"]

    async def test_a_thread_goes_on_without_mentions(self, slack: SlackDouble, office: Office) -> None:
        root = await slack.person_says("C1", "U1", f"<@{office.workspace.bot_user_id}> hello")

        await slack.person_says("C1", "U2", "me too", thread_ts=root.ts)

        assert await office.bodies() == ["hello", "me too"]
        assert len(await office.conversations()) == 1

    async def test_a_mention_inside_a_thread_of_people_opens_a_conversation_there(
        self, slack: SlackDouble, office: Office
    ) -> None:
        root = await slack.person_says("C1", "U1", "lunch?")

        await slack.person_says("C1", "U2", f"<@{office.workspace.bot_user_id}> what is on?", thread_ts=root.ts)

        [conversation] = await office.conversations()
        assert conversation.root == root.ts

    async def test_what_people_say_among_themselves_is_ignored(self, slack: SlackDouble, office: Office) -> None:
        root = await slack.person_says("C1", "U1", "lunch?")
        reply = await slack.person_says("C1", "U2", "yes <@U1>", thread_ts=root.ts)

        assert statuses([*root.deliveries, *reply.deliveries]) == {200}
        assert await office.messages() == []

    async def test_each_message_of_a_dm_is_its_own_thread(self, slack: SlackDouble, office: Office) -> None:
        dm = office.workspace.dm_with("U1").id
        first = await slack.person_says(dm, "U1", "one")
        second = await slack.person_says(dm, "U1", "two")
        await slack.person_says(dm, "U1", "more of one", thread_ts=first.ts)

        assert [conversation.root for conversation in await office.conversations()] == [first.ts, second.ts]
        assert await office.bodies() == ["one", "two", "more of one"]

    async def test_a_file_without_words_is_taken(self, slack: SlackDouble, office: Office) -> None:
        dm = office.workspace.dm_with("U1")
        stored = built.person_message("U1", "", slack.world.next_ts(), office.workspace.team_id)

        await slack.deliver(
            built.file_share(dm, stored, name="invoice.pdf", mimetype="application/pdf", url=f"{slack.url}/f")
        )

        assert await office.bodies() == ["[sent a file: invoice.pdf]"]

    async def test_bots_joins_and_slack_itself_are_ignored(
        self, slack: SlackDouble, office: Office, quarantine: Quarantine
    ) -> None:
        channel, team = office.workspace.channels["C1"], office.workspace.team_id
        mention = f"<@{office.workspace.bot_user_id}> hello"
        dm = office.workspace.dm_with("U1")
        own = {"user": office.workspace.bot_user_id, "bot_id": office.workspace.bot_id}
        other = {"bot_id": "B0OTHER", "app_id": "A0OTHER"}

        answers = [
            await slack.deliver(event)
            for event in (
                built.bot_message(channel, "B0OTHER", mention, "1.000001"),
                built.app_mention(channel, built.person_message("U0OTHER", mention, "1.000002", team) | other),
                built.message(dm, built.person_message("U0OTHER", "hi", "1.000003", team) | other),
                built.message(dm, built.person_message("U1", "hi", "1.000004", team) | own),
                built.message(dm, built.person_message(office.workspace.bot_user_id, "hi", "1.000005", team)),
                built.message(dm, built.person_message("USLACK", "welcome", "1.000006", team)),
                built.channel_join(channel, "U1", "1.000007"),
                built.channel_join(channel, office.workspace.bot_user_id, "1.000008"),
            )
        ]

        assert statuses(answers) == {200}
        assert await office.messages() == []
        assert await quarantine() == []


class TestSecondThoughts:
    async def test_an_edit_is_kept(self, slack: SlackDouble, office: Office) -> None:
        dm = office.workspace.dm_with("U1").id
        said = await slack.person_says(dm, "U1", "I want ten")

        assert (await slack.person_edits(dm, said.ts, "I want &lt;2&gt;")).status == 200
        assert await office.bodies() == ["I want <2>"]

    async def test_an_edit_that_comes_again_after_a_newer_one_brings_nothing_back(
        self, slack: SlackDouble, office: Office
    ) -> None:
        dm = office.workspace.dm_with("U1").id
        said = await slack.person_says(dm, "U1", "I want ten")
        first = await slack.person_edits(dm, said.ts, "I want two")
        await slack.person_edits(dm, said.ts, "I want three")

        assert (await slack.send(first.envelope, retry=(1, "http_timeout"))).status == 200
        assert await office.bodies() == ["I want three"]

    async def test_what_was_edited_before_it_comes_is_taken_as_it_is_then(
        self, slack: SlackDouble, office: Office, temporal_client: Client
    ) -> None:
        dm = office.workspace.dm_with("U1")
        said = built.person_message("U1", "I want ten", "1.000001", office.workspace.team_id)
        edited = said | {"text": "I want two", "edited": {"user": "U1", "ts": "2.000000"}}

        answers = [
            await slack.deliver(built.message_changed(dm, edited, said, "2.000001")),
            await slack.deliver(built.message(dm, said)),
        ]

        assert statuses(answers) == {200}
        assert await office.bodies() == ["I want two"]
        [conversation] = await office.conversations()
        assert await signals(temporal_client, office, conversation.id) == ["deliver_message"]

    async def test_what_was_deleted_before_it_comes_is_nobodys_to_answer(
        self, slack: SlackDouble, office: Office, temporal_client: Client
    ) -> None:
        dm = office.workspace.dm_with("U1")
        said = built.person_message("U1", "my password is hunter2", "1.000001", office.workspace.team_id)
        later = built.person_message("U1", "and?", "3.000001", office.workspace.team_id) | {"thread_ts": "1.000001"}

        answers = [
            await slack.deliver(built.message_deleted(dm, said, "2.000001")),
            await slack.deliver(built.message(dm, said)),
            await slack.deliver(built.message(dm, later)),
        ]

        assert statuses(answers) == {200}
        assert [(m.body, m.state) for m in await office.messages()] == [("", "deleted"), ("and?", "received")]
        [conversation] = await office.conversations()
        assert await signals(temporal_client, office, conversation.id) == ["deliver_message"]

    async def test_nothing_is_kept_of_what_people_edit_among_themselves(
        self, slack: SlackDouble, office: Office
    ) -> None:
        said = await slack.person_says("C1", "U1", "lunch?")

        assert (await slack.person_edits("C1", said.ts, "dinner?")).status == 200
        async with office.session() as session:
            assert (await session.scalars(select(EarlyChange))).all() == []
            assert (await session.scalars(select(Contact))).all() == []

    async def test_an_unfurled_link_is_no_edit(self, slack: SlackDouble, office: Office) -> None:
        dm = office.workspace.dm_with("U1")
        said = await slack.person_says(dm.id, "U1", "see <https://example.com>")
        before = dm.messages[said.ts]
        unfurled = before | {"attachments": [{"from_url": "https://example.com", "title": "Example"}]}
        await slack.person_deletes(dm.id, said.ts)

        late = await slack.deliver(built.message_changed(dm, unfurled, before, slack.world.next_ts()))

        assert late.status == 200
        assert await office.bodies() == [""]

    async def test_an_update_of_our_own_message_is_no_edit(
        self, slack: SlackDouble, office: Office, quarantine: Quarantine
    ) -> None:
        dm = office.workspace.dm_with("U1")
        said = await slack.person_says(dm.id, "U1", "hello")
        own = {"user": office.workspace.bot_user_id, "bot_id": office.workspace.bot_id, "ts": said.ts}

        event = built.message_changed(dm, own | {"text": "after"}, own | {"text": "before"}, slack.world.next_ts())

        assert (await slack.deliver(event)).status == 200
        assert await office.bodies() == ["hello"]
        assert await quarantine() == []

    async def test_a_deleted_message_is_forgotten(self, slack: SlackDouble, office: Office) -> None:
        dm = office.workspace.dm_with("U1").id
        said = await slack.person_says(dm, "U1", "my password is hunter2")

        assert (await slack.person_deletes(dm, said.ts)).status == 200
        assert [(m.body, m.state) for m in await office.messages()] == [("", "deleted")]

    async def test_a_deleted_root_is_forgotten_and_its_thread_lives_on(
        self, slack: SlackDouble, office: Office
    ) -> None:
        dm = office.workspace.dm_with("U1").id
        root = await slack.person_says(dm, "U1", "my password is hunter2")
        await slack.person_says(dm, "U1", "and?", thread_ts=root.ts)

        assert (await slack.person_deletes(dm, root.ts)).status == 200
        assert [(m.body, m.state) for m in await office.messages()] == [("", "deleted"), ("and?", "received")]


class TestWorkspaces:
    async def test_two_tenants_with_the_same_channel_names_stay_apart(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        offices = [await new_office(bot_user_id="U0BOT"), await new_office(bot_user_id="U0BOT")]
        for office in offices:
            office.workspace.add_channel("C1")
            event = built.app_mention(
                office.workspace.channels["C1"],
                built.person_message("U1", f"<@U0BOT> I am of {office.workspace.team_id}", "1.000001", "T"),
            )
            assert (await slack.deliver(event, team=office.workspace.team_id)).status == 200

        for office in offices:
            assert await office.bodies() == [f"I am of {office.workspace.team_id}"]

    async def test_a_shared_channel_belongs_to_the_workspace_that_connected_us(
        self, slack: SlackDouble, office: Office, new_office: OpenOffice
    ) -> None:
        guest = await new_office()
        bot = office.workspace.bot_user_id

        said = await slack.person_says(
            "C1", "U9", f"<@{bot}> hello", team=office.workspace.team_id, user_team=guest.workspace.team_id
        )

        assert statuses(said.deliveries) == {200}
        assert await office.bodies() == ["hello"]
        assert await guest.messages() == []

    async def test_an_organisation_is_connected_as_a_whole(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        office = await new_office(enterprise_id="E1", is_enterprise_install=True)

        said = await slack.person_says(office.workspace.dm_with("U1").id, "U1", "hello")

        assert statuses(said.deliveries) == {200}
        assert (await office.connection()).account == "E1/-"
        assert await office.bodies() == ["hello"]

    async def test_a_workspace_that_joined_an_organisation_stays_connected(
        self, slack: SlackDouble, office: Office
    ) -> None:
        office.workspace.enterprise_id = "E2"

        await slack.person_says(office.workspace.dm_with("U1").id, "U1", "hello")

        assert await office.bodies() == ["hello"]

    async def test_a_workspace_comes_before_its_organisation(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        whole = await new_office(enterprise_id="E3", is_enterprise_install=True)
        one = await new_office(enterprise_id="E3")

        await slack.person_says(one.workspace.dm_with("U1").id, "U1", "to the workspace")
        await slack.person_says(whole.workspace.dm_with("U1").id, "U1", "to the organisation")

        assert await one.bodies() == ["to the workspace"]
        assert await whole.bodies() == ["to the organisation"]

    async def test_an_organisations_event_names_the_workspace_that_it_came_from(
        self, slack: SlackDouble, new_office: OpenOffice, gateway: str
    ) -> None:
        whole = await new_office(enterprise_id="E4", is_enterprise_install=True)
        one = await new_office(enterprise_id="E4")
        dm = one.workspace.dm_with("U1")
        envelope = slack.envelope(
            built.message(dm, built.person_message("U1", "hello", "1.000001", one.workspace.team_id)),
            team=one.workspace.team_id,
        )
        envelope["authorizations"][0]["is_enterprise_install"] = True

        await slack.send(envelope)

        assert await whole.bodies() == ["hello"]
        assert await one.messages() == []


class TestTheEndOfAConnection:
    @pytest.mark.parametrize("first", ["app_uninstalled", "tokens_revoked"])
    async def test_an_uninstall_ends_it_in_either_order_and_repeated(
        self, slack: SlackDouble, office: Office, first: str
    ) -> None:
        uninstalled = built.app_uninstalled(slack.world.next_ts())
        revoked = built.tokens_revoked([office.workspace.bot_user_id], slack.world.next_ts())
        in_order = sorted([uninstalled, revoked, uninstalled, revoked], key=lambda event: event["type"] != first)

        assert statuses([await slack.deliver(event) for event in in_order]) == {200}
        assert (await office.connection()).status == {"app_uninstalled": "uninstalled"}.get(first, "revoked")

    async def test_a_persons_own_token_is_none_of_ours(self, slack: SlackDouble, office: Office) -> None:
        event = built.tokens_revoked([], slack.world.next_ts()) | {"tokens": {"oauth": ["U1"]}}

        assert (await slack.deliver(event)).status == 200
        assert (await office.connection()).status == "active"

    async def test_what_still_comes_from_a_dead_connection_is_ignored(
        self, slack: SlackDouble, office: Office, quarantine: Quarantine
    ) -> None:
        await slack.deliver(built.app_uninstalled(slack.world.next_ts()))

        said = await slack.person_says(office.workspace.dm_with("U1").id, "U1", "anyone there?")

        assert statuses(said.deliveries) == {200}
        assert await office.messages() == []
        assert await quarantine() == []

    async def test_a_workspace_that_was_disconnected_here_says_goodbye_unheard(
        self, slack: SlackDouble, office: Office, quarantine: Quarantine
    ) -> None:
        async with office.session() as session:
            await disconnecting.disconnect(session, office.connection_id, actor="user:1")

        answers = [
            await slack.deliver(event)
            for event in (
                built.app_uninstalled(slack.world.next_ts()),
                built.tokens_revoked([office.workspace.bot_user_id], slack.world.next_ts()),
            )
        ]

        assert statuses(answers) == {200}
        assert await quarantine() == []


async def test_that_a_connection_is_heard_of_is_noted(slack: SlackDouble, office: Office) -> None:
    assert (await office.connection()).last_event_at is None

    await slack.person_says("C1", "U1", "nobody in particular")

    heard = (await office.connection()).last_event_at
    assert heard is not None
    # A busy connection's row is not written for every message.
    await slack.person_says("C1", "U1", "somebody else")
    assert (await office.connection()).last_event_at == heard
