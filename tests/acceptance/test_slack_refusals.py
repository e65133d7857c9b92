"""What happens when Slack itself says no."""

import pytest

from tests.acceptance.town import Office, Town
from tests.support.model_doubles import Behaviour, Fault
from tests.support.processes import until
from tests.support.slack_double import events

pytestmark = pytest.mark.stack


async def status_of(office: Office) -> str:
    [connection] = await office.rows("connections")
    status: str = connection["status"]
    return status


async def test_an_answer_that_comes_too_soon_for_slack_is_sent_once_when_slack_says(town: Town, office: Office) -> None:
    talk = office.talk()
    town.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=1)

    await talk.mention("Not so fast.")

    assert await talk.heard_nothing_more_than(1) == ["You said: Not so fast."]


async def test_an_answer_that_slack_will_never_take_is_on_record_and_given_up(town: Town) -> None:
    office = await town.new_office()
    talk = office.talk()
    thinking = Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN)
    town.models.next("anthropic", thinking)
    await talk.mention("hello")
    await town.model_call("hello")
    _, channel = town.slack.find_channel(talk.channel, office.workspace.team_id)
    channel.is_archived = True
    thinking.released.set()

    async def is_given_up() -> bool:
        return [row["state"] for row in await office.rows("messages")] == ["failed", "failed"]

    await until(is_given_up)
    assert (await office.rows("messages"))[1]["detail"] == {"error": "is_archived"}
    assert await status_of(office) == "active"

    channel.is_archived = False
    assert await talk.heard_nothing_more_than(0) == []


async def test_a_revoked_token_is_shown_to_the_operator_and_not_tried_for_ever(town: Town) -> None:
    office = await town.new_office()
    talk = office.talk()
    office.workspace.token_state = "token_revoked"
    await talk.mention("hello")

    async def is_revoked() -> bool:
        return await status_of(office) == "revoked"

    await until(is_revoked)
    posts = [call for call in town.slack.calls_of("chat.postMessage") if call.token == office.workspace.bot_token]
    assert len(posts) == 1
    doctor = await town.doctor()
    assert f"connection {office.slug}/slack: revoked since" in doctor.said
    assert doctor.status == 0

    # A new token mends it.
    office.workspace.bot_token += "-renewed"
    office.workspace.token_state = "active"
    assert "active again" in (await office.apply()).said
    fresh = office.talk()
    await fresh.mention("Are you back?")
    assert await fresh.heard() == ["You said: Are you back?"]
    assert talk.messages() == []
    assert office.slug not in (await town.doctor()).said


@pytest.mark.parametrize("first", ["app_uninstalled", "tokens_revoked"])
async def test_an_app_that_is_removed_falls_silent_in_whatever_order_slack_tells(town: Town, first: str) -> None:
    office = await town.new_office()
    talk = office.talk()
    await talk.mention("hello")
    await talk.heard()
    now = town.slack.world.next_ts()
    told = {
        "app_uninstalled": events.app_uninstalled(now),
        "tokens_revoked": events.tokens_revoked([office.workspace.bot_user_id], now),
    }
    second = next(kind for kind in told if kind != first)
    office.workspace.token_state = "account_inactive"

    for kind in (first, second, first, second):
        assert (await town.slack.deliver(told[kind], team=office.workspace.team_id)).status == 200

    assert await status_of(office) == {"app_uninstalled": "uninstalled", "tokens_revoked": "revoked"}[first]
    [marked] = [row for row in await office.rows("audit_events") if row["action"].startswith("connection.")][1:]
    assert marked["actor"] == "slack"
    await talk.say("Anybody?")
    assert len(await office.rows("messages")) == 2
    assert f"connection {office.slug}/slack" in (await town.doctor()).said
