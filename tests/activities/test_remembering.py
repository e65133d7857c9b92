"""Memory, from what was said to what a model is shown later; with a model that follows a script."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct import contacts, inbox
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.contracts.memory import RememberRequest
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.memory import work
from konstruct.ports import ChatMessage, ModelCallError
from konstruct.settings import Settings
from konstruct.tables import Contact, Conversation, ConversationSummary, Memory, MemoryVector, Usage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.activities.conftest import MODELS
from tests.support.doubles import (
    GivenEmbedders,
    KeptWindows,
    NothingCools,
    RecordingMessenger,
    ScriptedModel,
    WordEmbedder,
)
from tests.support.office import Office, open_office

NO_FACTS = '{"facts": [], "forget": []}'


@pytest.fixture
def remembering(database: Database, vault: Vault, model: ScriptedModel, embedder: WordEmbedder) -> Remembering:
    settings = Settings(
        anthropic_api_key=SecretStr("sk-ant-canary"),
        openai_api_key=SecretStr("sk-canary"),
        local_model_base_url="http://127.0.0.1:9/v1",
        memory_quiet_seconds=0,
        embedding_model=embedder.name,
    )
    return Remembering(settings, database, vault, model, NothingCools(), GivenEmbedders({embedder.name: embedder}))


async def remember(remembering: Remembering, office: Office, *conversations: Accepted) -> None:
    for of in conversations:
        request = RememberRequest(office.tenant_id, of.conversation_id)
        await ActivityEnvironment().run(remembering.remember, request)
    await ActivityEnvironment().run(remembering.embed_memories)


async def shown(
    thinking: Thinking, model: ScriptedModel, office: Office, text: str, *, root: str = "9.0", contact: str = "U1"
) -> Sequence[ChatMessage]:
    """The prompt that a model gets when this is said; its answer arrives."""
    model.script("Fine.")
    asked = await office.say(text, root=root, contact=contact)
    request = ThinkRequest(office.tenant_id, asked.conversation_id, new_id(), [asked.message_id])
    thought: Thought = await ActivityEnvironment().run(thinking.think, request)
    for message_id in thought.reply_ids:
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    return model.prompts[-1]


def whole(prompt: Sequence[ChatMessage]) -> str:
    return "\n".join(message.content for message in prompt)


def finds(*facts: dict[str, object], forget: Sequence[str] = ()) -> str:
    return json.dumps({"facts": facts, "forget": list(forget)})


async def test_what_was_said_is_known_in_the_next_conversation(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", "Nice bicycle!")
    await remember(remembering, office, asked)

    system, *rest = await shown(thinking, model, office, "Which bicycle do I have?")
    assert "they said: “My bicycle is a green Peregrine.”" in system.content
    assert "you said: “Nice bicycle!”" in system.content
    assert [message.content for message in rest] == ["Which bicycle do I have?"]


async def test_what_is_at_hand_is_not_recalled_besides(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel, embedder: WordEmbedder
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is green.")
    await remember(remembering, office, asked)
    prompt = await shown(thinking, model, office, "Which bicycle?", root="1.0")
    assert whole(prompt).count("My bicycle is green.") == 1
    assert [purpose for purpose, _ in embedder.asked if purpose == "query"] == []


async def test_two_contacts_never_share_a_memory(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", contact="U1")
    await remember(remembering, office, asked)
    assert "Peregrine" not in whole(await shown(thinking, model, office, "Which bicycle do I have?", contact="U2"))


async def test_two_tenants_never_share_a_memory(
    office: Office, database: Database, vault: Vault, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    other = await open_office(database, vault, models=MODELS)
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", contact="U1")
    await remember(remembering, office, asked)
    assert "Peregrine" not in whole(await shown(thinking, model, other, "Which bicycle do I have?", contact="U1"))
    with pytest.raises(NotFound):
        await remember(remembering, other, asked)


async def test_contacts_that_are_one_person_are_remembered_as_one(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", contact="U1")
    other = await office.exchange("I like tea.", root="2.0", contact="U2")
    await remember(remembering, office, asked, other)
    async with office.session() as session:
        first, second = await contacts.find(session, "U1"), await contacts.find(session, "U2")
        assert await contacts.join(session, office.tenant_id, first.contact_id, second.contact_id, actor="test")
        assert not await contacts.join(session, office.tenant_id, second.contact_id, first.contact_id, actor="test")
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle do I have?", contact="U2"))
    assert "tea" in whole(await shown(thinking, model, office, "Which tea do I like?", contact="U1", root="8.0"))


async def test_in_a_thread_of_several_nobodys_memory_is_shown_when_two_ask_at_once(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", contact="U1")
    await remember(remembering, office, asked)
    await office.say("And mine?", root="9.0", contact="U2")
    assert "Peregrine" not in whole(await shown(thinking, model, office, "Which bicycle do I have?", contact="U1"))


async def test_a_fact_is_learned_with_its_source_and_replaced_by_a_newer_one(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(finds({"text": "Lives in Bremen.", "source": "N1", "confidence": 0.9}))
    asked = await office.exchange("I live in Bremen.", "Noted.")
    await remember(remembering, office, asked)
    [fact] = [memory for memory in await office.rows(Memory) if memory.kind == "fact"]
    assert (fact.message_id, fact.seq) == (asked.message_id, 1)
    assert fact.confidence == pytest.approx(0.9)
    assert "Lives in Bremen." in whole(await shown(thinking, model, office, "Where do I live?"))

    moved = await office.exchange("I have moved to Hamburg.", root="2.0")
    model.script(finds({"text": "Lives in Hamburg.", "source": "N1", "replaces": ["K1"]}))
    await remember(remembering, office, moved)
    assert "K1 (" in model.prompts[-1][-1].content
    [old] = [memory for memory in await office.rows(Memory) if memory.superseded_at]
    assert (old.id, old.superseded_by is not None) == (fact.id, True)
    prompt = whole(await shown(thinking, model, office, "Where do I live now?", root="8.0"))
    assert "Lives in Hamburg." in prompt
    assert "Lives in Bremen." not in prompt
    vectors = await _vectors(office)
    assert fact.id not in vectors


async def _vectors(office: Office) -> dict[UUID, str]:
    async with office.session() as session:
        return {row.memory_id: row.model for row in await session.scalars(select(MemoryVector))}


async def test_the_employee_is_told_to_forget_and_forgets(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(finds({"text": "The phone number is 0421-555.", "source": "N1"}))
    asked = await office.exchange("My phone number is 0421-555.", "I have your phone number 0421-555.")
    await remember(remembering, office, asked)
    wish = await office.exchange("Please forget my phone number.", "Done.", root="2.0")

    def forget(prompt: str) -> str:
        labels = [line.split(" ")[0] for line in prompt.splitlines() if "0421-555" in line]
        assert [label[0] for label in labels] == ["K", "S", "S"]
        return finds(forget=labels)

    model.script(NO_FACTS)
    await _scripted_by(model, forget, remember(remembering, office, wish))

    for root in ("1.0", "2.0", "9.0"):
        assert "0421" not in whole(await shown(thinking, model, office, "What is my phone number?", root=root))
    [event] = await office.events("memory.forgotten")
    assert len(event.detail["messages"]) == 2
    # The record of what was said stays.
    assert any("0421-555" in (message.body or "") for message in await office.messages())


async def _scripted_by(model: ScriptedModel, answer: Callable[[str], str], doing: object) -> None:
    """The model's next answer is made of the prompt that it gets."""
    model.answer_of = lambda messages: answer(messages[-1].content)
    try:
        await doing  # type: ignore[misc]
    finally:
        model.answer_of = None


