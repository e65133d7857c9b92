"""What people see in Slack while everything works."""

import asyncio

import pytest

from tests.acceptance.town import LONG_ANSWER, Office, Town, prompt
from tests.support.model_doubles import Behaviour, Fault
from tests.support.processes import until
from tests.support.slack_double import Call, events
from tests.support.slack_double.delivery import EventKind

pytestmark = pytest.mark.stack

HANGING = Fault.HANG_BEFORE_FIRST_TOKEN
OWNED_BY = "update conversations set owner = $1, epoch = epoch + 1 where channel = $2"


async def test_a_mention_is_answered_in_its_thread_under_the_employees_name(town: Town, office: Office) -> None:
    talk = office.talk()

    await talk.mention("do you sell bicycles?")

    assert await talk.heard() == ["You said: do you sell bicycles?"]
    [reply] = talk.messages()
    assert reply["username"] == "Ada · Front desk"
    call = await town.model_call("do you sell bicycles?")
    assert "Acme sells bicycles." in prompt(call)


async def test_in_the_thread_no_further_mention_is_needed(town: Town, office: Office) -> None:
    talk = office.talk()
    await talk.mention("My name is Lin.")
    await talk.heard()

    await talk.say("What is my name?")

    assert (await talk.heard(2))[1] == "You said: What is my name?"
    call = await town.model_call("What is my name?")
    assert [message["role"] for message in call.messages] == ["user", "assistant", "user"]
    assert "My name is Lin." in prompt(call)


async def test_a_direct_message_is_answered_in_a_thread_of_its_own(office: Office) -> None:
    talk = office.direct_talk()

    await talk.say("Are you there?")

    assert await talk.heard() == ["You said: Are you there?"]


async def test_talk_that_is_not_meant_for_the_employee_is_left_alone(town: Town, office: Office) -> None:
    talk = office.talk()
    await town.slack.person_says(talk.channel, talk.user, "Lunch, anyone?", team=office.workspace.team_id)

    await talk.mention("hello")

    assert await talk.heard_nothing_more_than(1) == ["You said: hello"]
    assert not any("Lunch" in prompt(call) for call in town.models.calls)


async def test_three_people_at_once_get_their_own_answers_in_their_own_threads(office: Office) -> None:
    talks = [office.talk() for _ in range(3)]

    await asyncio.gather(*(talk.mention(f"I am number {number}.") for number, talk in enumerate(talks)))

    heard = await asyncio.gather(*(talk.heard() for talk in talks))
    assert heard == [[f"You said: I am number {number}."] for number in range(3)]


async def test_a_burst_of_five_messages_gets_one_answer_to_all_of_them(town: Town, office: Office) -> None:
    talk = office.talk()
    thinking = town.models.always("anthropic", Behaviour(fault=HANGING))
    burst = [f"This is part {number}." for number in range(1, 6)]

    await talk.mention(burst[0])
    for part in burst[1:]:
        await talk.say(part)
    await town.model_call(*burst)
    # Each call that knew less was dropped when the next message came, and its connection closed, while it still hung.
    dropped = [call for call in town.models.calls if not all(part in prompt(call) for part in burst)]
    await asyncio.gather(*(call.over.wait() for call in dropped))
    assert {call.outcome for call in dropped} <= {"disconnected"}
    thinking.released.set()

    [answer] = await talk.heard_nothing_more_than(1)
    assert all(part in answer for part in burst)
    # One that knew all may have read the last message before its signal came, and be asked again.
    calls = [call for call in town.models.calls if "One last thing." not in prompt(call)]
    whole = [call for call in calls if all(part in prompt(call) for part in burst)]
    assert whole[-1].outcome == "answered"


async def test_an_event_that_is_delivered_three_times_is_answered_once(town: Town, office: Office) -> None:
    talk = office.talk()
    said = await talk.mention("Only once, please.")

    for number, delivery in enumerate(said.deliveries * 2, start=1):
        again = await town.slack.send(delivery.envelope, retry=(number, "http_timeout"))
        assert again.status == 200

    assert await talk.heard_nothing_more_than(1) == ["You said: Only once, please."]


