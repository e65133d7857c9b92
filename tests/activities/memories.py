"""Making memory, and looking at what a model is shown of it."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.contracts.memory import RememberRequest
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ChatMessage
from konstruct.tables import Contact, Conversation, ConversationSummary, MemoryVector
from tests.support.doubles import (
    ScriptedModel,
)
from tests.support.office import Office

NO_FACTS = '{"facts": [], "forget": []}'


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


async def vectors_of(office: Office) -> dict[UUID, str]:
    async with office.session() as session:
        return {row.memory_id: row.model for row in await session.scalars(select(MemoryVector))}


async def scripted_by(model: ScriptedModel, answer: Callable[[str], str], doing: object) -> None:
    """The model's next answer is made of the prompt that it gets."""
    model.answer_of = lambda messages: answer(messages[-1].content)
    try:
        await doing  # type: ignore[misc]
    finally:
        model.answer_of = None


async def contact_called(office: Office, external_id: str) -> Contact:
    [contact] = [row for row in await office.rows(Contact) if row.external_id == external_id]
    return contact


async def summaries_of(office: Office) -> list[ConversationSummary]:
    async with office.session() as session:
        return list(await session.scalars(select(ConversationSummary)))


async def due_at(office: Office, asked: Accepted) -> datetime:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
    assert conversation.memory_due_at
    return conversation.memory_due_at
