"""Consults: what an employee asks a colleague at the desk, the answer, which may take hours, and the word that goes
back to the conversation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy import bindparam, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, conversations, notices
from konstruct.db import Database
from konstruct.desk import people
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound, ToolFailed
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.tables import Consult, Contact, Conversation, Employee, EmployeeVersion, ToolCall
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

EXPIRES_AFTER: Final = timedelta(days=3)
QUESTION: Final = "consult question"
ANSWER: Final = "consult answer"
"""What ciphers call the purposes of what is kept of a consult."""
LONGEST_ANSWER: Final = 8_000
MOST_WAITING: Final = 3
"""Of one conversation: what a stranger talks an employee into must not keep people busy."""

State = Literal["waiting", "answered", "expired", "withdrawn"]

_ASKED = (
    select(Consult)
    .add_columns(col(EmployeeVersion.name))
    .join(Contact, col(Contact.id) == col(Consult.contact_id))
    .join(Conversation, col(Conversation.id) == col(Consult.conversation_id))
    .join(Employee, col(Employee.id) == col(Conversation.employee_id))
    .join(EmployeeVersion, col(EmployeeVersion.employee_id) == col(Employee.id))
    .where(col(EmployeeVersion.number) == col(Employee.published_version), col(Contact.erased_at).is_(None))
)
_LOCKED = (
    select(Consult)
    .where(col(Consult.id) == bindparam("consult_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True)
class Asked:
    """A consult as people are shown it, opened."""

    consult_id: UUID
    conversation_id: UUID
    employee: str
    colleague: str
    """The key under which the desk knows who was asked."""
    colleague_name: str
    question: str = field(repr=False)
    state: State
    answer: str = field(repr=False)
    """Empty until there is one."""
    settled_at: datetime | None
    """When it was answered, or was not to be any more."""
    expires_at: datetime
    created_at: datetime


async def ask(session: AsyncSession, vault: Vault, call: ToolCall, colleague: str, question: str) -> Asked:
    """Takes the question down, once for each call. Raises ToolFailed with a sentence for the model."""
    # No erasure is to miss it.
    await conversations.lock(session, call.conversation_id)
    known = await session.scalar(select(col(Consult.id)).where(col(Consult.call_id) == call.id))
    if known is not None:
        return await read(session, vault, known)
    if (await people.settings(session)).agent(colleague) is None:
        raise ToolFailed("There is no such colleague any more.")
    cipher = (await vault.ciphers(session, [call.contact_id])).get(call.contact_id)
    if cipher is None:
        raise ToolFailed("The person whom this is about was erased.")
    if await _waiting(session, call.conversation_id) >= MOST_WAITING:
        raise ToolFailed(f"Not asked: {MOST_WAITING} questions to colleagues wait here already. Go on without it.")
    consult_id = new_id()
    consult = Consult(
        tenant_id=call.tenant_id,
        id=consult_id,
        call_id=call.id,
        conversation_id=call.conversation_id,
        contact_id=call.contact_id,
        colleague=colleague,
        sealed_question=cipher.seal(QUESTION, consult_id, question),
        expires_at=utc_now() + EXPIRES_AFTER,
    )
    session.add(consult)
    _record(session, consult, "consult.asked", actor="employee")
    await session.flush()
    return await read(session, vault, consult_id)


async def read(session: AsyncSession, vault: Vault, consult_id: UUID) -> Asked:
    """Raises NotFound when the session's tenant has no such consult, or its contact was erased."""
    row = (await session.execute(_ASKED.where(col(Consult.id) == consult_id))).one_or_none()
    opened = await _opened(session, vault, [row] if row else [])
    if not opened:
        raise NotFound("There is no such question.")
    return opened[0]


