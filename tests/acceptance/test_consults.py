"""An employee asks a colleague, the talk goes on, and hours later the answer is told in it."""

import pytest

from tests.acceptance.desks import ANNA, BEN, ROOM, Desk, open_desk
from tests.acceptance.shops import written
from tests.acceptance.town import Talk, Town, prompt
from tests.support.model_doubles import Behaviour, Json
from tests.support.processes import until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def standing_colleagues(standing_town: Town) -> Desk:
    return await open_desk(standing_town, tools=["ask_colleague"])


@pytest.fixture
async def desk(town: Town, standing_colleagues: Desk) -> Desk:
    return standing_colleagues


async def ask(desk: Desk, talk: Talk, question: str) -> Json:
    """The card on which Ben is asked, once the person was told that he is."""
    call = ("ask_colleague", {"colleague": "ben", "question": question})
    said = f"Please find it out ({talk.channel})."
    desk.town.models.turns("anthropic", said, Behaviour(calls=[call]), Behaviour(lambda _: "I asked Ben."))
    await talk.mention(said)
    assert await talk.heard(1) == ["I asked Ben."]
    return await card(desk, question, "Answer in this thread")


async def card(desk: Desk, *texts: str) -> Json:
    found: list[Json] = []

    def is_there() -> bool:
        cards = desk.town.slack.bot_messages(ROOM, team=desk.office.workspace.team_id)
        found[:] = [each for each in cards if all(text in "".join(written(each)) for text in texts)]
        return bool(found)

    await until(is_there, timeout=60)
    [one] = found
    return one


async def test_an_answer_over_the_api_counts_too(desk: Desk) -> None:
    talk = desk.office.talk()
    await ask(desk, talk, "May order K-2 be paid back?")
    status, listed = await desk.call("GET", "/consults?state=waiting")
    [consult] = [each for each in listed["consults"] if "K-2" in each["question"]]
    assert (status, consult["colleague_name"]) == (200, "Ben Okoro")
    wanted = {"agent": "ben", "text": "Yes, by Friday."}
    for _ in range(2):
        assert (await desk.call("POST", f"/consults/{consult['id']}/answer", wanted))[0] == 200
    assert "Ben Okoro answered: Yes, by Friday." in (await talk.heard(2, timeout=90))[1]
    await talk.heard_nothing_more_than(2)


async def test_what_comes_while_a_person_has_the_talk_is_known_to_the_employee_afterwards(desk: Desk) -> None:
    talk = desk.office.talk()
    asked = await ask(desk, talk, "May order K-3 be paid back?")
    conversation = await desk.conversation(talk)
    agent = {"agent": "anna"}
    _, owned = await desk.call("POST", f"/conversations/{conversation['id']}/take-over", agent)
    await desk.write(asked, BEN, "Yes, by Friday.")
    await card(desk, "May order K-3 be paid back?", "Ben Okoro answered")
    await desk.call("POST", f"/handoffs/{owned['handoff_id']}/resolve", agent)
    await desk.owner(talk, "employee")
    assert len(talk.texts()) == 1

    await talk.say("So, when?")

    assert "So, when?" in (await talk.heard(2))[1]
    call = [call for call in desk.town.models.calls if "So, when?" in prompt(call)][-1]
    assert "Ben Okoro answered: Yes, by Friday." in prompt(call)


async def test_that_nobody_answered_in_time_is_told(desk: Desk) -> None:
    talk = desk.office.talk()
    await ask(desk, talk, "May order K-4 be paid back?")
    conversation = await desk.conversation(talk)
    # Its workflow waits for days yet, and is told by a sweep.
    await desk.town.change(
        "update consults set expires_at = now() - interval '1 minute' where conversation_id = $1::text::uuid",
        conversation["id"],
    )
    assert "Nobody answered in time." in (await talk.heard(2, timeout=90))[1]
    await card(desk, "May order K-4 be paid back?", "Nobody answered in time.")


async def test_the_talk_goes_on_and_the_answer_comes_after_a_power_cut(desk: Desk) -> None:
    talk = desk.office.talk()
    asked = await ask(desk, talk, "May order K-1 be paid back?")
    assert asked["text"].startswith(f"<@{BEN}> Ada asks Ben Okoro")
    await talk.say("Meanwhile, are you open?")
    assert (await talk.heard(2))[1] == "You said: Meanwhile, are you open?"
    await desk.town.restart()

    await desk.write(asked, ANNA, "Never.")
    await desk.whispered(ANNA, "Ben Okoro was asked this")
    await desk.write(asked, BEN, "Yes, by Friday.")

    told = (await talk.heard(3, timeout=90))[2]
    assert 'You asked Ben Okoro, a colleague: "May order K-1 be paid back?"' in told
    assert "Ben Okoro answered: Yes, by Friday." in told
    assert "Never." not in told
    await card(desk, "May order K-1 be paid back?", "Ben Okoro answered, and Ada goes on with it.")
    await desk.write(asked, BEN, "No, on Monday.")
    await desk.whispered(BEN, "answered this already")
    await talk.heard_nothing_more_than(3)
