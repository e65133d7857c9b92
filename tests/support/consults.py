"""Consults of an office: a desk with colleagues, and what an employee asks one of them."""

import json
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlmodel import select

from konstruct import consults
from konstruct.consults import Asked
from konstruct.identity import new_id
from konstruct.tables import Consult, Conversation, Step, Tenant, ToolCall
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from tests.support.office import Office

ANNA, BEN = "UANNA", "UBEN"
"""Their users in Slack. Cleo has none."""
CHANNEL: Final = "C9"
QUESTION: Final = "May A-17 be refunded?"

PEOPLE: Final[dict[str, dict[str, str]]] = {
    "anna": {"name": "Anna Berg", "slack": ANNA},
    "ben": {"name": "Ben Okoro", "slack": BEN},
    "cleo": {"name": "Cleo Vega"},
}


async def set_desk(office: Office, **changed: Any) -> None:
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        tenant.desk = {"connection": "slack", "channel": CHANNEL, "people": PEOPLE} | changed


async def call(office: Office, *, contact: str = "U1", conversation_id: UUID | None = None) -> ToolCall:
    """One of ``ask_colleague`` that is being made; of a conversation of its own unless one is named."""
    call_id, turn_id = new_id(), new_id()
    if conversation_id is None:
        conversation_id = (await office.say("May it be refunded?", root=str(call_id), contact=contact)).conversation_id
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, conversation_id))
        cipher = await office.vault.cipher(session, office.tenant_id, conversation.contact_id)
        of: dict[str, Any] = {
            "tenant_id": office.tenant_id,
            "conversation_id": conversation.id,
            "contact_id": conversation.contact_id,
            "turn_id": turn_id,
        }
        session.add(Step(**of, number=0, after_seq=1, link="openai/gpt"))
        await session.flush()
        text = json.dumps({"colleague": "ben", "question": QUESTION})
        made = ToolCall(
            **of,
            id=call_id,
            step=0,
            position=0,
            model_call_id="call_1",
            tool="ask_colleague",
            risk="sends",
            sealed_arguments=cipher.seal(calls.ARGUMENTS, call_id, text),
            fingerprint=cipher.fingerprint(text),
            state="running",
        )
        session.add(made)
    return made


async def ask(
    office: Office,
    question: str = QUESTION,
    *,
    colleague: str = "ben",
    of: ToolCall | None = None,
    contact: str = "U1",
) -> Asked:
    made = of or await call(office, contact=contact)
    async with office.session() as session:
        return await consults.ask(session, office.vault, made, colleague, question)


async def row(office: Office, consult_id: UUID) -> Consult:
    async with office.session() as session:
        return (await session.scalars(select(Consult).where(Consult.id == consult_id))).one()


async def let_pass(office: Office, consult_id: UUID, **columns: timedelta) -> None:
    """As if these times had been so much earlier."""
    async with office.session() as session:
        found = await session.get_one(Consult, (office.tenant_id, consult_id))
        for name, time in columns.items():
            setattr(found, name, (getattr(found, name) or utc_now()) - time)
