"""In each state of a conversation each part is killed: afterwards it is in the same state, and nothing is lost."""

from contextlib import suppress

import aiohttp
import pytest

from konstruct.embedded.loopback import http_answers
from tests.acceptance.desks import ANNA, Desk
from tests.acceptance.shops import buttons
from tests.acceptance.town import Talk, Town
from tests.support.model_doubles import Behaviour, Fault, Json
from tests.support.processes import kill, until

pytestmark = pytest.mark.stack

VICTIMS = {
    "worker": ("konstruct", "worker"),
    "gateway": ("konstruct", "gateway"),
    "temporal": ("temporal",),
    "postgres": ("postgres",),
}
killed = pytest.mark.parametrize("victim", VICTIMS.values(), ids=VICTIMS)


async def kill_and_recover(town: Town, victim: tuple[str, ...]) -> None:
    pid = town.up.child(*victim)
    await kill(pid)

    def is_back() -> bool:
        with suppress(AssertionError):
            return town.up.child(*victim) != pid
        return False

    await until(is_back, timeout=60)
    await until(lambda: http_answers(f"http://127.0.0.1:{town.env['KONSTRUCT_GATEWAY_PORT']}/health/ready"), timeout=60)


async def call(desk: Desk, path: str, body: Json, key: str) -> Json:
    """Again under the same key, as long as a part of it is not back."""
    found: list[Json] = []

    async def is_done() -> bool:
        with suppress(aiohttp.ClientError):
            status, said = await desk.call("POST", path, body, key=key)
            assert status < 300 or status >= 500, said
            found.append(said)
            return status < 300
        return False

    await until(is_done, timeout=60)
    return found[-1]


async def thinking(desk: Desk, talk: Talk, text: str) -> None:
    """A turn whose first call of a model never ends."""
    desk.town.models.when("anthropic", text, Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN))
    await talk.say(text)
    await desk.town.model_call(text)


async def in_thread_once(desk: Desk, card: Json, text: str) -> None:
    lines = await desk.thread(card, text)
    assert sum(text in line for line in lines) == 1, lines


@killed
async def test_while_it_answers(desk: Desk, victim: tuple[str, ...]) -> None:
    talk = desk.office.talk()
    await talk.mention("Hello there.")
    await talk.heard(1)
    await thinking(desk, talk, "Are you still there?")

    await kill_and_recover(desk.town, victim)

    await talk.say("And now?")
    # Where coming back took longer than a model may, the contact first reads that it does not answer.
    await until(lambda: "Are you still there?" in " ".join(talk.texts()[1:]), timeout=90)
    await desk.owner(talk, "employee")
    rest = " ".join((await talk.heard_nothing_more_than(len(talk.texts())))[1:])
    assert 1 <= rest.count("Are you still there?") <= 2


@killed
async def test_while_it_waits_for_a_person(desk: Desk, victim: tuple[str, ...]) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)

    await kill_and_recover(desk.town, victim)

    assert (await desk.conversation(talk))["owner"] == "queue"
    await talk.say("Is somebody there?")
    await in_thread_once(desk, card, "Is somebody there?")
    await desk.press(await desk.card(talk), ANNA, "claim")
    await desk.card(talk, "Anna Berg has it")
    assert sum("I have asked for a person" in text for text in talk.texts()) == 1


@killed
async def test_while_a_person_has_it(desk: Desk, victim: tuple[str, ...]) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)
    await desk.press(card, ANNA, "claim")
    card = await desk.card(talk, "Anna Berg has it")
    handoff, before = await desk.handoff(talk), await desk.conversation(talk)

    await kill_and_recover(desk.town, victim)

    after = await desk.conversation(talk)
    assert (after["owner"], after["agent"], after["epoch"]) == ("agent", "anna", before["epoch"])
    await call(desk, f"/handoffs/{handoff['id']}/replies", {"agent": "anna", "text": "Here I am."}, key=talk.root)
    await talk.say("Good to hear.")
    await in_thread_once(desk, card, "Good to hear.")
    await until(lambda: any("Here I am." in text for text in talk.texts()), timeout=60)
    await desk.write(card, ANNA, "And here again.")
    await until(lambda: any("And here again." in text for text in talk.texts()), timeout=60)
    said = " ".join(talk.texts())
    assert (said.count("Here I am."), said.count("And here again.")) == (1, 1)
    assert "handoff:hand_back" in buttons(await desk.card(talk))


@killed
async def test_while_it_is_given_back(desk: Desk, victim: tuple[str, ...]) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)
    await desk.press(card, ANNA, "claim")
    await desk.card(talk, "Anna Berg has it")
    handoff = await desk.handoff(talk)
    note = f"The code is {talk.root}."
    desk.town.models.when("anthropic", note, Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN))
    desk.town.models.always("anthropic", Behaviour(lambda _: "I am back."))
    wanted = {"agent": "anna", "note": note, "at_once": True}
    await call(desk, f"/handoffs/{handoff['id']}/hand-back", wanted, key=talk.root)
    await desk.town.model_call(note)

    await kill_and_recover(desk.town, victim)

    await desk.owner(talk, "employee")
    await until(lambda: "I am back." in talk.texts(), timeout=90)
    assert talk.texts().count("I am back.") == 1
    assert (await desk.handoff(talk))["ended_how"] == "handed_back"
