"""What people see of an answer while it is thought, and what is left of it when it is cut off."""

import pytest

from tests.acceptance.desks import Desk
from tests.acceptance.town import Office, Talk, Town
from tests.support.model_doubles import Behaviour
from tests.support.processes import kill, until
from tests.support.slack_double import Call, events

pytestmark = pytest.mark.stack

STORY = " ".join(f"Sentence {number} of the story." for number in range(12))
SLOWLY = Behaviour(answer=lambda _: STORY, token_delay=0.1)


def said(talk: Talk, *methods: str) -> list[Call]:
    return [
        call
        for call in talk.slack.calls
        if call.args.get("channel") == talk.channel and call.method in {f"chat.{method}" for method in methods}
    ]


async def appended(talk: Talk, count: int = 2) -> None:
    await until(lambda: len(said(talk, "appendStream")) >= count)


async def states(office: Office, talk: Talk) -> list[str]:
    [conversation] = [row for row in await office.rows("conversations") if row["root"] == talk.root]
    rows = [row for row in await office.messages() if row["conversation_id"] == conversation["id"]]
    return [row["state"] for row in rows if row["state"] != "discarded"]


async def test_an_answer_that_takes_a_while_grows_before_peoples_eyes(town: Town, office: Office) -> None:
    talk = office.talk()
    town.models.when("anthropic", talk.channel, SLOWLY)
    await talk.mention(f"Tell me a story ({talk.channel}).")
    await appended(talk)
    assert STORY.startswith(talk.texts()[0])
    await until(lambda: talk.texts() == [STORY])
    assert await talk.heard_nothing_more_than(1) == [STORY]
    assert len(said(talk, "startStream")) == 1
    assert len(said(talk, "stopStream")) == 1
    assert (await states(office, talk))[:2] == ["answered", "sent"]


async def test_a_worker_that_is_killed_in_the_midst_of_an_answer_leaves_one_message_that_is_whole(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    town.models.when("anthropic", talk.channel, SLOWLY)
    town.models.when("anthropic", talk.channel, SLOWLY)
    await talk.mention(f"Tell me a story ({talk.channel}).")
    await appended(talk)

    await kill(town.up.child("konstruct", "worker"))

    await until(lambda: talk.texts() == [STORY], timeout=60)
    assert await talk.heard_nothing_more_than(1) == [STORY]
    assert len(said(talk, "startStream")) == 1


async def test_a_takeover_in_the_midst_of_an_answer_is_its_end(desk: Desk) -> None:
    talk = desk.office.talk()
    desk.town.models.turns("anthropic", "Tell me of takeovers.", SLOWLY)
    await talk.mention("Tell me of takeovers.")
    await appended(talk)
    conversation = await desk.conversation(talk)
    status, owned = await desk.call("POST", f"/conversations/{conversation['id']}/take-over", {"agent": "anna"})
    before = said(talk, "startStream", "appendStream", "update", "postMessage")
    assert status == 200, owned
    [text] = talk.texts()
    assert STORY.startswith(text)
    assert text != STORY

    status, told = await desk.call(
        "POST", f"/handoffs/{owned['handoff_id']}/replies", {"agent": "anna", "text": "Anna here."}, key="story"
    )
    assert status in (200, 201), told
    assert (await talk.heard(2)) == [text, "Anna here."]
    after = said(talk, "startStream", "appendStream", "update", "postMessage")
    assert [call.method for call in after[len(before) :]] == ["chat.postMessage"]


async def test_the_stop_button_ends_an_answer_where_it_is(town: Town, office: Office) -> None:
    talk = office.talk()
    town.models.when("anthropic", talk.channel, SLOWLY)
    await talk.mention(f"Tell me a story ({talk.channel}).")
    await appended(talk)
    channel = office.workspace.channels[talk.channel]
    [message] = talk.messages()
    town.slack.world.end_stream(channel, message["ts"], by_user=True)
    stop = events.agent_session_stopped(channel, talk.root, talk.user, town.slack.world.next_ts())
    assert (await town.slack.deliver(stop, team=office.workspace.team_id)).status == 200

    async def is_stopped() -> bool:
        return await states(office, talk) == ["stopped", "sent"]

    await until(is_stopped)
    [text] = talk.texts()
    assert await talk.heard_nothing_more_than(1) == [text]
    assert text != STORY