async def listing(
    session: AsyncSession,
    vault: Vault,
    *,
    state: str | None = None,
    is_settled: bool = False,
    limit: int = 50,
    before: UUID | None = None,
) -> list[Asked]:
    """Newest first; those whose contact was erased are left out. ``before``: the last one of the page before.
    ``is_settled``: only what nobody is waited for any more."""
    query = _ASKED.order_by(col(Consult.id).desc()).limit(limit)
    query = query.where(col(Consult.state) == state) if state is not None else query
    query = query.where(col(Consult.state) != "waiting") if is_settled else query
    query = query.where(col(Consult.id) < before) if before is not None else query
    return await _opened(session, vault, (await session.execute(query)).all())


async def count_waiting(session: AsyncSession) -> int:
    counted: int = (
        await session.execute(
            select(func.count())
            .select_from(Consult)
            .where(col(Consult.state) == "waiting", col(Consult.expires_at) > utc_now())
        )
    ).scalar_one()
    return counted


async def with_card(session: AsyncSession, connection_id: UUID, channel: str, external_id: str) -> UUID | None:
    """The consult whose card this message of a channel is."""
    found: UUID | None = await session.scalar(
        select(col(Consult.id))
        .where(col(Consult.card_channel) == channel, col(Consult.card_external_id) == external_id)
        .where(col(Consult.card_connection_id) == connection_id)
    )
    return found


async def answer(session: AsyncSession, vault: Vault, consult_id: UUID, by: Agent, said: str) -> Asked:
    """Takes the answer of whoever was asked; the first one counts, and the same again changes nothing.

    Raises:
        NotFound: there is no such consult, or its contact was erased.
        NotAllowed: somebody else was asked.
        Conflict: it was answered before, or has expired.
        BadInput: it is empty or too long.
    """
    asked = await read(session, vault, consult_id)
    if by.key != asked.colleague:
        raise NotAllowed(f"{asked.colleague_name} was asked this: only what they write here is used.")
    said = said.strip()
    if not said:
        raise BadInput("There is no answer in this: write it as text.")
    if len(said) > LONGEST_ANSWER:
        raise BadInput(f"This is too long: an answer has at most {LONGEST_ANSWER:,} characters.")
    consult = await _lock(session, consult_id)
    cipher = (await vault.ciphers(session, [consult.contact_id]))[consult.contact_id]
    if consult.sealed_answer is not None:
        if cipher.open(ANSWER, consult.id, consult.sealed_answer) == said:
            return await read(session, vault, consult_id)
        raise Conflict("You answered this already, and that answer was used: this one is not.")
    if consult.state != "waiting" or consult.expires_at <= utc_now():
        raise Conflict("It is too late for an answer: the conversation has gone on without it.")
    consult.state, consult.settled_at = "answered", utc_now()
    consult.sealed_answer = cipher.seal(ANSWER, consult.id, said)
    _record(session, consult, "consult.answered", actor=by.key, content=consult.sealed_answer)
    return await read(session, vault, consult_id)


async def settle(session: AsyncSession, consult_id: UUID) -> Consult:
    """As it stands; what nobody answered in time has now expired."""
    consult = await _lock(session, consult_id)
    if consult.state == "waiting" and consult.expires_at <= utc_now():
        consult.state, consult.settled_at = "expired", utc_now()
        _record(session, consult, "consult.expired")
    return consult


async def begin_showing(session: AsyncSession, consult_id: UUID) -> None:
    """From now on it may stand in the channel, whatever becomes of whoever shows it there."""
    consult = await _lock(session, consult_id)
    consult.showing_at = consult.showing_at or utc_now()


async def shown(session: AsyncSession, consult_id: UUID, connection_id: UUID, channel: str, external_id: str) -> None:
    """Whoever is asked is shown it there."""
    consult = await _lock(session, consult_id)
    consult.card_connection_id, consult.card_channel, consult.card_external_id = connection_id, channel, external_id


async def announced(session: AsyncSession, consult_id: UUID) -> None:
    """All that can be done to have it seen was done."""
    (await _lock(session, consult_id)).announced_at = utc_now()


