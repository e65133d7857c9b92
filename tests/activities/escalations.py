"""Rules of escalation for a test: giving them to an employee, what a judge says, and what came of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from activities.thinking import Thinking
from konstruct.handoffs import owning
from konstruct.inbox import Accepted
from konstruct.ports import ChatMessage
from konstruct.tables import Conversation, Handoff, Judgement
from tests.activities.turns import Turn
from tests.support.doubles import Calling, ScriptedModel
from tests.support.office import Office
from tests.support.workshop import publish

HAND_OFF = {"hand_off": {"to": "support", "priority": "high"}}
TELL = {"tell": {"to": "support"}}
ANGRY = '{"mood": "angry"}'
NOTHING = '{"mood": "neutral"}'


def rule(when: dict[str, Any], then: dict[str, Any] = HAND_OFF, name: str = "rule") -> dict[str, Any]:
    return {"name": name, "when": when, "then": then}


async def rules(office: Office, *given: dict[str, Any], tools: Sequence[Any] = ()) -> None:
    """A version of the employee that has these."""
    await publish(office, *tools, escalation=given)


def is_judges(prompt: Sequence[ChatMessage]) -> bool:
    return "You judge one moment of a chat" in prompt[0].content


def answering(model: ScriptedModel, judgement: str, answer: str | Calling = "Hello!") -> None:
    model.answer_of = lambda prompt: judgement if is_judges(prompt) else answer


def asked_of(model: ScriptedModel) -> list[str]:
    """Who was asked, in no order."""
    return sorted("judge" if is_judges(prompt) else "employee" for prompt in model.prompts)


async def handoffs(office: Office) -> list[Handoff]:
    return await office.rows(Handoff)


async def judged(office: Office) -> list[Judgement]:
    async with office.session() as session:
        return list(await session.scalars(select(Judgement).order_by(col(Judgement.created_at))))


async def reason(office: Office, handoff: Handoff) -> str:
    async with office.session() as session:
        cipher = await office.vault.cipher(session, office.tenant_id, handoff.contact_id)
    return cipher.open(owning.REASON, handoff.id, handoff.sealed_reason)


async def owner(office: Office, asked: Accepted) -> str:
    async with office.session() as session:
        return (await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))).owner


async def send(office: Office, asked: Accepted, reply_ids: Sequence[UUID]) -> None:
    for reply_id in reply_ids:
        await office.begin_send(asked, reply_id)
        await office.settle_sent(asked, reply_id)


async def converse(office: Office, thinking: Thinking, *texts: str) -> Turn:
    """Turns that are answered, all of one conversation."""
    for text in texts:
        turn = Turn(office, thinking, await office.say(text))
        await send(office, turn.asked, (await turn.think()).reply_ids)
    return turn
