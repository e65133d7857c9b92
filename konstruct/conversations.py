"""Turns: which messages an employee answers, what it gets to see, and how an answer leaves.

States of an inbound message: ``received`` (durable, nobody works on it), ``taken`` (a turn thinks about it), then
``answered``, or ``refused`` (over a limit), ``deleted`` (taken back), ``stopped`` (a person stopped the turn),
``failed`` (no answer could be given for too long).
States of an outbound message: ``pending``, ``sending`` (the channel may have it), ``sent``, ``failed``, or
``discarded`` (the conversation moved on before it was sent).
All functions that change a conversation lock its row first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.connections import open_account
from konstruct.errors import NotFound
from konstruct.identity import ConnectionId
from konstruct.inbox import outgoing
from konstruct.ports import ChannelAccount, Thread
from konstruct.tables import Contact, Conversation, Employee, EmployeeVersion, Message, Tenant
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


async def begin_turn(
    session: AsyncSession, vault: Vault, conversation_id: UUID, turn_id: UUID, message_ids: Sequence[UUID]
) -> Turn | list[UUID]:
    """Claims the messages for a turn. When an earlier attempt of this turn stored its answer, or there is nothing to
    answer, gives the ids of the messages to send instead."""
    conversation = await lock(session, conversation_id)
    stored = (
        await session.execute(
            select(Message.id)
            .where(col(Message.turn_id) == turn_id, col(Message.direction) == "outbound")
            .where(col(Message.purpose) == "reply")
            .order_by(col(Message.seq))
        )
    ).scalars()
    if replies := list(stored):
        return replies
    waiting = (
        await session.execute(
            select(Message.id)
            .where(col(Message.conversation_id) == conversation_id, col(Message.id).in_(message_ids))
            .where(col(Message.state).in_(("received", "taken")))
        )
    ).scalars()
    taken = list(waiting)
    if not taken or conversation.owner != "employee":
        return []
    await session.execute(update(Message).where(col(Message.id).in_(taken)).values(state="taken", turn_id=turn_id))
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound")
        .where(col(Message.state) == "pending", col(Message.purpose) == "reply")
        .values(state="discarded", settled_at=utc_now())
    )
    conversation.turn_id = turn_id
    return await _load(session, vault, conversation)


async def _load(session: AsyncSession, vault: Vault, conversation: Conversation) -> Turn:
    tenant = await session.get_one(Tenant, conversation.tenant_id)
    version = (
        await session.execute(
            select(EmployeeVersion)
            .join(Employee, col(Employee.id) == col(EmployeeVersion.employee_id))
            .where(col(Employee.id) == conversation.employee_id)
            .where(col(EmployeeVersion.number) == col(Employee.published_version))
        )
    ).scalar_one()
    latest = (
        await session.execute(
            select(Message)
            .where(col(Message.conversation_id) == conversation.id)
            .where(col(Message.state).in_(("taken", "answered", "stopped", "failed", "sending", "sent")))
            .where(col(Message.purpose) == "reply")
            .order_by(col(Message.seq).desc())
            .limit(WINDOW)
        )
    ).scalars()
    return Turn(
        tenant_name=tenant.name,
        tenant_models=tuple(tenant.models),
        employee=version,
        account=await open_account(session, vault, ConnectionId(conversation.connection_id)),
        thread=await thread_of(session, conversation),
        said=tuple(Said(message.direction == "inbound", message.body) for message in reversed(list(latest))),
    )


async def finish_turn(session: AsyncSession, conversation_id: UUID, turn_id: UUID, parts: Sequence[str]) -> list[UUID]:
    """Stores the answer, ready to be sent; nothing when the conversation has moved on meanwhile, or when all that was
    asked was taken back."""
    conversation = await lock(session, conversation_id)
    asked = (
        await session.execute(
            select(Message.id).where(col(Message.turn_id) == turn_id, col(Message.state) == "taken").limit(1)
        )
    ).first()
    if conversation.turn_id != turn_id or conversation.owner != "employee" or asked is None:
        return []
    messages = [outgoing(conversation, part, purpose="reply", author="employee", turn_id=turn_id) for part in parts]
    session.add_all(messages)
    return [message.id for message in messages]


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
    conversation = (
        await session.execute(select(Conversation).where(col(Conversation.id) == conversation_id).with_for_update())
    ).scalar_one_or_none()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


async def thread_of(session: AsyncSession, conversation: Conversation) -> Thread:
    contact = await session.get_one(Contact, (conversation.tenant_id, conversation.contact_id))
    return Thread(channel=conversation.channel, root=conversation.root, contact_external_id=contact.external_id)


async def whereabouts(session: AsyncSession, vault: Vault, conversation_id: UUID) -> tuple[ChannelAccount, Thread]:
    conversation = await lock(session, conversation_id)
    account = await open_account(session, vault, ConnectionId(conversation.connection_id))
    return account, await thread_of(session, conversation)
