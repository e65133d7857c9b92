"""Memory as time goes by: summaries, changes of mind, cuts, quiet, and another embedding model."""

from datetime import timedelta

from sqlmodel import update
from temporalio.testing import ActivityEnvironment

from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct import conversations, messages, revising
from konstruct.contracts.memory import RememberRequest
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.memory import due, work
from konstruct.ports import ModelCallError
from konstruct.tables import Conversation, Memory, Message, Usage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.activities.memories import (
    NO_FACTS,
    due_at,
    finds,
    remember,
    scripted_by,
    shown,
    summaries_of,
    vectors_of,
    whole,
)
from tests.support.doubles import (
    GivenEmbedders,
    KeptWindows,
    NothingCools,
    RecordingMessenger,
    ScriptedModel,
    WordEmbedder,
)
from tests.support.office import Office, open_office


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

    await scripted_by(model, answer, remember(remembering, office, asked))
    [prompt] = summarising
    assert "canary-0" in prompt
    assert f"canary-{work.WINDOW_TURNS + 1}" not in prompt
    [summary] = await summaries_of(office)
    system, *rest = await shown(thinking, model, office, "What was fact 3 again?", root="1.0")
    assert "The person told of canary-0 and more." in system.content
    assert "“Fact 3 is canary-3.”" in system.content
    assert 20 <= len([message for message in rest if message.role == "user"]) <= 22
    assert "canary-3." not in "".join(message.content for message in rest)
    assert summary.through_seq % 2 == 0
    used = {row.purpose: row for row in await office.rows(Usage)}
    assert set(used) == {"facts", "summary", "reply"}


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
        await scripted_by(model, answer, remember(remembering, office, asked))
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
    assert len(await summaries_of(office)) == 1


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
        await revising.edit(session, office.vault, office.ref, "C1:7", "My bicycle is a Falcon.")
    model.script(NO_FACTS)
    await remember(remembering, office, asked)
    prompt = whole(await shown(thinking, model, office, "Which bicycle do I have?"))
    assert "Falcon" in prompt
    assert "Peregrine" not in prompt
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:7")
    await remember(remembering, office, asked)
    assert "Falcon" not in whole(await shown(thinking, model, office, "Which bicycle do I have?", root="8.0"))


async def test_what_is_cut_off_is_done_again_and_nothing_is_kept_twice(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    asked = await office.exchange("I live in Bremen.", "Noted.")
    model.script(ModelCallError("server", "It broke."))
    await remember(remembering, office, asked)
    assert timedelta(seconds=50) < (await due_at(office, asked)) - utc_now() < timedelta(seconds=61)
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
    for number in range(due.DIGEST_LINES // 2):
        await office.exchange(f"Line {number}.")
    # What is said does not wait with them.
    assert await due_at(office, asked) - utc_now() < timedelta(seconds=3)
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
    assert await vectors_of(office) == {}
    embedder.is_away = False
    await ActivityEnvironment().run(remembering.embed_memories)
    assert set((await vectors_of(office)).values()) == {embedder.name}


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
    assert set((await vectors_of(office)).values()) == {newer.name}
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle do I have?", root="8.0"))


async def test_two_claims_never_get_the_same_work(office: Office, database: Database) -> None:
    asked = await office.exchange("I live in Bremen.")
    assert not [each for each in await due.claim(database, 1_000) if each.tenant_id == office.tenant_id]
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        conversation.memory_due_at = utc_now() - timedelta(seconds=1)
    claims = [await due.claim(database, 1_000) for _ in range(2)]
    mine = [each for claimed in claims for each in claimed if each.tenant_id == office.tenant_id]
    assert mine == [due.Due(office.tenant_id, asked.conversation_id)]


async def test_answers_to_what_was_taken_back_are_not_in_the_way(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    asked = await office.say("Canary", external_id="C1:1")
    for message_id in await office.answer(asked, *("word" for _ in range(due.DIGEST_LINES - 1))):
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:1")
    await remember(remembering, office, asked)
    assert await _digested(office) == 0
    # A few may yet be what somebody goes on from; many are not.
    async with office.session() as session:
        conversation = await conversations.lock(session, asked.conversation_id)
        cipher = await office.vault.cipher(session, office.tenant_id, conversation.contact_id)
        session.add(messages.outgoing_reply(conversation, cipher, conversation.contact_id, "word", turn_id=new_id()))
        await session.flush()
        await session.execute(update(Message).values(state="sent"))
    await remember(remembering, office, asked)
    assert await _digested(office) == due.DIGEST_LINES + 1
    assert not model.prompts


async def _digested(office: Office) -> int:
    [conversation] = await office.rows(Conversation)
    return conversation.digested_seq