@pytest.mark.parametrize("order", [("message", "app_mention"), ("app_mention", "message")])
async def test_the_two_events_of_one_mention_are_one_message(
    town: Town, office: Office, order: tuple[EventKind, EventKind]
) -> None:
    talk = office.talk()
    said = await town.slack.person_says(
        talk.channel, talk.user, f"<@{office.workspace.bot_user_id}> hi", team=office.workspace.team_id, order=order
    )
    talk.root = said.ts

    assert await talk.heard_nothing_more_than(1) == ["You said: hi"]


async def test_while_the_model_thinks_the_person_sees_it_and_the_stop_button_ends_it(
    town: Town, office: Office
) -> None:
    talk = office.talk()
    town.models.when("anthropic", "Think hard.", Behaviour(fault=HANGING))
    await talk.mention("Think hard.")
    call = await town.model_call("Think hard.")
    await talk.shows_thinking(True)

    _, channel = town.slack.find_channel(talk.channel, office.workspace.team_id)
    stop = events.agent_session_stopped(channel, talk.root, talk.user, town.slack.world.next_ts())
    assert (await town.slack.deliver(stop, team=office.workspace.team_id)).status == 200

    await call.over.wait()
    assert call.outcome == "disconnected"
    await talk.shows_thinking(False)
    assert await talk.heard_nothing_more_than(0) == []


async def test_what_a_person_takes_back_while_the_model_thinks_is_not_answered(town: Town, office: Office) -> None:
    talk = office.talk()
    await talk.mention("hello")
    await talk.heard()
    thinking = Behaviour(fault=HANGING)
    town.models.when("anthropic", "My password is hunter2.", thinking)
    said = await talk.say("My password is hunter2.")
    await town.model_call("hunter2")
    await talk.shows_thinking(True)

    assert (await town.slack.person_deletes(talk.channel, said.ts, team=office.workspace.team_id)).status == 200
    thinking.released.set()

    await talk.shows_thinking(False)
    assert await talk.heard_nothing_more_than(1) == ["You said: hello"]
    assert "hunter2" not in prompt(await town.model_call("One last thing."))


async def test_nothing_is_said_in_the_place_of_a_thread_that_is_gone(town: Town, office: Office) -> None:
    talk = office.talk()
    thinking = Behaviour(fault=HANGING)
    town.models.when("anthropic", "Never mind.", thinking)
    await talk.mention("Never mind.")
    await town.model_call("Never mind.")
    await talk.shows_thinking(True)

    assert (await town.slack.person_deletes(talk.channel, talk.root, team=office.workspace.team_id)).status == 200
    thinking.released.set()

    ends = {"channel_id": talk.channel, "thread_ts": talk.root, "status": "active"}
    await until(lambda: ends in [call.args for call in town.slack.calls_of("agents.sessions.setStatus")])
    assert talk.messages() == []


async def test_a_long_answer_comes_in_parts_and_in_order(town: Town, office: Office) -> None:
    talk = office.talk()
    town.models.when("anthropic", "Tell me everything.", Behaviour(answer=lambda _: LONG_ANSWER))

    await talk.mention("Tell me everything.")

    assert "\n\n".join(await talk.heard_nothing_more_than(3)) == LONG_ANSWER


async def test_once_a_person_owns_the_conversation_no_answer_of_the_model_is_sent(town: Town, office: Office) -> None:
    talk = office.talk()
    thinking = Behaviour(fault=HANGING)
    town.models.when("anthropic", "I want to talk to a human.", thinking)
    await talk.mention("I want to talk to a human.")
    call = await town.model_call("talk to a human")
    await talk.shows_thinking(True)

    await town.change(OWNED_BY, "agent", talk.channel)
    thinking.released.set()

    await call.over.wait()
    await talk.shows_thinking(False)
    await town.change(OWNED_BY, "employee", talk.channel)
    assert await talk.heard_nothing_more_than(0) == []


