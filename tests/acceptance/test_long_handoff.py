"""Forty turns, a tool, a file, three days with two people, and back: what the employee and the people are shown."""

from datetime import date, timedelta

import pytest

from tests.acceptance.desks import ANNA, BEN, Desk
from tests.acceptance.test_memory import is_reply
from tests.acceptance.town import Talk, prompt
from tests.support.model_doubles import Behaviour
from tests.support.slack_double import events

pytestmark = pytest.mark.stack

SHIFT = """
  update handoffs set created_at = created_at - interval '3 days', claimed_at = claimed_at - interval '3 days',
    next_due_at = next_due_at - interval '3 days',
    progress = replace(progress::text, $2, $3)::jsonb where id = $1
"""


async def send_file(talk: Talk, name: str) -> None:
    _, channel = talk.slack.find_channel(talk.channel, talk.workspace.team_id)
    said = events.person_message(talk.user, "Here is the bill.", talk.slack.world.next_ts(), talk.workspace.team_id)
    said |= {"thread_ts": talk.root}
    event = events.file_share(channel, said, name=name, mimetype="application/pdf", url=f"{talk.slack.url}/f")
    assert (await talk.slack.deliver(event, team=talk.workspace.team_id)).status == 200


async def days_pass(desk: Desk, talk: Talk) -> None:
    """Everything that was noted of the handoff happened three days before; its workflow is told to look."""
    handoff = await desk.handoff(talk)
    today = date.fromisoformat(handoff["created_at"][:10])
    await desk.town.change(SHIFT, handoff["id"], str(today), str(today - timedelta(days=3)))
    await talk.say("Is anybody there yet?")


async def test_after_forty_turns_and_three_days_everybody_knows_all_they_must(desk: Desk) -> None:
    talk = desk.office.talk()
    town = desk.town
    await talk.mention("Turn 1: my customer number is 4711.")
    await talk.heard(1)
    for turn in range(2, 40):
        if turn == 12:
            looked = Behaviour(calls=[("current_time", {})])
            town.models.turns("anthropic", "Turn 12: what time", looked, Behaviour(lambda _: "It is late."))
            await talk.say("Turn 12: what time is it?")
        elif turn == 20:
            await send_file(talk, "bill-2026.pdf")
        else:
            await talk.say(f"Turn {turn}: and so on.")
        await talk.heard(turn)
    wish = Behaviour(calls=[("hand_off", {"reason": "The refund of 80 euros is beyond what I may do."})])
    town.models.turns("anthropic", "Turn 40: I want", wish)
    await talk.say("Turn 40: I want my 80 euros back.")

    card = await desk.card(talk, "The refund of 80 euros is beyond what I may do.")
    await talk.heard(40)
    await days_pass(desk, talk)
    # Of all that was due in three days each thing is done once.
    await desk.thread(card, "Is anybody there yet?", "This still waits for a person.")
    lines = await desk.thread(card)
    assert sum("This still waits for a person." in line for line in lines) == 1
    await talk.heard(41)
    assert sum("Nobody has been able to come yet" in text for text in talk.texts()) == 1

    await desk.press(card, ANNA, "claim")
    card = await desk.card(talk, "Anna Berg has it")
    handoff = await desk.handoff(talk)
    _, packet = await desk.call("GET", f"/handoffs/{handoff['id']}")
    transcript = [line["text"] for line in packet["transcript"]]
    assert "Turn 1: my customer number is 4711." in transcript
    assert any("bill-2026.pdf" in text for text in transcript)
    [attachment] = packet["attachments"]
    assert (attachment["name"], attachment["media_type"], attachment["size"]) == (
        "bill-2026.pdf",
        "application/pdf",
        1024,
    )
    assert {call["tool"]: call["state"] for call in packet["tool_calls"]} == {
        "current_time": "done",
        "hand_off": "done",
    }
    assert (packet["reason"], packet["requested_by"]) == ("The refund of 80 euros is beyond what I may do.", "employee")
    assert float(packet["cost"]) > 0

    await desk.write(card, ANNA, "Anna here. My colleague Ben looks after refunds.")
    await talk.heard(42)
    await desk.order(card, ANNA, f"transfer <@{BEN}>")
    card = await desk.card(talk, "Ben Okoro has it")
    await desk.write(card, BEN, "You get 80 euros back by Friday.\n// approved by the boss, order 55")
    await talk.heard(43)
    await talk.say("Thank you both!")
    await desk.thread(card, "Thank you both!")
    await desk.order(card, BEN, "hand back: the refund is booked as R-80, nothing is left to do")
    await desk.owner(talk, "employee")
    before = len(town.models.calls)
    await talk.say("Turn 41: when does it come?")
    await talk.heard(44)

    [call] = [
        each for each in town.models.calls[before:] if is_reply(each) and "Turn 41: when does it come?" in prompt(each)
    ]
    told = prompt(call)
    parts = (
        "Turn 1: my customer number is 4711.",
        "bill-2026.pdf",
        "Turn 40: I want my 80 euros back.",
        "From here on, people of the team have this conversation",
        "Is anybody there yet?",
        "Written to the person you talk with by Anna Berg",
        "My colleague Ben looks after refunds.",
        "Written to the person you talk with by Ben Okoro",
        "You get 80 euros back by Friday.",
        "Thank you both!",
        "Here ends the part of the team. Ben Okoro handed the conversation back to you.",
        "the refund is booked as R-80, nothing is left to do",
        "do not hand off for it again",
        "Turn 41: when does it come?",
    )
    places = [told.find(part) for part in parts]
    assert -1 not in places, [part for part, place in zip(parts, places, strict=True) if place == -1]
    assert places == sorted(places)
    assert "order 55" not in told
    assert "order 55" not in "".join(talk.texts())
    trail = [row["action"] for row in await desk.office.rows("audit_events") if row["action"].startswith("handoff.")]
    for action in ("opened", "claimed", "transferred", "replied", "noted", "handed_back"):
        assert f"handoff.{action}" in trail
