"""What people see in Slack when parts of the product are killed, hang or are away: the same answers, once."""

import asyncio
import os
import signal

import pytest

from konstruct.embedded.loopback import http_answers
from tests.acceptance.town import LONG_ANSWER, Office, Town
from tests.support.model_doubles import Behaviour, Fault
from tests.support.processes import ended, kill, paused, until

pytestmark = pytest.mark.stack


async def test_a_worker_that_is_killed_while_the_model_thinks_costs_no_answer(town: Town, office: Office) -> None:
    talk = office.talk()
    town.models.when("anthropic", "Still there?", Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN))
    await talk.mention("Still there?")
    await town.model_call("Still there?")

    await kill(town.up.child("konstruct", "worker"))

    assert await talk.heard() == ["You said: Still there?"]
    await talk.heard_nothing_more_than(1)


async def test_a_worker_that_stands_still_while_the_model_thinks_answers_once(town: Town, office: Office) -> None:
    """Temporal takes the attempt for dead and begins another; the first one wakes up all the same."""
    talk = office.talk()
    slow = Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN)
    town.models.when("anthropic", "Are you frozen?", slow)
    await talk.mention("Are you frozen?")
    await town.model_call("Are you frozen?")

    async with paused(town.up.child("konstruct", "worker")):
        await office.second_attempt(talk)
        slow.released.set()

    assert await talk.heard_nothing_more_than(1) == ["You said: Are you frozen?"]
    assert [row["state"] for row in await office.messages() if row["body"].endswith("Are you frozen?")] == [
        "answered",
        "sent",
    ]


async def test_a_worker_that_stands_still_during_a_send_says_it_once(town: Town, office: Office) -> None:
    talk = office.talk()
    posts, looks = (len(town.slack.calls_of(method)) for method in ("chat.postMessage", "conversations.replies"))
    released = town.slack.hold_next("chat.postMessage")
    await talk.mention("Once, please.")
    await town.slack.wait_for_call("chat.postMessage", posts + 1)

    async with paused(town.up.child("konstruct", "worker")):
        await office.second_attempt(talk)
    await town.slack.wait_for_call("conversations.replies", looks + 1)
    # Slack takes it only now, after the second attempt did not find it.
    released.set()

    assert await talk.heard_nothing_more_than(1) == ["You said: Once, please."]
    [sent] = [row for row in await office.messages() if row["body"] == "You said: Once, please."]
    assert (sent["state"], sent["maybe_duplicate"]) == ("sent", False)


