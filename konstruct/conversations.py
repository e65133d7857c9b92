"""Turns: which messages an employee answers, what it gets to see, and how an answer leaves.

States of an inbound message: ``received`` (durable, nobody works on it), ``taken`` (a turn thinks about it), then
``answered``, or ``refused`` (over a limit), ``deleted`` (taken back), ``stopped`` (a person stopped the turn),
``failed`` (no answer could be given for too long).
States of an outbound message: ``pending``, ``sending`` (the channel may have it), ``sent``, ``failed``, or
``discarded`` (the conversation moved on before it was sent).
All functions that change a conversation lock its row first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from sqlalchemy import DateTime, Uuid, and_, bindparam, case, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.connections import unsealed
from konstruct.errors import NotFound
from konstruct.inbox import outgoing
from konstruct.ports import ChannelAccount, Thread
from konstruct.tables import Connection, Contact, Conversation, Employee, EmployeeVersion, Message, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

WINDOW = 80
"""Latest messages that a turn may look back on; the model's own window cuts further."""


@dataclass(frozen=True)
class Said:
    """One line of the conversation as a model is shown it."""

    by_contact: bool
    text: str


@dataclass(frozen=True)
class Turn:
    """All that thinking needs, read in one transaction."""

    tenant_name: str
    tenant_models: tuple[str, ...]
    employee: EmployeeVersion
    account: ChannelAccount
    thread: Thread
    said: tuple[Said, ...]
    """Oldest first; ends with what is to be answered."""


# Statements of every turn are built once: building one takes longer than running it.
_IS_INBOUND = col(Message.direction) == "inbound"
_IS_REPLY = and_(col(Message.direction) == "outbound", col(Message.purpose) == "reply")
_STORED = select(Message.id).where(col(Message.turn_id) == bindparam("of_turn"), _IS_REPLY).order_by(col(Message.seq))
# One statement for both, since each costs a turn more than what it does: all that waits for an answer is taken, and an
# older answer that nobody has begun to send is discarded.
_CLAIM = (
    update(Message)
    .where(col(Message.conversation_id) == bindparam("of_conversation"))
    .where(col(Message.state).in_(("received", "taken", "pending")), or_(_IS_INBOUND, _IS_REPLY))
    .values(
        state=case((_IS_INBOUND, "taken"), else_="discarded"),
        turn_id=case((_IS_INBOUND, bindparam("of_turn", type_=Uuid)), else_=col(Message.turn_id)),
        settled_at=case((_IS_INBOUND, col(Message.settled_at)), else_=bindparam("at", type_=DateTime(timezone=True))),
    )
    .returning(col(Message.direction))
    .execution_options(synchronize_session=False)
)
_SAID = (
    select(Message.direction, Message.body, Message.seq, Message.turn_id)
    .where(col(Message.conversation_id) == bindparam("conversation_id"))
    .where(col(Message.state).in_(("taken", "answered", "stopped", "failed", "sending", "sent")))
    .where(col(Message.purpose) == "reply")
    .order_by(col(Message.seq).desc())
    .limit(WINDOW)
)
_ASKED = select(Message.id).where(col(Message.turn_id) == bindparam("of_turn"), col(Message.state) == "taken").limit(1)
_LOCKED = select(Conversation).where(col(Conversation.id) == bindparam("conversation_id")).with_for_update()
_WHEREABOUTS = (
    select(Conversation, Tenant, EmployeeVersion, Connection)
    .add_columns(col(Contact.external_id))
    .join(Tenant, col(Tenant.id) == col(Conversation.tenant_id))
    .join(Employee, col(Employee.id) == col(Conversation.employee_id))
    .join(
        EmployeeVersion,
        and_(
            col(EmployeeVersion.employee_id) == col(Employee.id),
            col(EmployeeVersion.number) == col(Employee.published_version),
        ),
    )
    .join(Connection, col(Connection.id) == col(Conversation.connection_id))
    .join(Contact, col(Contact.id) == col(Conversation.contact_id))
    .where(col(Conversation.id) == bindparam("conversation_id"))
    .with_for_update(of=Conversation)
)


async def begin_turn(session: AsyncSession, vault: Vault, conversation_id: UUID, turn_id: UUID) -> Turn | list[UUID]:
    """Claims all that waits for an answer, even what its workflow was not told of yet: so what was said is answered in
    its order. When an earlier attempt of this turn stored its answer, or there is nothing to answer, gives the ids of
    the messages to send instead."""
    found = await whereabouts(session, vault, conversation_id)
    conversation = found.conversation
    # Only an earlier attempt of this very turn can have left its id here.
    if conversation.turn_id == turn_id and (stored := await _stored(session, turn_id)):
        return stored
    if conversation.owner != "employee":
        return []
    claim = {"of_conversation": conversation_id, "of_turn": turn_id, "at": utc_now()}
    if "inbound" not in (await session.execute(_CLAIM, claim)).scalars().all():
        return []
    conversation.turn_id = turn_id
    return Turn(
        tenant_name=found.tenant.name,
        tenant_models=tuple(found.tenant.models),
        employee=found.employee,
        account=found.account,
        thread=found.thread,
        said=await _said(session, conversation_id, turn_id),
    )


