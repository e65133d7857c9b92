"""A person takes a conversation over, talks with the contact through the card's thread, and hands it back."""

import asyncio

import pytest

from tests.acceptance.desks import ANNA, BEN, EVE, ROOM, Desk
from tests.acceptance.town import prompt
from tests.support.model_doubles import Behaviour

pytestmark = pytest.mark.stack


async def test_a_person_takes_over_talks_and_hands_back(desk: Desk) -> None:
    talk = desk.office.talk()
    await talk.mention("My bicycle is broken.")
    await talk.heard(1)
    await desk.hand_off(talk)
    card = await desk.card(talk, "Somebody is wanted.", "Waiting since")
    assert (await talk.heard(2))[1] == "I have asked for a person to take over, and whoever comes will answer you here."
    await desk.thread(card, "My bicycle is broken.", "You said: My bicycle is broken.")

    await desk.press(card, ANNA, "claim")

    card = await desk.card(talk, "Anna Berg has it")
    await talk.say("Hello? Is somebody there?")
    await desk.thread(card, "Hello? Is somebody there?")
    await desk.write(card, ANNA, "// looks like a broken chain\nHello, Anna here. We send you a new chain on Monday.")
    texts = await talk.heard(3)
    assert texts[2] == "Hello, Anna here. We send you a new chain on Monday."
    assert "Anna Berg" in talk.messages()[2]["username"]

    await desk.order(card, ANNA, "hand back: the chain is sent from the store in Graz")
    await desk.card(talk, "It was handed back to the employee.")
    await desk.owner(talk, "employee")
    before = len(desk.town.models.calls)
    await talk.say("Which day was it?")

    assert len(await talk.heard(4)) == 4
    call = [call for call in desk.town.models.calls[before:] if "Which day was it?" in prompt(call)][-1]
    told = prompt(call)
    for part in (
        "From here on, people of the team have this conversation",
        "Hello? Is somebody there?",
        "Written to the person you talk with by Anna Berg",
        "We send you a new chain on Monday.",
        "Here ends the part of the team.",
        "the chain is sent from the store in Graz",
        "do not contradict it",
    ):
        assert part in told, part
    assert "looks like a broken chain" not in "".join(talk.texts())


async def test_of_two_who_take_over_one_wins_and_the_other_is_told_who(desk: Desk) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)

    await asyncio.gather(desk.press(card, ANNA, "claim"), desk.press(card, BEN, "claim"))

    await desk.card(talk, "has it since")
    winner = (await desk.handoff(talk))["agent"]
    loser, name = (BEN, "Anna Berg") if winner == "anna" else (ANNA, "Ben Okoro")
    await desk.whispered(loser, f"{name} has it already.")
    await desk.press(card, EVE, "claim")
    await desk.whispered(EVE, "You are not among the people of the desk.")


async def test_what_others_write_in_the_thread_stays_there(desk: Desk) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)
    await desk.write(card, BEN, "Is this the one from Graz?")
    await desk.whispered(BEN, "take it over first")
    await desk.press(card, ANNA, "claim")
    card = await desk.card(talk, "Anna Berg has it")
    await desk.write(card, BEN, "I know that one.")
    await desk.whispered(BEN, "Anna Berg has the conversation")
    await desk.write(card, ANNA, "Hello from Anna.")
    texts = await talk.heard(2)
    assert "Hello from Anna." in texts[1]
    assert not any("Graz" in text or "I know" in text for text in texts)


async def test_an_agent_can_have_a_draft_and_a_summary_without_the_contact_seeing_any(desk: Desk) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)
    await desk.press(card, ANNA, "claim")
    card = await desk.card(talk, "Anna Berg has it")
    desk.town.models.when("anthropic", "Write the reply that", Behaviour(lambda _: "Dear friend, it is on its way."))
    await desk.press(card, ANNA, "draft")
    await desk.thread(card, "Draft, not shown to the contact:", "Dear friend, it is on its way.")
    await desk.order(card, ANNA, "summary")
    await desk.thread(card, "Summary:")
    assert not any("Dear friend" in text for text in talk.texts())


async def test_over_the_api_it_goes_as_well(desk: Desk) -> None:
    talk = desk.office.talk()
    await talk.mention("Hello there.")
    await talk.heard(1)
    conversation = await desk.conversation(talk)
    status, owned = await desk.call("POST", f"/conversations/{conversation['id']}/take-over", {"agent": "anna"})
    assert (status, owned["owner"], owned["agent"]) == (200, "agent", "anna")
    handoff = owned["handoff_id"]
    status, said = await desk.call("POST", f"/handoffs/{handoff}/claim", {"agent": "ben"})
    assert (status, said["error"]) == (409, "Anna Berg has it already.")
    written = {"agent": "anna", "text": "Hello, Anna here.\n// a note"}
    for expected in (201, 200):
        status, said = await desk.call("POST", f"/handoffs/{handoff}/replies", written, key="one")
        assert (status, len(said["message_ids"])) == (expected, 1)
    assert (await talk.heard(2))[1:] == ["Hello, Anna here."]
    await desk.call("POST", f"/handoffs/{handoff}/transfer", {"agent": "anna", "to": "ben"})
    status, whole = await desk.call("GET", f"/handoffs/{handoff}")
    assert (status, whole["agent_name"]) == (200, "Ben Okoro")
    assert [line["text"] for line in whole["transcript"]][:1] == ["Hello there."]
    assert {"kind": "note", "text": "// a note"}.items() <= whole["entries"][-1].items()
    card = await desk.card(talk, "Ben Okoro has it")
    await desk.thread(card, "Anna Berg, to the contact:")
    wanted = {"agent": "ben", "note": "It is settled.", "at_once": True}
    status, owned = await desk.call("POST", f"/handoffs/{handoff}/hand-back", wanted)
    assert (status, owned["owner"]) == (200, "employee")
    # It writes without being asked.
    await talk.heard(3)
    assert not any(message["thread_ts"] != talk.root for message in talk.messages())
    assert talk.channel != ROOM


async def test_when_it_thinks_it_is_cut_off_and_says_nothing_after_a_takeover(desk: Desk) -> None:
    talk = desk.office.talk()
    await talk.mention("Hello there.")
    await talk.heard(1)
    slow = Behaviour(lambda _: "Too late to say.", first_token_delay=6.0)
    desk.town.models.when("anthropic", "Think long.", slow)
    await talk.say("Think long.")
    await desk.town.model_call("Think long.")
    conversation = await desk.conversation(talk)
    status, _ = await desk.call("POST", f"/conversations/{conversation['id']}/take-over", {"agent": "anna"})
    assert status == 200
    handoff = (await desk.handoff(talk))["id"]
    await desk.call("POST", f"/handoffs/{handoff}/replies", {"agent": "anna", "text": "I am here."})
    assert (await talk.heard(2))[1] == "I am here."
    await talk.shows_thinking(False)
    await desk.call("POST", f"/handoffs/{handoff}/resolve", {"agent": "anna"})
    assert not any("Too late" in text for text in await talk.heard_nothing_more_than(2))
