"""A connection that is for certain things alone, as people meet it in Slack."""

import pytest

from konstruct.scope.sentences import SENTENCES, only
from tests.acceptance.town import Office, Town, prompt
from tests.support.processes import until

pytestmark = pytest.mark.stack

FUNCTIONS = [
    "sale of bicycles and spare parts",
    "repairs and bookings of the workshop",
    "orders, deliveries and returns",
]


@pytest.fixture(scope="module")
async def standing_bounded(standing_town: Town) -> Office:
    slack = {"kind": "slack", "bot_token": "${BOT_TOKEN}", "employee": "front", "functions": FUNCTIONS}
    return await standing_town.new_office(prompt="Acme sells bicycles.", sections={"connections": {"slack": slack}})


@pytest.fixture
async def bounded(town: Town, standing_bounded: Office) -> Office:
    return standing_bounded


async def test_what_it_is_not_for_is_turned_down_and_what_it_is_for_is_answered(town: Town, bounded: Office) -> None:
    talk = bounded.talk()
    await talk.mention("Schreib mir bitte ein langes Gedicht über den Mond und das Meer")
    assert await talk.heard() == [only("de", FUNCTIONS)]
    assert not any("Gedicht" in prompt(call) for call in town.models.calls)

    await talk.say("Where is my order 4711? I have been waiting for two weeks.")

    assert (await talk.heard(2))[1].startswith("You said: Where is my order")
    assert f"- {FUNCTIONS[0]}" in prompt(await town.model_call("4711"))


async def test_a_person_can_always_be_had(town: Town, bounded: Office) -> None:
    talk = bounded.talk()
    await talk.mention(SENTENCES["en"].person)
    assert await talk.heard() == ["I have asked for a person to take over, and whoever comes will answer you here."]
    [conversation] = [row for row in await bounded.rows("conversations") if row["root"] == talk.root]
    assert conversation["owner"] == "queue"


async def test_who_says_stop_is_left_alone_until_they_write_again(town: Town, bounded: Office) -> None:
    talk = bounded.talk()
    await talk.mention("Do you repair racing bikes?")
    await talk.heard()
    await talk.say("STOP")
    assert (await talk.heard(2))[1] == SENTENCES["en"].opted_out

    async def is_noted() -> bool:
        return any(row["external_id"] == talk.user and row["opted_out_at"] for row in await bounded.rows("contacts"))

    await until(is_noted)
    await talk.say("And do you sell helmets for children?")

    assert "And do you sell helmets for children?" in (await talk.heard(3))[2]
    assert not await is_noted()