async def _said(session: AsyncSession, conversation_id: UUID, turn_id: UUID) -> tuple[Said, ...]:
    """By turns, each question before its answer: what came in while an older question was being answered was written
    before that answer, and yet is what comes after it."""
    latest = (await session.execute(_SAID, {"conversation_id": conversation_id})).all()
    # The latest first, so that of an answer in parts the first part's place is what stays.
    answered_at: dict[UUID | None, float] = {
        of_turn: seq for way, _, seq, of_turn in latest if way == "outbound" and of_turn is not None
    }
    answered_at[turn_id] = math.inf

    def place(line: tuple[str, str, int, UUID | None]) -> tuple[float, bool, int]:
        direction, _, seq, of_turn = line
        is_answer = direction == "outbound"
        return (seq if is_answer else answered_at.get(of_turn, seq), is_answer, seq)

    in_order = sorted(latest, key=place)
    return tuple(Said(direction == "inbound", body) for direction, body, _, _ in in_order)


async def _stored(session: AsyncSession, turn_id: UUID) -> list[UUID]:
    return list((await session.execute(_STORED, {"of_turn": turn_id})).scalars())


@dataclass(frozen=True)
class Finished:
    """``stored_before``: the answer of an earlier attempt of this turn stands. ``nothing``: a person owns the
    conversation now, or all that was asked was taken back. ``superseded``: another turn has begun meanwhile."""

    outcome: Literal["stored", "stored_before", "nothing", "superseded"]
    reply_ids: list[UUID] = field(default_factory=list)


async def finish_turn(session: AsyncSession, conversation_id: UUID, turn_id: UUID, parts: Sequence[str]) -> Finished:
    """Stores the answer, ready to be sent; of several attempts of one turn, the first one's."""
    conversation = await lock(session, conversation_id)
    if conversation.turn_id != turn_id:
        return Finished("superseded")
    if stored := await _stored(session, turn_id):
        return Finished("stored_before", stored)
    if conversation.owner != "employee" or (await session.execute(_ASKED, {"of_turn": turn_id})).first() is None:
        return Finished("nothing")
    messages = [outgoing(conversation, part, purpose="reply", author="employee", turn_id=turn_id) for part in parts]
    session.add_all(messages)
    return Finished("stored", [message.id for message in messages])


async def add_notice(session: AsyncSession, conversation_id: UUID, turn_id: UUID, body: str) -> UUID:
    """A sentence of the product's own, once a turn."""
    conversation = await lock(session, conversation_id)
    known = (
        await session.execute(
            select(Message.id).where(col(Message.turn_id) == turn_id, col(Message.purpose) == "notice")
        )
    ).scalar_one_or_none()
    if known is not None:
        return known
    notice = outgoing(conversation, body, purpose="notice", author="system", turn_id=turn_id)
    session.add(notice)
    return notice.id


async def abandon(session: AsyncSession, conversation_id: UUID, message_ids: Sequence[UUID], why: str) -> None:
    """These messages get no answer; a turn that still thinks about them may not give one either."""
    conversation = await lock(session, conversation_id)
    conversation.turn_id = None
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.id).in_(message_ids))
        .where(col(Message.state).in_(("received", "taken")))
        .values(state=why, settled_at=utc_now())
    )
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound")
        .where(col(Message.state) == "pending", col(Message.purpose) == "reply")
        .values(state="discarded", settled_at=utc_now())
    )
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation_id,
        actor="contact" if why == "stopped" else "runtime",
        action=f"turn.{why}",
        messages=[str(message_id) for message_id in message_ids],
    )


async def lock(session: AsyncSession, conversation_id: UUID) -> Conversation:
    """Raises NotFound when the session's tenant has no such conversation."""
    conversation = (await session.execute(_LOCKED, {"conversation_id": conversation_id})).scalar_one_or_none()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


@dataclass(frozen=True)
class Whereabouts:
    """A conversation and all around it: who answers in it, through what, and where."""

    conversation: Conversation
    tenant: Tenant
    employee: EmployeeVersion
    account: ChannelAccount
    thread: Thread


async def whereabouts(session: AsyncSession, vault: Vault, conversation_id: UUID) -> Whereabouts:
    """Locks as ``lock`` does, in the one statement that reads the rest, too. Raises as it does."""
    row = (await session.execute(_WHEREABOUTS, {"conversation_id": conversation_id})).one_or_none()
    if row is None:
        raise NotFound("There is no such conversation.")
    conversation, tenant, employee, connection, contact_external_id = row
    return Whereabouts(
        conversation=conversation,
        tenant=tenant,
        employee=employee,
        account=await unsealed(session, vault, connection),
        thread=Thread(channel=conversation.channel, root=conversation.root, contact_external_id=contact_external_id),
    )
