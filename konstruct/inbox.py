"""What comes in: one durable write for each message, whatever a channel repeats, edits or takes back."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, limits
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.identity import ConnectionId, ConversationId, MessageId, new_id
from konstruct.ports import Limit, Limiter, Verdict
from konstruct.tables import Connection, Contact, Conversation, EmployeeBinding, Message, QuarantinedEvent, Tenant
from konstruct.tables.base import utc_now

MAX_BODY = 40_000
"""Characters of one message that are kept, in and out; Slack's own limit."""


# Statements of every message are built once: building one takes longer than running it.
_LIMITS = select(Tenant.limits).where(col(Tenant.id) == bindparam("tenant_id"))
_REPEATED = (
    select(Message.id)
    .where(col(Message.connection_id) == bindparam("connection_id"))
    .where(col(Message.external_id) == bindparam("external_id"))
)
_CONTACT = (
    select(Contact.id)
    .where(col(Contact.connection_id) == bindparam("connection_id"))
    .where(col(Contact.external_id) == bindparam("external_id"))
)
_IN_THREAD = (
    select(Conversation)
    .where(col(Conversation.connection_id) == bindparam("connection_id"))
    .where(col(Conversation.channel) == bindparam("channel"))
    .where(col(Conversation.root) == bindparam("root"))
)
_LOCKED_IN_THREAD = _IN_THREAD.with_for_update()


@dataclass(frozen=True)
class Inbound:
    """One message of a contact, as every channel can say it."""

    channel: str
    root: str
    external_id: str
    """The channel's id of the message, the same in every repetition."""
    contact_external_id: str
    text: str


@dataclass(frozen=True)
class Accepted:
    conversation_id: ConversationId
    message_id: MessageId
    is_new: bool
    """False for a repetition, which changed nothing."""
    notice_id: MessageId | None = None
    """Set when the message was over a limit and the contact is to be told so: the notice to send."""
    is_refused: bool = False


async def accept(database: Database, limiter: Limiter, connection: ConnectionRef, inbound: Inbound) -> Accepted:
    """Makes a message durable, with its contact and conversation; after this it cannot be lost.

    Raises:
        Unavailable: the database does not answer; nothing was kept, and the sender must send again.
    """
    async with database.tenant_session(connection.tenant_id) as session:
        configured = (await session.execute(_LIMITS, {"tenant_id": connection.tenant_id})).scalar_one()
    buckets = _buckets(configured, connection, inbound.contact_external_id)
    verdict = await limiter.check(f"{connection.connection_id}:{inbound.external_id}", buckets)
    async with database.tenant_session(connection.tenant_id) as session:
        return await _store(session, connection, inbound, verdict, {scope: limit for scope, _, limit in buckets})


def _buckets(configured: dict[str, str], connection: ConnectionRef, contact: str) -> list[tuple[str, str, Limit]]:
    """The narrowest last: when several are hit, the contact is told of the one that lasts longest."""
    tenant = f"{{{connection.tenant_id}}}"
    keys = {
        "tenant": f"limit:{tenant}",
        "connection": f"limit:{tenant}:{connection.connection_id}",
        "contact": f"limit:{tenant}:{connection.connection_id}:{contact}",
    }
    chosen = {**limits.DEFAULT_LIMITS, **{scope: limits.parse(text) for scope, text in configured.items()}}
    return [(scope, key, chosen[scope]) for scope, key in keys.items()]


async def _store(
    session: AsyncSession, connection: ConnectionRef, inbound: Inbound, verdict: Verdict, limit_of: dict[str, Limit]
) -> Accepted:
    contact_id = await _contact(session, connection, inbound.contact_external_id)
    conversation = await _conversation(session, connection, inbound, contact_id)
    of_message = {"connection_id": connection.connection_id, "external_id": inbound.external_id}
    repeated = (await session.execute(_REPEATED, of_message)).scalar_one_or_none()
    if repeated is not None:
        return Accepted(ConversationId(conversation.id), MessageId(repeated), is_new=False)
    message = Message(
        tenant_id=connection.tenant_id,
        conversation_id=conversation.id,
        connection_id=connection.connection_id,
        seq=_next_seq(conversation),
        direction="inbound",
        author="contact",
        contact_id=contact_id,
        body=_storable(inbound.text),
        external_id=inbound.external_id,
        state="received" if verdict.allowed else "refused",
        detail={} if verdict.allowed else {"limit": verdict.scope},
    )
    session.add(message)
    notice = None
    if not verdict.allowed:
        if verdict.tell:
            notice = outgoing(
                conversation, limits.sentence(verdict, limit_of[verdict.scope]), purpose="notice", author="system"
            )
            session.add(notice)
        audit.record(
            session,
            tenant_id=connection.tenant_id,
            conversation_id=conversation.id,
            actor="limiter",
            action="message.refused",
            message_id=str(message.id),
            limit=verdict.scope,
            told=verdict.tell,
        )
    return Accepted(
        ConversationId(conversation.id),
        MessageId(message.id),
        is_new=True,
        notice_id=MessageId(notice.id) if notice else None,
        is_refused=not verdict.allowed,
    )