async def test_an_answer_that_waits_to_be_sent_is_dropped_when_a_person_takes_over(town: Town, office: Office) -> None:
    talk = office.talk()
    town.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=2)
    await talk.mention("I want to talk to a human.")

    def tries() -> list[Call]:
        return [call for call in town.slack.calls_of("chat.postMessage") if call.args["channel"] == talk.channel]

    async def states() -> list[str]:
        query = (
            "select to_jsonb(m) from messages m join conversations c on c.id = m.conversation_id where c.channel = $1"
        )
        return [row["state"] for row in await town.rows(f"{query} order by m.seq", talk.channel)]

    async def is_waiting() -> bool:
        return await states() == ["taken", "pending"] and len(tries()) == 1

    await until(is_waiting)

    await town.change(OWNED_BY, "agent", talk.channel)

    async def is_dropped() -> bool:
        return await states() == ["taken", "discarded"]

    await until(is_dropped)
    await town.change(OWNED_BY, "employee", talk.channel)
    assert await talk.heard_nothing_more_than(0) == []


async def test_a_running_conversation_moves_to_a_newly_published_employee(town: Town) -> None:
    office = await town.new_office(name="Ada", prompt="We close at six.")
    talk = office.talk()
    await talk.mention("When do you close?")
    await talk.heard()
    office.employee |= {"name": "Grace", "system_prompt": "We close at eight."}

    applied = await office.apply()

    assert applied.status == 0, applied
    assert "~ employee front: version 2 (name, system_prompt)" in applied.said
    await talk.say("And today?")
    await talk.heard(2)
    assert [message["username"] for message in talk.messages()] == ["Ada · Front desk", "Grace · Front desk"]
    told = prompt(await town.model_call("And today?"))
    assert "We close at eight." in told
    assert "We close at six." not in told


async def test_applying_the_same_file_again_changes_nothing(office: Office) -> None:
    applied = await office.apply()

    assert (applied.status, applied.said) == (0, "Nothing to change.\n")


async def test_two_tenants_with_the_same_channels_and_words_never_meet(town: Town) -> None:
    acme = await town.new_office(name="Ada", prompt="You serve Acme.")
    globex = await town.new_office(name="Bob", prompt="You serve Globex.")
    talks = [office.talk(user="U0SAME") for office in (acme, globex)]
    for office, talk in zip((acme, globex), talks, strict=True):
        office.workspace.add_channel("C0GENERAL")
        talk.channel = "C0GENERAL"

    await asyncio.gather(*(talk.mention("Who are you?") for talk in talks))
    await asyncio.gather(*(talk.heard() for talk in talks))

    for talk, name, own, other in zip(talks, ("Ada", "Bob"), ("Acme", "Globex"), ("Globex", "Acme"), strict=True):
        await talk.heard_nothing_more_than(1)
        assert {message["username"] for message in talk.messages()} == {f"{name} · Front desk"}
        [call] = [c for c in town.models.calls if f"You serve {own}." in prompt(c) and "last thing" not in prompt(c)]
        assert other not in prompt(call)
    for office in (acme, globex):
        assert len(await office.rows("conversations")) == 1
        assert len(await office.messages()) == 4


async def test_over_the_limit_a_person_is_told_once_and_may_come_back_when_told_to(town: Town) -> None:
    office = await town.new_office(limits={"contact": "2/10 seconds"})
    talks = [office.talk(user="U0HASTY") for _ in range(4)]

    for number, talk in enumerate(talks, start=1):
        await talk.mention(f"Question {number}")

    assert await talks[0].heard() == ["You said: Question 1"]
    assert await talks[1].heard() == ["You said: Question 2"]
    [notice] = await talks[2].heard()
    assert "2 messages in 10 seconds" in notice
    refused = [row for row in await office.messages() if row["state"] == "refused"]
    assert [(row["body"], row["detail"]) for row in refused] == [
        ("Question 3", {"limit": "contact"}),
        ("Question 4", {"limit": "contact"}),
    ]

    told_to_wait = int(notice.partition("again in ")[2].split()[0])
    await asyncio.sleep(told_to_wait)
    await talks[3].say("Question 4 again")
    assert await talks[3].heard() == ["You said: Question 4 again"]
    assert len(talks[2].messages()) == 1