async def report(session: AsyncSession, vault: Vault, consult_id: UUID) -> UUID | None:
    """Tells the conversation what came of it, once: the note that its employee answers. None where there is nothing to
    be answered: a person has the conversation, or the contact was erased."""
    place = await get(session, consult_id)
    # The conversation before the rest, as everybody locks them.
    conversation = await conversations.changed(session, place.conversation_id)
    consult = await _lock(session, consult_id)
    consult.reported_at = consult.reported_at or utc_now()
    if consult.contact_id not in await vault.ciphers(session, [consult.contact_id]):
        return None
    told = _told(await read(session, vault, consult_id))
    note_id = await notices.add_note(
        session, vault, conversation, consult.contact_id, told, external_id=f"consult-{consult.id}"
    )
    return note_id if conversation.owner == "employee" else None


@dataclass(frozen=True)
class Unsettled:
    tenant_id: UUID
    consult_id: UUID


async def unsettled(database: Database, at_most: int) -> list[Unsettled]:
    """Consults of all tenants that have waited longer for their workflow than it takes to tell it."""
    async with database.system_session() as session:
        rows = await session.execute(text("select * from consults_unsettled(:at_most)"), {"at_most": at_most})
        return [Unsettled(row.tenant_id, row.consult_id) for row in rows]


async def note_swept(session: AsyncSession, consult_id: UUID) -> None:
    (await _lock(session, consult_id)).swept_at = utc_now()


async def get(session: AsyncSession, consult_id: UUID) -> Consult:
    """Raises NotFound when the session's tenant has no such consult."""
    consult = await session.scalar(select(Consult).where(col(Consult.id) == consult_id))
    if consult is None:
        raise NotFound("There is no such question.")
    return consult


async def _lock(session: AsyncSession, consult_id: UUID) -> Consult:
    consult = (await session.execute(_LOCKED, {"consult_id": consult_id})).scalar_one_or_none()
    if consult is None:
        raise NotFound("There is no such question.")
    return consult


async def _waiting(session: AsyncSession, conversation_id: UUID) -> int:
    counted: int = (
        await session.execute(
            select(func.count())
            .select_from(Consult)
            .where(col(Consult.conversation_id) == conversation_id)
            .where(col(Consult.state) == "waiting", col(Consult.expires_at) > utc_now())
        )
    ).scalar_one()
    return counted


async def _opened(session: AsyncSession, vault: Vault, rows: Sequence[Any]) -> list[Asked]:
    desk = await people.settings(session)
    ciphers = await vault.ciphers(session, {consult.contact_id for consult, _ in rows})
    return [
        Asked(
            consult_id=consult.id,
            conversation_id=consult.conversation_id,
            employee=employee,
            colleague=consult.colleague,
            colleague_name=desk.name_of(consult.colleague),
            question=cipher.open(QUESTION, consult.id, consult.sealed_question),
            state=cast(State, consult.state),
            answer=cipher.open(ANSWER, consult.id, consult.sealed_answer) if consult.sealed_answer else "",
            settled_at=consult.settled_at,
            expires_at=consult.expires_at,
            created_at=consult.created_at,
        )
        for consult, employee in rows
        if (cipher := ciphers.get(consult.contact_id)) is not None
    ]


def _told(asked: Asked) -> str:
    # As JSON: what is in the question may come from the person, and is not the product's word.
    parts = [f"You asked {asked.colleague_name}, a colleague: {json.dumps(asked.question, ensure_ascii=False)}"]
    if asked.state == "answered":
        parts.append(f"{asked.colleague_name} answered: {asked.answer}")
        parts.append("Tell the person you talk with what of it is for them, in their language.")
    else:
        parts.append(
            "Nobody answered in time. Tell the person you talk with so, in their language, and what you can do."
        )
    return "\n".join(parts)


def _record(
    session: AsyncSession, consult: Consult, action: str, *, actor: str = "runtime", content: bytes | None = None
) -> None:
    audit.record(
        session,
        tenant_id=consult.tenant_id,
        conversation_id=consult.conversation_id,
        actor=actor,
        action=action,
        subject_id=consult.contact_id,
        content=content,
        consult_id=str(consult.id),
        call_id=str(consult.call_id),
        colleague=consult.colleague,
    )