@pytest.mark.parametrize(
    "wish", ["Please forget everything you know about me!", "Vergiss alles.", "Olvida todo, por favor"]
)
async def test_the_plainest_wish_needs_no_model(
    database: Database, vault: Vault, thinking: Thinking, remembering: Remembering, model: ScriptedModel, wish: str
) -> None:
    office = await open_office(database, vault, models=("local/smollm2",))
    asked = await office.exchange("My bicycle is a green Peregrine.", "Nice.")
    wishing = await office.exchange(wish, "Done.", root="2.0")
    other = await office.exchange("Mine is a red Falcon.", root="3.0", contact="U2")
    await remember(remembering, office, asked, other, wishing)
    assert not model.prompts
    contact = await _contact(office, "U1")
    kept = await office.rows(Memory)
    assert [memory for memory in kept if memory.contact_id == contact.id] == []
    assert len([memory for memory in kept if memory.contact_id != contact.id]) == 2
    prompt = whole(await shown(thinking, model, office, "What is my bicycle?", root="1.0"))
    assert "Peregrine" not in prompt


async def _contact(office: Office, external_id: str) -> Contact:
    [contact] = [row for row in await office.rows(Contact) if row.external_id == external_id]
    return contact


async def test_a_long_conversation_is_summarised_and_its_early_facts_are_still_shown(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel
) -> None:
    for number in range(work.WINDOW_TURNS + 2):
        asked = await office.exchange(f"Fact {number} is canary-{number}.", f"Noted {number}.")
    summarising = []

    def answer(prompt: str) -> str:
        if "New lines:" in prompt:
            return NO_FACTS
        summarising.append(prompt)
        return "The person told of canary-0 and more."

    await _scripted_by(model, answer, remember(remembering, office, asked))
    [prompt] = summarising
    assert "canary-0" in prompt
    assert f"canary-{work.WINDOW_TURNS + 1}" not in prompt
    [summary] = await _summaries(office)
    system, *rest = await shown(thinking, model, office, "What was fact 3 again?", root="1.0")
    assert "The person told of canary-0 and more." in system.content
    assert "“Fact 3 is canary-3.”" in system.content
    assert 20 <= len([message for message in rest if message.role == "user"]) <= 22
    assert "canary-3." not in "".join(message.content for message in rest)
    assert summary.through_seq % 2 == 0
    used = {row.purpose: row for row in await office.rows(Usage)}
    assert set(used) == {"facts", "summary", "reply"}


