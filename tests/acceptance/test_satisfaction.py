"""Contacts are asked how they were helped, in Slack and in WhatsApp, by the product as it runs: once, and what they
press or write is kept, thanked, and answered by no model."""

import json
from collections.abc import Sequence

import pytest

from tests.acceptance.test_whatsapp import Business, Line, open_business
from tests.acceptance.town import Talk, Town
from tests.support.model_doubles import Json
from tests.support.processes import until

pytestmark = pytest.mark.stack

CHOSEN = {"enabled": True, "after_person": True, "after_quiet": True, "quiet_minutes": 30, "every_days": 7}
QUESTION = "How did we do?\nAnswer with a number from 1 (bad) to 5 (very good)."
THANKS = "Thank you for your rating!"


@pytest.fixture(scope="module")
async def asking_business(standing_town: Town) -> Business:
    business = await open_business(standing_town)
    office = business.desk.office
    await standing_town.change(
        "update tenants set satisfaction = $1::jsonb where slug = $2", json.dumps(CHOSEN), office.slug
    )
    return business


@pytest.fixture
async def business(town: Town, asking_business: Business) -> Business:
    return asking_business


async def fall_quiet(business: Business, conversation_id: str) -> None:
    """As if nothing had been said there for more than half an hour."""
    town = business.desk.town
    for statement in (
        "update messages set created_at = created_at - interval '31 minutes',"
        " settled_at = settled_at - interval '31 minutes' where conversation_id = $1::text::uuid",
        "update conversations set last_message_at = last_message_at - interval '31 minutes',"
        " contact_said_at = contact_said_at - interval '31 minutes' where id = $1::text::uuid",
    ):
        await town.change(statement, conversation_id)


async def answered(business: Business, talk: Talk | Line) -> str:
    """Its conversation, when the answer has arrived."""
    office = business.desk.office
    found: list[Json] = []

    async def has_arrived() -> bool:
        found[:] = [row for row in await office.rows("conversations") if row["root"] == talk.root]
        rows = [row for row in await office.rows("messages") if found and row["conversation_id"] == found[0]["id"]]
        return any(row["direction"] == "outbound" and row["state"] == "sent" for row in rows) and not any(
            row["state"] in ("received", "taken", "pending", "sending") for row in rows
        )

    await until(has_arrived)
    return str(found[0]["id"])


async def scores(business: Business, conversation_id: str) -> Sequence[int | None]:
    rows = await business.desk.office.rows("ratings")
    return [row["score"] for row in rows if row["conversation_id"] == conversation_id]


async def test_in_slack_a_press_is_kept_and_another_one_changes_it(town: Town, business: Business) -> None:
    talk = business.desk.office.talk()
    await talk.mention("Where is my bike?")
    await talk.heard()
    conversation_id = await answered(business, talk)
    await fall_quiet(business, conversation_id)

    [_, question] = await talk.heard(2)

    assert question == QUESTION
    asked = talk.messages()[1]
    [buttons] = [block["elements"] for block in asked["blocks"] if block["type"] == "actions"]
    assert [each["text"]["text"] for each in buttons] == ["1 ★", "2 ★★", "3 ★★★", "4 ★★★★", "5 ★★★★★"]

    async def press(score: int, user: str) -> None:
        button = buttons[score - 1]
        delivery = await town.slack.person_clicks(
            *(talk.channel, asked["ts"], user),
            action_id=button["action_id"],
            value=button["value"],
            url=str(town.slack.events_url).replace("/slack/events", "/slack/interactivity"),
            team=talk.workspace.team_id,
        )
        assert delivery.status == 200

    await press(1, "U0SOMEBODY")
    await press(4, talk.user)
    assert (await talk.heard(3))[2] == THANKS
    assert await scores(business, conversation_id) == [4]
    await press(5, talk.user)
    assert await scores(business, conversation_id) == [5]
    # No turn was begun, and nobody is asked again.
    await talk.heard_nothing_more_than(3)


async def test_in_whatsapp_a_row_of_the_list_or_a_number_is_a_rating(town: Town, business: Business) -> None:
    presses, writes = business.line(), business.line()
    for line in (presses, writes):
        await line.say("Where is my bike?")
        await line.heard()
        await fall_quiet(business, await answered(business, line))
    questions = [(await line.heard(2))[1] for line in (presses, writes)]

    listed = questions[0].body["interactive"]
    assert listed["type"] == "list"
    assert listed["body"]["text"] == QUESTION
    await town.graph.person_presses(questions[0], "4 ★★★★")
    await writes.say("2")

    for line, score in ((presses, 4), (writes, 2)):
        assert (await line.heard(3))[2].text == THANKS
        assert await scores(business, str((await line.conversation())["id"])) == [score]
    # What comes then is answered as ever.
    await writes.say("It was late.")
    assert "It was late." in (await writes.heard(4))[3].text
