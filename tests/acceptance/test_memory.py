"""What an employee remembers, as the prompts show that its model receives."""

import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio

from tests.acceptance.town import Office, Talk, Town, prompt
from tests.support.model_doubles import Behaviour, Fault, Json, ModelCall, content_text
from tests.support.processes import kill, paused, until

pytestmark = pytest.mark.stack

KEEPS_MEMORY, KEEPS_NOTES = "You keep the memory of", "You keep the notes of"
FACTS = {1: "My bicycle is called {}.", 7: "My sister's name is {}.", 19: "My favourite café is the {}."}
QUESTIONS = {1: "What is my bicycle called?", 7: "What is my sister's name?", 19: "Which café is my favourite?"}


def behind_the_scenes(
    facts: Callable[[str], str] = lambda _: '{"facts": [], "forget": []}',
    notes: Callable[[str], str] = lambda asked: f"Notes: {len(asked)} characters.",
) -> Behaviour:
    """A model that repeats what people say, and does what it is told for memory."""

    def answer(messages: list[Json]) -> str:
        said = [content_text(message.get("content")) for message in messages]
        if said[0].startswith(KEEPS_MEMORY):
            return facts(said[-1])
        if said[0].startswith(KEEPS_NOTES):
            return notes(said[-1])
        return f"You said: {said[-1]}"

    return Behaviour(answer=answer)


async def talkative_office(town: Town) -> Office:
    """Where one may say more in a minute than anybody types."""
    return await town.new_office(limits=dict.fromkeys(("contact", "connection", "tenant"), "100000/minute"))


def is_reply(call: ModelCall) -> bool:
    return KEEPS_MEMORY not in prompt(call) and KEEPS_NOTES not in prompt(call)


def last_answered(town: Town) -> str:
    """The prompt of the latest reply: behind the scenes models may be asked at any time."""
    return prompt([call for call in town.models.calls if is_reply(call)][-1])


async def converse(talk: Talk, turns: int, names: dict[int, str], *, first: int = 1) -> None:
    for number in range(first, first + turns):
        text = FACTS[number].format(names[number]) if number in FACTS else f"By the way, number {number} rings a bell."
        await (talk.say(text) if talk.root else talk.mention(text))
        await talk.heard(number)


def named() -> dict[int, str]:
    return {number: f"Canary{secrets.token_hex(4)}" for number in FACTS}


async def asked(town: Town, talk: Talk, text: str, heard: int) -> ModelCall:
    """The call by which this was answered."""
    await talk.say(text)
    await talk.heard(heard)
    [call] = [
        call for call in town.models.calls if is_reply(call) and content_text(call.messages[-1]["content"]) == text
    ]
    return call


async def is_remembered(office: Office, root: str) -> bool:
    """Whether all that was said there can be recalled, by its meaning, too."""
    [conversation] = [row for row in await office.rows("conversations") if row["root"] == root]
    waiting = [row for row in await office.rows("memories") if row["embedded_with"] is None]
    return conversation["remembered_seq"] == conversation["last_seq"] and not waiting


async def flush(town: Town) -> None:
    async with redis.asyncio.from_url(town.addresses["redis_url"]) as client:
        await client.flushall()


async def test_after_twenty_turns_early_facts_are_in_the_prompt_with_and_without_redis(town: Town) -> None:
    town.models.always("anthropic", behind_the_scenes())
    names, prompts = named(), []
    for is_flushed in (False, True):
        office = await talkative_office(town)
        talk = office.talk()
        await converse(talk, 10, names)
        if is_flushed:
            await flush(town)
        await converse(talk, 10, names, first=11)
        for heard, question in enumerate(QUESTIONS.values(), 21):
            call = await asked(town, talk, question, heard)
            assert all(name in prompt(call) for name in names.values())
        prompts.append(prompt(call).replace(office.slug.title(), "the tenant"))
        town.models.calls.clear()
    assert prompts[0] == prompts[1]


async def test_after_a_hundred_turns_early_facts_are_in_the_prompt(town: Town) -> None:
    town.models.always("anthropic", behind_the_scenes(notes=lambda _: "The person told about a bell."))
    office = await talkative_office(town)
    talk, names = office.talk(), named()
    await converse(talk, 60, names)
    await flush(town)
    await converse(talk, 40, names, first=61)
    await until(lambda: is_remembered(office, talk.root), timeout=120)

    for number, (turn, question) in enumerate(QUESTIONS.items(), 101):
        call = await asked(town, talk, question, number)
        assert names[turn] in prompt(call)
        # It is remembered, and not just that everything is still shown.
        assert names[turn] not in "".join(content_text(message["content"]) for message in call.messages)
        assert "The person told about a bell." in prompt(call)
    [summary] = await office.rows("conversation_summaries")
    assert 100 < summary["through_seq"] < 200


async def test_memories_are_shared_by_nobody_else(town: Town) -> None:
    """Two contacts of one tenant, and one contact's name in two tenants."""
    town.models.always("anthropic", behind_the_scenes())
    office, other = await talkative_office(town), await talkative_office(town)
    name = f"Canary{secrets.token_hex(4)}"
    talk = office.talk(user="U0SAME")
    await talk.mention(f"My bicycle is called {name}.")
    await talk.heard()
    await until(lambda: is_remembered(office, talk.root))

    again, elsewhere, somebody = office.talk(user="U0SAME"), other.talk(user="U0SAME"), office.talk(user="U0OTHER")
    seen = []
    for each in (again, elsewhere, somebody):
        await each.mention("What is my bicycle called?")
        await each.heard()
        seen.append(last_answered(town))
    assert [name in text for text in seen] == [True, False, False]