def outgoing(
    conversation: Conversation, body: str, *, purpose: str, author: str, turn_id: UUID | None = None
) -> Message:
    """A message that waits to be sent, next in its conversation. The conversation's row must be locked."""
    return Message(
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        connection_id=conversation.connection_id,
        seq=_next_seq(conversation),
        direction="outbound",
        author=author,
        body=_storable(body),
        state="pending",
        purpose=purpose,
        turn_id=turn_id,
        epoch=conversation.epoch,
    )


def _storable(text: str) -> str:
    """Without what Postgres takes in no text: NUL, and halves of characters."""
    return text[:MAX_BODY].replace("\0", "").encode("utf-8", "replace").decode()


def _next_seq(conversation: Conversation) -> int:
    conversation.last_seq += 1
    return conversation.last_seq


async def _contact(session: AsyncSession, connection: ConnectionRef, external_id: str) -> UUID:
    of_contact = {"connection_id": connection.connection_id, "external_id": external_id}
    found = (await session.execute(_CONTACT, of_contact)).scalar_one_or_none()
    if found is not None:
        return found
    await session.execute(
        insert(Contact)
        .values(
            tenant_id=connection.tenant_id,
            id=new_id(),
            connection_id=connection.connection_id,
            external_id=external_id,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "connection_id", "external_id"])
    )
    return (await session.execute(_CONTACT, of_contact)).scalar_one()


async def _conversation(
    session: AsyncSession, connection: ConnectionRef, inbound: Inbound, contact_id: UUID
) -> Conversation:
    """The thread's conversation with its row locked, made at its first message."""
    of_thread = {"connection_id": connection.connection_id, "channel": inbound.channel, "root": inbound.root}
    found = (await session.execute(_LOCKED_IN_THREAD, of_thread)).scalar_one_or_none()
    if found is not None:
        return found
    await session.execute(
        insert(Conversation)
        .values(
            tenant_id=connection.tenant_id,
            id=new_id(),
            connection_id=connection.connection_id,
            contact_id=contact_id,
            employee_id=await _serving_employee(session, connection, inbound.channel),
            channel=inbound.channel,
            root=inbound.root,
            owner="employee",
            epoch=0,
            last_seq=0,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "connection_id", "channel", "root"])
    )
    return (await session.execute(_LOCKED_IN_THREAD, of_thread)).scalar_one()


async def _serving_employee(session: AsyncSession, connection: ConnectionRef, channel: str) -> UUID:
    bound = (
        await session.execute(
            select(EmployeeBinding.employee_id)
            .where(col(EmployeeBinding.connection_id) == connection.connection_id)
            .where(col(EmployeeBinding.channel) == channel)
        )
    ).scalar_one_or_none()
    if bound is not None:
        return bound
    return (
        await session.execute(select(Connection.employee_id).where(col(Connection.id) == connection.connection_id))
    ).scalar_one()


async def conversation_at(
    session: AsyncSession, connection_id: ConnectionId, channel: str, root: str
) -> ConversationId | None:
    of_thread = {"connection_id": connection_id, "channel": channel, "root": root}
    found = (await session.execute(_IN_THREAD, of_thread)).scalar_one_or_none()
    return None if found is None else ConversationId(found.id)


async def edit(session: AsyncSession, connection_id: ConnectionId, external_id: str, text: str) -> None:
    """Keeps the new wording for what is thought from now on; an answer that was given, or is being thought, stands."""
    await session.execute(
        update(Message)
        .where(col(Message.connection_id) == connection_id)
        .where(col(Message.external_id) == external_id)
        .where(col(Message.direction) == "inbound", col(Message.state) != "deleted")
        .values(body=_storable(text))
    )


async def remove(session: AsyncSession, connection_id: ConnectionId, external_id: str) -> None:
    """Forgets what a contact took back; what was not answered yet never will be."""
    await session.execute(
        update(Message)
        .where(col(Message.connection_id) == connection_id)
        .where(col(Message.external_id) == external_id)
        .where(col(Message.direction) == "inbound")
        .values(body="", state="deleted", settled_at=utc_now())
    )


async def forget_quarantined(database: Database) -> None:
    """Drops what was kept aside a week ago: a forgotten installation may go on sending for ever."""
    async with database.system_session() as session:
        await session.execute(sql("select forget_quarantined()"))


async def quarantine(database: Database, *, channel: str, reason: str, body: bytes) -> None:
    """Keeps a signed request that could not be processed, so that a person can look at it."""
    async with database.system_session() as session:
        session.add(QuarantinedEvent(channel=channel, reason=reason, body=body))


@dataclass(frozen=True)
class Unsettled:
    tenant_id: UUID
    conversation_id: UUID
    message_id: UUID
    is_notice: bool


async def unsettled(database: Database, at_most: int) -> list[Unsettled]:
    """Messages of all tenants that have waited longer than any signal takes, oldest first."""
    async with database.system_session() as session:
        rows = await session.execute(sql("select * from unsettled_messages(:at_most)"), {"at_most": at_most})
        return [Unsettled(row.tenant_id, row.conversation_id, row.message_id, row.purpose == "notice") for row in rows]


async def note_swept(database: Database, message: Unsettled) -> None:
    """Keeps later sweeps from signalling it again at once: a workflow's history holds only so many signals."""
    async with database.tenant_session(message.tenant_id) as session:
        await session.execute(update(Message).where(col(Message.id) == message.message_id).values(swept_at=utc_now()))
