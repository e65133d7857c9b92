"""Memory, from what was said to what a model is shown later; with a model that follows a script."""

import pytest

from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct import contacts
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.tables import Memory
from konstruct.vault import Vault
from tests.activities.conftest import MODELS
from tests.activities.memories import (
    NO_FACTS,
    contact_called,
    finds,
    remember,
    scripted_by,
    shown,
    vectors_of,
    whole,
)
from tests.support.doubles import (
    ScriptedModel,
    WordEmbedder,
)
from tests.support.office import Office, open_office


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
    vectors = await vectors_of(office)
    assert fact.id not in vectors


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
    await scripted_by(model, forget, remember(remembering, office, wish))

    for root in ("1.0", "2.0", "9.0"):
        assert "0421" not in whole(await shown(thinking, model, office, "What is my phone number?", root=root))
    [event] = await office.events("memory.forgotten")
    assert len(event.detail["messages"]) == 2
    # The record of what was said stays.
    assert any("0421-555" in (message.body or "") for message in await office.messages())


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
    contact = await contact_called(office, "U1")
    kept = await office.rows(Memory)
    assert [memory for memory in kept if memory.contact_id == contact.id] == []
    assert len([memory for memory in kept if memory.contact_id != contact.id]) == 2
    prompt = whole(await shown(thinking, model, office, "What is my bicycle?", root="1.0"))
    assert "Peregrine" not in prompt