async def _summaries(office: Office) -> list[ConversationSummary]:
    async with office.session() as session:
        return list(await session.scalars(select(ConversationSummary)))


async def test_a_summary_goes_on_from_the_one_before(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    prompts = []

    def answer(prompt: str) -> str:
        if "New lines:" in prompt:
            return NO_FACTS
        prompts.append(prompt)
        return f"Notes number {len(prompts)}."

    for _ in range(2):
        for number in range(work.WINDOW_TURNS + 1):
            asked = await office.exchange(f"Line {number}.")
        await _scripted_by(model, answer, remember(remembering, office, asked))
    assert "Notes so far:" not in prompts[0]
    assert prompts[1].startswith("Notes so far:\nNotes number 1.")


async def test_without_a_model_a_summary_is_an_excerpt(
    database: Database, vault: Vault, remembering: Remembering, thinking: Thinking, model: ScriptedModel
) -> None:
    office = await open_office(database, vault, models=("local/smollm2",))
    for number in range(work.WINDOW_TURNS + 1):
        asked = await office.exchange(f"Fact {number} is canary-{number}.", "Noted.")
    await remember(remembering, office, asked)
    assert not model.prompts
    assert len(await _summaries(office)) == 1


async def test_what_was_taken_back_or_changed_is_unlearned(
    office: Office, remembering: Remembering, thinking: Thinking, model: ScriptedModel
) -> None:
    model.script(finds({"text": "Rides a Peregrine.", "source": "N1"}))
    asked = await office.say("My bicycle is a Peregrine.", external_id="C1:7")
    for message_id in await office.answer(asked):
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    await remember(remembering, office, asked)
    async with office.session() as session:
        await inbox.edit(session, office.vault, office.connection_id, "C1:7", "My bicycle is a Falcon.")
    model.script(NO_FACTS)
    await remember(remembering, office, asked)
    prompt = whole(await shown(thinking, model, office, "Which bicycle do I have?"))
    assert "Falcon" in prompt
    assert "Peregrine" not in prompt
    async with office.session() as session:
        await inbox.remove(session, office.connection_id, "C1:7")
    await remember(remembering, office, asked)
    assert "Falcon" not in whole(await shown(thinking, model, office, "Which bicycle do I have?", root="8.0"))


async def test_what_is_cut_off_is_done_again_and_nothing_is_kept_twice(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    asked = await office.exchange("I live in Bremen.", "Noted.")
    model.script(ModelCallError("server", "It broke."))
    await remember(remembering, office, asked)
    assert timedelta(seconds=50) < (await _due_at(office, asked)) - utc_now() < timedelta(seconds=61)
    assert [memory.kind for memory in await office.rows(Memory)] == ["said", "said"]
    model.script(finds({"text": "Lives in Bremen.", "source": "N1"}))
    await remember(remembering, office, asked)
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        assert conversation.memory_due_at is None
        # As if the attempt had died just before it said that it was done.
        conversation.remembered_seq = conversation.digested_seq = 0
    await remember(remembering, office, asked)
    assert sorted(memory.kind for memory in await office.rows(Memory)) == ["fact", "said", "said"]


async def _due_at(office: Office, asked: Accepted) -> datetime:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
    assert conversation.memory_due_at
    return conversation.memory_due_at


async def test_facts_that_cannot_be_read_are_asked_for_once_more_and_then_let_be(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    asked = await office.exchange("I live in Bremen.")
    model.script("Sure! Here you are: no JSON.")
    await remember(remembering, office, asked)
    assert len(model.prompts) == 2
    assert "That could not be read" in model.prompts[-1][-1].content
    await remember(remembering, office, asked)
    assert len(model.prompts) == 2


async def test_while_a_conversation_goes_on_facts_can_wait(
    office: Office, database: Database, vault: Vault, model: ScriptedModel, remembering: Remembering
) -> None:
    settings = remembering._settings.model_copy(update={"memory_quiet_seconds": 45.0})
    patient = Remembering(settings, database, vault, model, NothingCools(), GivenEmbedders())
    asked = await office.exchange("I live in Bremen.")
    await ActivityEnvironment().run(patient.remember, RememberRequest(office.tenant_id, asked.conversation_id))
    assert not model.prompts
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
    assert conversation.memory_due_at is not None
    assert timedelta(seconds=30) < conversation.memory_due_at - utc_now() < timedelta(seconds=46)
    assert [memory.kind for memory in await office.rows(Memory)] == ["said", "said"]

    model.script(NO_FACTS)
    for number in range(work.DIGEST_LINES // 2):
        await office.exchange(f"Line {number}.")
    # What is said does not wait with them.
    assert await _due_at(office, asked) - utc_now() < timedelta(seconds=3)
    await ActivityEnvironment().run(patient.remember, RememberRequest(office.tenant_id, asked.conversation_id))
    assert len(model.prompts) == 1


async def test_without_an_embedder_words_are_enough_and_vectors_come_later(
    office: Office, thinking: Thinking, remembering: Remembering, model: ScriptedModel, embedder: WordEmbedder
) -> None:
    model.script(NO_FACTS)
    embedder.is_away = True
    asked = await office.exchange("My bicycle is a green Peregrine.")
    await remember(remembering, office, asked)
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle do I have?"))
    assert await _vectors(office) == {}
    embedder.is_away = False
    await ActivityEnvironment().run(remembering.embed_memories)
    assert set((await _vectors(office)).values()) == {embedder.name}


async def test_another_embedding_model_takes_over_while_search_goes_on(
    office: Office,
    database: Database,
    vault: Vault,
    remembering: Remembering,
    model: ScriptedModel,
    messenger: RecordingMessenger,
    embedder: WordEmbedder,
) -> None:
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.", "Nice.")
    await remember(remembering, office, asked)
    newer = WordEmbedder("openai/newer", dimensions=96)
    both = GivenEmbedders({embedder.name: embedder, newer.name: newer})
    settings = remembering._settings.model_copy(update={"embedding_model": newer.name})
    thinking = Thinking(
        settings,
        database,
        vault,
        model,
        NothingCools(),
        {"slack": messenger},
        KeptWindows(),
        both,
    )
    changed = Remembering(settings, database, vault, model, NothingCools(), both)
    # Half-way: one memory is of the new model, the other still of the old one.
    newer.fails_after = 1
    await ActivityEnvironment().run(changed.embed_memories)
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle do I have?"))
    newer.fails_after = None
    await ActivityEnvironment().run(changed.embed_memories)
    assert set((await _vectors(office)).values()) == {newer.name}
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle do I have?", root="8.0"))


async def test_two_claims_never_get_the_same_work(office: Office, database: Database) -> None:
    asked = await office.exchange("I live in Bremen.")
    assert not [each for each in await work.claim(database, 1_000) if each.tenant_id == office.tenant_id]
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        conversation.memory_due_at = utc_now() - timedelta(seconds=1)
    claims = [await work.claim(database, 1_000) for _ in range(2)]
    mine = [each for claimed in claims for each in claimed if each.tenant_id == office.tenant_id]
    assert mine == [work.Due(office.tenant_id, asked.conversation_id)]
