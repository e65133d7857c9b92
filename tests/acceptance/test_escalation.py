"""Rules bring people in: at once, to be told, or to allow an answer; and what happens while nobody comes."""

import json
from datetime import date, timedelta

import pytest

from konstruct.adapters.slack_cards import APPROVE, DENY
from tests.acceptance.desks import ANNA, BEN, ROOM, SUPPORT, Desk, open_desk
from tests.acceptance.shops import buttons, written
from tests.acceptance.town import Talk, Town, prompt
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour, Json
from tests.support.processes import until

pytestmark = pytest.mark.stack

RULES = [
    {"name": "wants-a-person", "when": {"asked_for_human": True}, "then": {"hand_off": {"to": "turns"}}},
    {"name": "refunds", "when": {"keyword": "refund"}, "then": {"ask_approval": {}}},
    {"name": "angry", "when": {"mood": "angry"}, "then": {"hand_off": {"to": "support", "priority": "urgent"}}},
    {"name": "vip", "when": {"keyword": "gold card"}, "then": {"tell": {"to": "support"}}},
]
GROUPS = {
    "support": {"people": ["anna", "ben"], "give_up_after": "4 weeks"},
    "turns": {"people": ["anna", "ben"], "ring": "in_order", "give_up_after": "2 days", "then": "hand_back"},
}


@pytest.fixture(scope="module")
async def standing_ruled(standing_town: Town) -> Desk:
    desk = {**SUPPORT, "groups": GROUPS, "default": "support"}
    approvals = {"connection": "slack", "channel": ROOM, "deciders": [ANNA]}
    return await open_desk(standing_town, rules=RULES, sections={"desk": desk, "approvals": approvals})


@pytest.fixture
async def desk(town: Town, standing_ruled: Desk) -> Desk:
    return standing_ruled


def judging(desk: Desk, talk: Talk, **judged: object) -> None:
    """What the judge answers of this talk."""
    answer = json.dumps(judged)
    desk.town.models.when("anthropic", f"person: {talk.channel}", Behaviour(lambda _: answer))


async def test_who_asks_for_a_person_is_handed_to_one_after_the_other(desk: Desk) -> None:
    talk = desk.office.talk()
    await talk.mention("I want to talk to a human being, please.")
    card = await desk.card(talk, "The contact asked for a person.", "Waiting since")
    assert card["text"].startswith(f"<@{ANNA}> ")
    assert f"<@{BEN}>" not in card["text"]
    assert (await talk.heard(1)) == ["I have asked for a person to take over, and whoever comes will answer you here."]

    await desk.press(card, ANNA, "not_now")

    def rings_ben() -> bool:
        messages = desk.town.slack.bot_messages(ROOM, team=desk.office.workspace.team_id)
        return any(each.get("thread_ts") == card["ts"] and f"<@{BEN}>" in each["text"] for each in messages)

    await until(rings_ben)
    handoff = await desk.handoff(talk)
    assert (handoff["cause"], handoff["rule"], handoff["target"]) == ("rule", "wants-a-person", "turns")
    tried = await konstruct("escalation", "try", desk.office.slug, handoff["conversation_id"], env=desk.town.env)
    assert (tried.status, "wants-a-person" in tried.said, "The contact asked for a person." in tried.said) == (
        0,
        True,
        True,
    ), tried


async def test_when_nobody_came_the_employee_goes_on_and_is_told_why(desk: Desk) -> None:
    talk = desk.office.talk()
    await talk.mention("Can I speak with a real person?")
    await desk.card(talk, "Waiting since")
    await talk.heard(1)
    handoff = await desk.handoff(talk)
    today = date.fromisoformat(handoff["created_at"][:10])
    await desk.town.change(
        "update handoffs set created_at = created_at - interval '3 days',"
        " next_due_at = next_due_at - interval '3 days',"
        " progress = replace(progress::text, $2, $3)::jsonb where id = $1",
        *(handoff["id"], str(today), str(today - timedelta(days=3))),
    )
    before = len(desk.town.models.calls)
    await talk.say("Is there anybody?")

    await desk.owner(talk, "employee")
    await talk.heard(2)
    [call] = [each for each in desk.town.models.calls[before:] if "nobody could come in time" in prompt(each)][:1]
    assert "Is there anybody?" in prompt(call)
    assert (await desk.handoff(talk))["ended_how"] == "nobody_came"
    await desk.card(talk, "Nobody came in time")


async def test_a_judge_hands_off_whoever_is_angry(desk: Desk) -> None:
    talk = desk.office.talk()
    judging(desk, talk, mood="angry", failed=True)
    await talk.mention(f"{talk.channel}: third time that the parcel is lost.")
    await desk.card(talk, "The contact's mood is angry.", "Priority: urgent.")
    assert len(await talk.heard(1)) == 1


async def test_people_are_told_and_the_employee_carries_on(desk: Desk) -> None:
    talk = desk.office.talk()
    await talk.mention("I have a gold card.")
    card = await desk.card(talk, 'The contact wrote "gold card".', "Nobody need do anything")
    assert set(buttons(card)) == {"handoff:claim"}
    assert await talk.heard(1) == ["You said: I have a gold card."]
    await talk.say("Are you open?")
    assert (await talk.heard(2))[1] == "You said: Are you open?"

    await desk.press(card, BEN, "claim")

    card = await desk.card(talk, "Ben Okoro has it")
    await desk.write(card, BEN, "Hello, Ben here.")
    assert (await talk.heard(3))[2] == "Hello, Ben here."


async def approval_card(desk: Desk, text: str) -> Json:
    found: list[Json] = []

    def is_there() -> bool:
        cards = desk.town.slack.bot_messages(ROOM, team=desk.office.workspace.team_id)
        found[:] = [each for each in cards if text in "".join(written(each)) and APPROVE in buttons(each)]
        return bool(found)

    await until(is_there, timeout=60)
    return found[0]


@pytest.mark.parametrize("is_yes", [True, False])
async def test_an_answer_is_sent_only_if_a_person_says_yes(desk: Desk, is_yes: bool) -> None:
    talk = desk.office.talk()
    answer = f"You get 80 euros ({talk.channel})."
    desk.town.models.turns("anthropic", f"refund for {talk.channel}", Behaviour(lambda _: answer))
    await talk.mention(f"I want a refund for {talk.channel}.")
    [held] = await talk.heard(1)
    assert held == "I have written an answer to this. A person of the team reads it before it is sent to you."
    card = await approval_card(desk, answer)
    action = APPROVE if is_yes else DENY

    await desk.town.slack.person_clicks(
        *(ROOM, card["ts"], ANNA),
        action_id=action,
        value=buttons(card)[action],
        url=f"{desk.gateway}/slack/interactivity",
        team=desk.office.workspace.team_id,
    )

    told = (await talk.heard(2, timeout=90))[1]
    assert (told == answer) is is_yes
    assert (answer in "".join(talk.texts())) is is_yes or "A person said no" in told
