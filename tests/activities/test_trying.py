"""What fails whatever works on it: counted while nobody knows how an attempt ended, and set aside after a few."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct import attention, outbox, poison, prompting
from konstruct.contracts.conversation import Delivered, DeliverRequest
from konstruct.contracts.memory import RememberRequest
from konstruct.errors import ChannelUnavailable, Conflict, ModelsUnavailable, NotFound
from konstruct.handoffs import owning
from konstruct.inbox import Accepted
from konstruct.memory import due, work
from konstruct.ports import ModelCallError
from konstruct.tables import Handoff
from konstruct.tools.calls import Outcome
from tests.activities.turns import Turn, calling
from tests.support.doubles import RecordingMessenger, ScriptedModel
from tests.support.office import Office
from tests.support.workshop import publish


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("What nobody can handle.")


@pytest.fixture
def turn(office: Office, thinking: Thinking, asked: Accepted) -> Turn:
    return Turn(office, thinking, asked)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("A defect.")

    monkeypatch.setattr(prompting, "prompt", breaks)


async def tries(office: Office, asked: Accepted) -> int:
    return (await office.message(asked.message_id)).tries


async def die(office: Office, turn: Turn, attempt: int) -> None:
    """An attempt that ends with its process."""
    if attempt == 1:
        await office.begin(turn.asked, turn.id)
        return
    async with office.session() as session:
        await poison.count(session, turn.asked.conversation_id)


@pytest.mark.usefixtures("broken")
async def test_a_defect_is_tried_a_few_times_and_then_set_aside_for_people(
    office: Office, asked: Accepted, turn: Turn, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    for attempt in range(1, poison.MOST_TRIES + 1):
        with pytest.raises(ZeroDivisionError):
            await turn.think(attempt=attempt)
        assert await tries(office, asked) == attempt

    thought = await turn.think(attempt=poison.MOST_TRIES + 1)

    assert thought.decision == "handed_off"
    assert thought.ownership is not None
    assert thought.ownership.owner == "queue"
    message = await office.message(asked.message_id)
    assert (message.state, message.tries) == ("quarantined", poison.MOST_TRIES)
    [event] = await office.events("message.quarantined")
    assert event.detail["trouble"] == "ZeroDivisionError"
    [handoff] = await office.rows(Handoff)
    assert (handoff.state, handoff.rule) == ("waiting", poison.RULE)
    request = DeliverRequest(office.tenant_id, asked.conversation_id, thought.reply_ids, end_status=True)
    assert await ActivityEnvironment().run(delivery.deliver, request) == Delivered("sent")
    assert ("send", poison.TOLD) in messenger.told


async def test_a_message_that_ends_the_process_is_set_aside_all_the_same(
    office: Office, asked: Accepted, turn: Turn
) -> None:
    for attempt in range(1, poison.MOST_TRIES + 1):
        await die(office, turn, attempt)
    thought = await turn.think(attempt=poison.MOST_TRIES + 1)
    assert thought.decision == "handed_off"
    async with office.session() as session:
        [aside] = await poison.of_conversation(session, asked.conversation_id)
        [matter] = [each for each in await attention.matters(session) if each.kind == "quarantined"]
    assert (aside.message_id, aside.tries, aside.why) == (asked.message_id, poison.MOST_TRIES, poison.UNTOLD)
    assert (matter.key, matter.count, matter.reason) == (str(asked.conversation_id), 1, poison.UNTOLD)


async def test_more_words_do_not_make_the_tries_forgotten(
    office: Office, asked: Accepted, thinking: Thinking, turn: Turn
) -> None:
    for attempt in range(1, poison.MOST_TRIES + 1):
        await die(office, turn, attempt)
    after = await office.say("Hello?")
    thought = await Turn(office, thinking, after).think()
    assert thought.decision == "handed_off"
    assert [message.state for message in await office.messages("inbound") if message.author == "contact"] == [
        "quarantined",
        "passed",
    ]


async def test_no_model_is_shown_what_was_set_aside(
    office: Office, asked: Accepted, thinking: Thinking, turn: Turn, model: ScriptedModel
) -> None:
    for attempt in range(1, poison.MOST_TRIES + 1):
        await die(office, turn, attempt)
    await turn.think(attempt=poison.MOST_TRIES + 1)
    [handoff] = await office.rows(Handoff)
    async with office.session() as session:
        await owning.resume(session, office.vault, asked.conversation_id, "test")
    assert handoff.id
    await Turn(office, thinking, await office.say("Something else.")).think()
    assert "nobody can handle" not in str(model.prompts)
    assert "Something else." in str(model.prompts)


async def test_it_is_tried_again_when_somebody_says_so(
    office: Office, asked: Accepted, thinking: Thinking, turn: Turn
) -> None:
    for attempt in range(1, poison.MOST_TRIES + 1):
        await die(office, turn, attempt)
    await turn.think(attempt=poison.MOST_TRIES + 1)
    async with office.session() as session:
        with pytest.raises(Conflict):
            await poison.try_again(session, asked.conversation_id, actor="anna")
    async with office.session() as session:
        await owning.resume(session, office.vault, asked.conversation_id, "test")
    async with office.session() as session:
        assert await poison.try_again(session, asked.conversation_id, actor="anna") == [asked.message_id]
    assert await tries(office, asked) == 0
    assert (await Turn(office, thinking, asked).think()).decision == "reply"
    [event] = await office.events("message.tried_again")
    assert event.actor == "anna"
    async with office.session() as session:
        with pytest.raises(NotFound):
            await poison.try_again(session, asked.conversation_id, actor="anna")


async def test_what_was_foreseen_is_no_try(office: Office, asked: Accepted, turn: Turn, model: ScriptedModel) -> None:
    model.script(ModelCallError("server", "Down."))
    for attempt in range(1, 8):
        with pytest.raises(ModelsUnavailable):
            await turn.think(attempt=attempt)
        assert await tries(office, asked) == 0


async def test_what_was_cut_off_is_no_try(
    office: Office, asked: Accepted, turn: Turn, thinking: Thinking, model: ScriptedModel
) -> None:
    model.may_answer = asyncio.Event()
    for _ in range(3):
        model.is_asked.clear()
        thinking_of_it = asyncio.create_task(turn.think())
        await model.is_asked.wait()
        assert await tries(office, asked) == 1
        thinking_of_it.cancel()
        await asyncio.wait([thinking_of_it])
        assert await tries(office, asked) == 0


async def test_an_answer_and_steps_with_tools_are_no_tries(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await publish(office, "current_time")
    asked = await office.say("What time is it?")
    model.script(calling("current_time"), calling("current_time"), "Late.")
    turn = Turn(office, thinking, asked)
    for _ in range(2):
        await turn.step(Outcome("done", "Late."))
        assert await tries(office, asked) == 0
    assert await turn.answer() == "Late."
    assert await tries(office, asked) == 0


async def test_who_is_suspected_is_tried_alone(
    office: Office, asked: Accepted, turn: Turn, thinking: Thinking, model: ScriptedModel
) -> None:
    """What dies beside it would else be taken for the reason of it."""
    for attempt in range(1, poison.ALONE_FROM + 1):
        await die(office, turn, attempt)
    other = await office.say("I am innocent.", root="2.0", contact="U2")
    others = Turn(office, thinking, other)
    for attempt in range(1, poison.ALONE_FROM + 1):
        await die(office, others, attempt)
    model.may_answer = asyncio.Event()
    first = asyncio.create_task(turn.think(attempt=poison.ALONE_FROM + 1))
    await model.is_asked.wait()
    second = asyncio.create_task(others.think(attempt=poison.ALONE_FROM + 1))
    for _ in range(30):
        # The second is not counted before its time.
        assert await tries(office, other) == poison.ALONE_FROM
    assert await tries(office, asked) == poison.ALONE_FROM + 1
    model.may_answer.set()
    assert [(await each).decision for each in (first, second)] == ["reply", "reply"]


async def deliver(delivery: Delivery, office: Office, asked: Accepted, reply: UUID, attempt: int) -> Delivered:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt)
    delivered: Delivered = await environment.run(
        delivery.deliver, DeliverRequest(office.tenant_id, asked.conversation_id, [reply])
    )
    return delivered


async def test_an_answer_that_cannot_be_sent_for_a_defect_fails_after_a_few_tries(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    [reply] = await office.answer(asked)

    async def breaks(*_: object) -> str:
        raise ZeroDivisionError("A defect.")

    monkeypatch.setattr(messenger, "send", breaks)
    monkeypatch.setattr(messenger, "find", breaks)
    for attempt in range(1, outbox.MOST_TRIES + 1):
        with pytest.raises(ZeroDivisionError):
            await deliver(delivery, office, asked, reply, attempt)
        assert (await office.message(reply)).tries == attempt
    assert await deliver(delivery, office, asked, reply, outbox.MOST_TRIES + 1) == Delivered("failed")
    sent = await office.message(reply)
    assert (sent.state, sent.detail) == ("failed", {"error": outbox.KEPT_FAILING})
    assert (await office.message(asked.message_id)).state == "failed"
    [notice] = [message for message in await office.messages("outbound") if message.purpose == "notice"]
    assert (notice.body, notice.state) == (outbox.NOT_SENT, "pending")


async def test_a_channel_that_is_away_is_no_try(
    office: Office, asked: Accepted, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    [reply] = await office.answer(asked)
    for attempt in range(1, 8):
        messenger.troubles.append(ChannelUnavailable("Away."))
        with pytest.raises(ChannelUnavailable):
            await deliver(delivery, office, asked, reply, attempt)
        assert (await office.message(reply)).tries == 0


async def test_what_cannot_be_remembered_is_passed_over(
    office: Office, remembering: Remembering, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await office.exchange("What nobody can remember.")
    request = RememberRequest(office.tenant_id, asked.conversation_id)

    async def breaks(*_: object) -> None:
        raise ZeroDivisionError("A defect.")

    monkeypatch.setattr(work, "write_sayings", breaks)
    for _ in range(due.MOST_TRIES):
        with pytest.raises(ZeroDivisionError):
            await ActivityEnvironment().run(remembering.remember, request)
    await ActivityEnvironment().run(remembering.remember, request)
    [conversation] = await office.conversations()
    assert (conversation.memory_due_at, conversation.memory_tries) == (None, 0)
    assert conversation.remembered_seq == conversation.digested_seq == conversation.last_seq
    assert len(await office.events("memory.passed_over")) == 1
