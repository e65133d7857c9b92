"""What memory must not do: mix people, bring back what was forgotten, hold up or spoil a reply, cost without end."""

from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest
from pydantic import SecretStr
from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct import contacts, conversations, memory, revising, window
from konstruct.contracts.conversation import DeliverRequest
from konstruct.contracts.memory import RememberRequest
from konstruct.conversations import Turn
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.memory import due, work
from konstruct.memory.digest import LONGEST_LINE, LONGEST_SUMMARY
from konstruct.ports import ModelCallError
from konstruct.tables import Conversation, Memory, MemoryVector
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.activities.memories import NO_FACTS, finds, remember, scripted_by, shown, summaries_of, whole
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingWarms, RecordingMessenger, ScriptedModel
from tests.support.months import holds, ledger, plan, spend_all, spent
from tests.support.office import Office


async def test_what_is_answered_among_several_people_is_nobodys_own_memory(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    await office.exchange("My order is ALPHA-77.", "ALPHA-77 is on its way.", contact="U1")
    asked = await office.exchange("And mine is BRAVO-88.", "ALPHA-77 and BRAVO-88 are on their way.", contact="U2")
    model.script(NO_FACTS)
    await remember(remembering, office, asked)
    prompt = whole(await shown(thinking, model, office, "What is on its way, what is my order?", contact="U2"))
    assert "BRAVO-88" in prompt
    assert "ALPHA" not in prompt
    # Nor is a model shown it that looks for facts about them.
    assert not any("ALPHA-77" in whole(each) and "BRAVO-88" in whole(each) for each in model.prompts[:-1])


async def test_with_a_fact_its_answer_is_forgotten_too(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(finds({"text": "The daughter is called Mia.", "source": "N1"}))
    asked = await office.exchange("My daughter is called Mia.", "Mia is a lovely name for a daughter.")
    await remember(remembering, office, asked)
    [fact] = [each for each in await office.rows(Memory) if each.kind == "fact"]
    async with office.session() as session:
        assert len(await memory.forget(session, fact.contact_id, [fact.id])) == 2
    for root in ("1.0", "9.0"):
        assert "Mia" not in whole(await shown(thinking, model, office, "My daughter's name?", root=root))


async def test_nobody_is_asked_about_what_was_just_forgotten(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    for number in range(due.DIGEST_LINES):
        asked = await office.exchange(f"My daughter is called Mia, {number}.")
    await office.exchange("Forget everything.", "I have forgotten all about you and Mia.")
    model.script(finds({"text": "The daughter is called Mia."}))
    await remember(remembering, office, asked)
    assert not any("Mia" in whole(prompt) for prompt in model.prompts)
    assert await office.rows(Memory) == []


async def test_an_answer_that_was_being_thought_when_its_person_asked_to_be_forgotten_is_thought_again(
    office: Office,
) -> None:
    turn_id = new_id()
    await office.exchange("My daughter is called Mia.", root="2.0")
    asked = await office.say("And now?", root="2.0")
    assert isinstance(await office.begin(asked, turn_id), Turn)
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        await memory.forget_person(session, found.contact_id, until=(await office.message(asked.message_id)).created_at)
    assert (await office.finish(asked, turn_id, "Mia!")).outcome == "superseded"


async def test_memory_that_has_no_luck_with_a_model_takes_it_from_no_reply(
    office: Office, database: Database, vault: Vault, model: ScriptedModel, remembering: Remembering
) -> None:
    cooldowns = NothingWarms()
    unlucky = Remembering(remembering._settings, database, vault, model, cooldowns, GivenEmbedders())
    asked = await office.exchange("I live in Bremen.")
    model.script(ModelCallError("rate_limited", "Too many."))
    await ActivityEnvironment().run(unlucky.remember, RememberRequest(office.tenant_id, asked.conversation_id))
    assert len(model.prompts) == 2
    assert cooldowns.cool_keys == set()


@pytest.mark.parametrize("broken", ["lengths of vectors", "a memory that does not open", "a question without end"])
async def test_whatever_breaks_in_recall_a_reply_is_given(
    office: Office,
    thinking: Thinking,
    remembering: Remembering,
    model: ScriptedModel,
    owner_url: SecretStr,
    broken: str,
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", "Nice.")
    await remember(remembering, office, asked)
    question = "Which bicycle do I have?"
    if broken == "lengths of vectors":
        async with office.session() as session:
            vectors = (await session.scalars(select(MemoryVector))).all()
            await memory.keep_vectors(session, office.tenant_id, vectors[0].model, {vectors[0].memory_id: [1.0, 0.0]})
    elif broken == "a memory that does not open":
        administrator = await asyncpg.connect(owner_url.get_secret_value())
        await administrator.execute("update memories set sealed = 'x' where tenant_id = $1", office.tenant_id)
        await administrator.close()
    else:
        question = " ".join(f"word{number}" for number in range(3_500))
    assert whole(await shown(thinking, model, office, question)).endswith(question)


async def test_contacts_whom_only_an_older_version_knew_lose_nothing(
    office: Office, remembering: Remembering, model: ScriptedModel, owner_url: SecretStr
) -> None:
    asked = await office.say("Old words.", external_id="C1:1")
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    await administrator.execute(
        "update messages set body = 'Old words.', sealed = null where id = $1", asked.message_id
    )
    for sentence in ("New words.", "Newer words."):
        await administrator.execute("delete from contact_keys where tenant_id = $1", office.tenant_id)
        async with office.session() as session:
            await revising.edit(session, office.vault, office.ref, "C1:1", sentence)
    await administrator.execute(
        "update messages set body = 'Old words.', sealed = null where id = $1", asked.message_id
    )
    await administrator.execute("delete from contact_keys where tenant_id = $1", office.tenant_id)
    turn_id = new_id()
    await office.begin(asked, turn_id)
    finished = await office.finish(asked, turn_id, "An answer.")
    assert finished.outcome == "stored"
    [reply] = finished.reply_ids
    await office.begin_send(asked, reply)
    await office.settle_sent(asked, reply)
    await administrator.execute("delete from contact_keys where tenant_id = $1", office.tenant_id)
    await administrator.execute("update messages set body = 'An answer.', sealed = null where id = $1", reply)
    await administrator.close()
    model.script(NO_FACTS)
    await remember(remembering, office, asked)
    assert len(await office.rows(Memory)) == 2


async def test_a_model_is_shown_so_much_at_once_and_the_rest_is_due_again(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    for _ in range(40):
        asked = await office.exchange("word " * 1_000)
    shown_at_once = []

    def answer(prompt: str) -> str:
        shown_at_once.append(prompt)
        return NO_FACTS if "New lines:" in prompt else "Notes. " * 2_000

    async with office.session() as session:
        before = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
    while True:
        await scripted_by(model, answer, remember(remembering, office, asked))
        async with office.session() as session:
            conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        if conversation.memory_due_at is None:
            break
    assert conversation.digested_seq == conversation.last_seq == 80
    assert before.digested_seq == 0
    assert max(map(len, shown_at_once)) < 2 * due.LONGEST_DIGEST
    assert max(len(line) for prompt in shown_at_once for line in prompt.splitlines()) < max(
        LONGEST_LINE + 100, LONGEST_SUMMARY + 100
    )
    [summary] = await summaries_of(office)
    assert len(summary.sealed) < LONGEST_SUMMARY + 100


async def test_who_was_erased_leaves_the_others_their_thread(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    await office.exchange("Mine is canary.", contact="U1")
    for number in range(work.WINDOW_TURNS + 2):
        asked = await office.exchange(f"Falcon {number}", contact="U2")
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")
    [conversation] = await office.rows(Conversation)
    assert conversation.root == "1.0"
    model.answer_of = lambda messages: NO_FACTS if "New lines:" in messages[-1].content else "About falcons."
    await remember(remembering, office, asked)
    model.answer_of = None
    prompt = whole(await shown(thinking, model, office, "And now?", root="1.0", contact="U2"))
    assert "About falcons." in prompt
    assert "canary" not in prompt


async def test_the_next_turn_finds_the_window_in_the_cache(
    office: Office, database: Database, vault: Vault, messenger: RecordingMessenger
) -> None:
    windows = KeptWindows()
    delivery = Delivery(database, vault, {"slack": messenger}, windows)
    for number in range(3):
        asked = await office.say(f"Line {number}")
        cached = windows.kept.get(asked.conversation_id)
        turn_id = new_id()
        async with office.session() as session:
            turn = await conversations.begin_turn(
                session, vault, asked.conversation_id, turn_id, window.load(cached) if cached else None
            )
        assert isinstance(turn, Turn)
        assert (turn.window is None) is (number > 0)
        finished = await office.finish(asked, turn_id, f"Answer {number}")
        request = DeliverRequest(office.tenant_id, asked.conversation_id, finished.reply_ids)
        await ActivityEnvironment().run(delivery.deliver, request)
        said = [each.text for each in turn.said]
    assert said == ["Line 0", "Answer 0", "Line 1", "Answer 1", "Line 2"]


async def test_memory_waits_for_a_budget_and_loses_nothing(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    asked = await office.exchange("My daughter is called Mia.", "Mia is a lovely name.")
    await spend_all(office, asked)
    await remember(remembering, office, asked)
    assert model.prompts == []
    [conversation] = await office.conversations()
    assert conversation.memory_due_at is not None
    assert conversation.memory_due_at > utc_now() + timedelta(minutes=50)
    assert {each.kind for each in await office.rows(Memory)} == {"said"}
    await plan(office, business="6")
    model.script(finds({"text": "The daughter is called Mia.", "source": "N1"}))
    await remember(remembering, office, asked)
    assert {each.kind for each in await office.rows(Memory)} == {"said", "fact"}
    assert await holds(office) == []
    assert (await spent(office))["business"] == await ledger(office) > Decimal("4.999999")