async def test_a_worker_that_is_killed_after_slack_took_the_message_does_not_send_it_again(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    released = town.slack.hold_next("chat.postMessage", accepted=True)
    await talk.mention("Say it once.")
    await talk.heard()

    await kill(town.up.child("konstruct", "worker"))
    released.set()

    assert await talk.heard_nothing_more_than(1) == ["You said: Say it once."]
    [sent] = [row for row in await office.messages() if row["body"] == "You said: Say it once."]
    assert (sent["state"], sent["maybe_duplicate"]) == ("sent", False)
    assert sent["external_id"] == talk.messages()[0]["ts"]


async def test_a_worker_that_is_killed_between_the_parts_of_an_answer_sends_each_of_them_once(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    town.models.when("anthropic", "Tell me all of it.", Behaviour(answer=lambda _: LONG_ANSWER))
    town.slack.hold_next("chat.postMessage").set()
    released = town.slack.hold_next("chat.postMessage", accepted=True)
    await talk.mention("Tell me all of it.")
    await talk.heard(2)

    await kill(town.up.child("konstruct", "worker"))
    released.set()

    assert "\n\n".join(await talk.heard_nothing_more_than(3)) == LONG_ANSWER


async def test_a_gateway_that_is_killed_once_the_message_is_durable_costs_no_answer(town: Town, office: Office) -> None:
    talk = office.talk()

    async def is_durable() -> bool:
        return any(row["body"] == "Do not lose me." for row in await office.messages())

    # The gateway is held up on its way from the database to Temporal.
    async with paused(town.up.child("temporal")):
        saying = asyncio.create_task(
            town.slack.person_says(
                *(talk.channel, talk.user, f"<@{office.workspace.bot_user_id}> Do not lose me."),
                team=office.workspace.team_id,
                order=["app_mention"],
            )
        )
        await until(is_durable)
        await kill(town.up.child("konstruct", "gateway"))
        said = await saying
        assert said.deliveries[0].failure == "connection_failed"

    await until(lambda: http_answers(f"http://127.0.0.1:{town.env['KONSTRUCT_GATEWAY_PORT']}/health/live"))
    again = await town.slack.send(said.deliveries[0].envelope, retry=(1, "connection_failed"))
    assert again.status == 200
    talk.root = said.ts
    assert await talk.heard_nothing_more_than(1) == ["You said: Do not lose me."]


async def test_what_a_killed_gateway_left_is_answered_with_the_next_word_and_in_order(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    await talk.mention("One.")
    await talk.heard()

    async def is_durable() -> bool:
        return any(row["body"] == "Two." for row in await office.messages())

    async with paused(town.up.child("temporal")):
        saying = asyncio.create_task(
            town.slack.person_says(talk.channel, talk.user, "Two.", thread_ts=talk.root, team=office.workspace.team_id)
        )
        await until(is_durable)
        await kill(town.up.child("konstruct", "gateway"))
        await saying
    await until(lambda: http_answers(f"http://127.0.0.1:{town.env['KONSTRUCT_GATEWAY_PORT']}/health/live"))
    for word in ("Three.", "Four."):
        await talk.say(word)
        await until(lambda word=word: word in talk.texts()[-1])

    # In one answer or two: the signal may have got through all the same.
    assert " ".join(talk.texts()).replace("You said: ", "").split() == ["One.", "Two.", "Three.", "Four."]


async def test_while_temporal_is_away_slack_is_answered_and_people_are_when_it_is_back(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    temporal = town.up.child("temporal")

    async with paused(temporal):
        # Slack counts an answer after three seconds as none.
        await talk.mention("Anybody home?")
        await kill(temporal)

    assert await talk.heard(timeout=60) == ["You said: Anybody home?"]
    await talk.heard_nothing_more_than(1)


async def test_without_redis_people_are_answered_all_the_same(town: Town, office: Office) -> None:
    talk = office.talk()

    async with paused(town.up.child("valkey-server")):
        await talk.mention("Is the cache gone?")
        assert await talk.heard() == ["You said: Is the cache gone?"]

    await talk.say("And now?")
    assert (await talk.heard(2))[1] == "You said: And now?"


async def test_without_postgres_slack_is_told_to_come_again_and_people_are_answered_then(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    postgres = town.up.child("postgres")

    # What keeps it running is held, so that it stays away.
    async with paused(town.up.process.pid):
        os.kill(postgres, signal.SIGINT)
        await ended(postgres)
        said = await town.slack.person_says(
            *(talk.channel, talk.user, f"<@{office.workspace.bot_user_id}> Keep this."), team=office.workspace.team_id
        )
        assert [delivery.status for delivery in said.deliveries] == [503, 503]

    url = f"http://127.0.0.1:{town.env['KONSTRUCT_GATEWAY_PORT']}/health/ready"
    await until(lambda: http_answers(url))
    for delivery in said.deliveries:
        again = await town.slack.send(delivery.envelope, retry=(1, "http_error"))
        assert again.status == 200
    talk.root = said.ts
    assert await talk.heard_nothing_more_than(1) == ["You said: Keep this."]


async def test_when_everything_is_killed_at_once_the_next_start_goes_on_with_the_conversations(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    town.models.when("anthropic", "Save my question.", Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN))
    await talk.mention("Save my question.")
    await town.model_call("Save my question.")

    await town.restart()

    assert await talk.heard_nothing_more_than(1) == ["You said: Save my question."]