async def test_what_was_learned_is_replaced_and_forgotten_as_the_person_says(town: Town) -> None:
    canary = f"0421-{secrets.randbelow(10**8):08}"

    def facts(asked: str) -> str:
        new = asked.partition("New lines:")[2]
        said = dict(re.findall(r"^(N\d+) \([^)]*, person\): (.*)$", new, re.MULTILINE))
        if any("forget" in text for text in said.values()):
            holding = re.findall(r"^([KSN]\d+) \(.*" + canary, asked, re.MULTILINE)
            return json.dumps({"facts": [], "forget": holding})
        source = next((label for label, text in said.items() if canary in text), None)
        learned = [{"text": f"The phone number is {canary}.", "source": source}] if source else []
        return json.dumps({"facts": learned, "forget": []})

    town.models.always("anthropic", behind_the_scenes(facts))
    office = await talkative_office(town)
    talk = office.talk(user="U0CALLER")
    await talk.mention(f"My phone number is {canary}.")
    await talk.heard()
    await chatter(talk, 9)

    async def has_learned() -> bool:
        return any(row["kind"] == "fact" for row in await office.rows("memories"))

    await until(has_learned)
    later = office.talk(user="U0CALLER")
    await later.mention("What is my phone number?")
    await later.heard()
    assert f"The phone number is {canary}." in last_answered(town)

    await later.say("Please forget my phone number.")
    await later.heard(2)
    await chatter(later, 9)

    async def has_forgotten() -> bool:
        return any(row["forgotten_at"] for row in await office.rows("messages"))

    await until(has_forgotten)
    for number, each in ((11, talk), (12, later), (1, office.talk(user="U0CALLER"))):
        await (each.say if each.root else each.mention)("Once more: what is my phone number?")
        await each.heard(number)
        assert canary not in last_answered(town)


async def chatter(talk: Talk, turns: int) -> None:
    """So much that it is looked through for facts."""
    heard = len(talk.texts())
    for number in range(1, turns + 1):
        await talk.say(f"And number {number}.")
        await talk.heard(heard + number)


async def test_while_the_background_worker_is_away_people_are_answered_and_all_is_remembered_later(town: Town) -> None:
    town.models.always("anthropic", behind_the_scenes())
    office = await talkative_office(town)
    talk = office.talk()
    await talk.mention("First.")
    await talk.heard()
    # What keeps it running is held, so that it stays away.
    async with paused(town.up.process.pid):
        await kill(town.up.child("worker", "--background"))
        for number, word in enumerate(("Second.", "Third.", "Fourth."), 2):
            await talk.say(word)
            assert (await talk.heard(number))[-1] == f"You said: {word}"
    await until(lambda: is_remembered(office, talk.root), timeout=90)
    said = [row for row in await office.rows("memories") if row["kind"] == "said"]
    assert sorted(row["seq"] for row in said) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_background_worker_leaves_the_processor_to_replies(standing_town: Town) -> None:
    up = standing_town.up
    worker, background = up.child("konstruct", "worker"), up.child("worker", "--background")
    niceness = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (worker, background)]
    assert niceness[1] == niceness[0] + 5
    # Among sessions, and each child has one, that of the session counts where the kernel knows of such.
    for pid, wanted in ((background, "5"), (worker, "0")):
        session = Path(f"/proc/{pid}/autogroup")
        assert not session.exists() or session.read_text().split()[-1] == wanted


async def test_a_worker_that_is_killed_while_memory_is_written_loses_and_doubles_nothing(town: Town) -> None:
    town.models.always("anthropic", behind_the_scenes())
    office = await talkative_office(town)
    talk = office.talk()
    await talk.mention("First.")
    await talk.heard()
    async with town.holding("lock table memories in exclusive mode") as is_waited_for:
        await talk.say("Second.")
        await talk.heard(2)
        # A reply does not wait for it.
        await until(is_waited_for)
        await talk.say("Third.")
        await talk.heard(3)
        await kill(town.up.child("worker", "--background"))
    await until(lambda: is_remembered(office, talk.root), timeout=90)
    said = [row for row in await office.rows("memories") if row["kind"] == "said"]
    assert sorted(row["seq"] for row in said) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("what", [KEEPS_MEMORY, KEEPS_NOTES])
async def test_a_worker_that_is_killed_while_a_model_works_for_memory_begins_again(town: Town, what: str) -> None:
    town.models.always("anthropic", behind_the_scenes())
    office = await talkative_office(town)
    talk = office.talk()
    await talk.mention("First.")
    await talk.heard()
    hanging = Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN)
    if what == KEEPS_NOTES:
        # One more, and the window is full.
        await chatter(talk, 39)
        await until(lambda: is_remembered(office, talk.root), timeout=90)
    else:
        await chatter(talk, 9)
    town.models.when("anthropic", what, hanging)
    await talk.say("And another one.")
    call = await town.model_call(what)
    heard = len(talk.texts())
    await talk.say("Can you still hear me?")
    await talk.heard(heard + 1, timeout=20)
    await kill(town.up.child("worker", "--background"))

    async def is_done() -> bool:
        [conversation] = [row for row in await office.rows("conversations") if row["root"] == talk.root]
        summaries = await office.rows("conversation_summaries")
        return bool(summaries) if what == KEEPS_NOTES else conversation["digested_seq"] >= 20

    await until(is_done, timeout=90)
    again = [other for other in town.models.calls if what in prompt(other)]
    assert len(again) >= 2
    assert call in again
