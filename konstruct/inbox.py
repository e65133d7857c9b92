"""What comes in: one durable write for each message, whatever a channel repeats."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import aliases, audit, connections, consent, limits, messages, naming, repeating, reply_window, revising
from konstruct.aliases import Names
from konstruct.billing import asking
from konstruct.connections import ConnectionRef
from konstruct.db import Database, after_commit
from konstruct.errors import Deadlocked, Unavailable
from konstruct.files import keeping
from konstruct.identity import ConnectionId, ConversationId, MessageId, new_id
from konstruct.observing import metrics
from konstruct.ports import Limit, Limiter, Verdict
from konstruct.satisfaction import answering
from konstruct.scope import sentences
from konstruct.scope.stopping import opts_out
from konstruct.tables import (
    BillingAccount,
    Connection,
    Contact,
    ContactKey,
    Conversation,
    EarlyChange,
    Message,
    Tenant,
)
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

REMEMBER_AFTER = timedelta(seconds=2)
"""What was said is remembered this long after it was settled, along with what else was said until then."""

WRITTEN_AT_MOST = 5
"""Times that writing a message is begun, where others give its contact another name meanwhile, or stand in its way."""


class _RenamedMeanwhile(Exception):
    """What was found by the earlier name may be another conversation now."""


# Statements of every message are built once: building one takes longer than running it.
_LIMITS = (
    select(col(Tenant.limits), col(Tenant.time_zone), col(BillingAccount.tenant_id).is_not(None), repeating.ERASED)
    .outerjoin(BillingAccount, col(BillingAccount.tenant_id) == col(Tenant.id))
    .where(col(Tenant.id) == bindparam("tenant_id"))
)
_REPEATED = (
    select(Message.id)
    .where(col(Message.connection_id) == bindparam("connection_id"))
    .where(col(Message.external_id) == bindparam("external_id"))
    .scalar_subquery()
)
# Held until the message is there, so that a contact is not erased in between. The message's own foreign key takes the
# same lock.
_KNOWN = (
    select(col(Contact.erased_at), col(Contact.external_id), col(Contact.opted_out_at), col(ContactKey.wrapped))
    .add_columns(col(Contact.sealed_name), col(Contact.named_at), col(Contact.name_due_at))
    .add_columns(col(Connection.functions), col(Connection.kind), _REPEATED, EarlyChange)
    .join(
        Connection,
        and_(col(Connection.tenant_id) == col(Contact.tenant_id), col(Connection.id) == col(Contact.connection_id)),
    )
    .outerjoin(
        ContactKey,
        and_(col(ContactKey.tenant_id) == col(Contact.tenant_id), col(ContactKey.contact_id) == col(Contact.id)),
    )
    .outerjoin(
        EarlyChange,
        and_(
            col(EarlyChange.tenant_id) == col(Contact.tenant_id),
            col(EarlyChange.connection_id) == col(Contact.connection_id),
            col(EarlyChange.erased_id) == bindparam("erased_id"),
        ),
    )
    .where(col(Contact.id) == bindparam("contact_id"))
    .with_for_update(key_share=True, read=True, of=Contact)
)
_IN_THREAD = (
    select(Conversation)
    .where(col(Conversation.connection_id) == bindparam("connection_id"))
    .where(col(Conversation.channel) == bindparam("channel"))
    .where(col(Conversation.root) == bindparam("root"))
)
# The weaker kind of lock wherever a conversation is locked: rows that belong to it can be written by whoever does not
# change it, as memory is.
_LOCKED_IN_THREAD = _IN_THREAD.with_for_update(key_share=True)


@dataclass(frozen=True)
class Inbound:
    """One message of a contact, as every channel can say it."""

    channel: str
    root: str
    external_id: str
    """The channel's id of the message, the same in every repetition."""
    contact_external_id: str
    text: str
    files: tuple[messages.SentFile, ...] = ()
    sent_at: datetime | None = None
    """When the contact wrote it, where the channel says so: it may come days late."""
    edited_at: datetime | None = None
    """When they last edited it, where it comes with that."""
    names: Names | None = None
    """All that the channel calls the contact, where that may be several: then ``root`` and ``contact_external_id`` are
    whatever the contact is known by here, and a contact has one conversation."""
    name: str = ""
    """What the contact calls themselves, where that comes along."""
    tells_name: bool = False
    """Whether the channel tells it to whoever asks."""
    pressed: str = ""
    """The id of the button that was pressed, where that is what was said."""
    is_rehearsal: bool = False
    """It is counted apart, so that trying a draft out takes nothing from contacts."""


@dataclass(frozen=True)
class Accepted:
    conversation_id: ConversationId
    message_id: MessageId
    is_new: bool
    """False for a repetition, which changed nothing."""
    notice_id: MessageId | None = None
    """Set when the message was over a limit and the contact is to be told so: the notice to send."""
    is_refused: bool = False
    """No turn is to answer it."""
    handoff_id: UUID | None = None
    """Set when it is for people, who are to be shown it."""
    released_ids: tuple[MessageId, ...] = ()
    """What waited for the contact to write again, and is to be sent now, before it is answered."""
    is_full: bool = False
    """It was over a limit for all who write through this connection, or to this business."""


async def accept(
    database: Database, vault: Vault, limiter: Limiter, connection: ConnectionRef, inbound: Inbound
) -> Accepted:
    """Makes a message durable, with its contact and conversation; after this it cannot be lost.

    Raises:
        Unavailable: the database does not answer; nothing was kept, and the sender must send again.
    """
    async with database.tenant_session(connection.tenant_id) as session:
        erased_id = await repeating.erased_id(session, vault, connection, inbound.external_id)
        ids = {"tenant_id": connection.tenant_id, "connection_id": connection.connection_id, "erased_id": erased_id}
        of_tenant = await session.execute(_LIMITS, ids)
        configured, time_zone, is_billed, erased = of_tenant.one()
        if erased is not None:
            known = await session.get_one(Message, (connection.tenant_id, erased))
            return Accepted(ConversationId(known.conversation_id), MessageId(known.id), is_new=False)
    counts_in = time_zone if is_billed and not inbound.is_rehearsal else None
    of_whom = (connection.tenant_id, connection.connection_id, inbound.contact_external_id)
    buckets = limits.buckets(configured, *of_whom, is_rehearsal=inbound.is_rehearsal)
    verdict = await limiter.check(f"{connection.connection_id}:{inbound.external_id}", buckets)
    limit_of = {scope: limit for scope, _, limit in buckets}
    for _ in range(WRITTEN_AT_MOST):
        with suppress(_RenamedMeanwhile, Deadlocked):
            async with database.tenant_session(connection.tenant_id) as session:
                return await _store(session, vault, connection, inbound, erased_id, verdict, limit_of, counts_in)
    raise Unavailable("The contact is being changed by others; the message may come again.")


async def _store(
    session: AsyncSession,
    vault: Vault,
    connection: ConnectionRef,
    inbound: Inbound,
    erased_id: str,
    verdict: Verdict,
    limit_of: dict[str, Limit],
    counts_in: str | None,
) -> Accepted:
    """``counts_in``: in whose months the plan counts what employees are asked; None where nothing counts it."""
    await revising.hold(session, erased_id)
    known = await aliases.called(session, vault, connection, inbound.names or inbound.contact_external_id)
    contact_id = known.contact_id
    if inbound.names is not None:
        inbound = replace(inbound, root=known.external_id, contact_external_id=known.external_id)
    conversation = await _conversation(session, connection, inbound, contact_id)
    of_message = {
        "contact_id": contact_id,
        "connection_id": connection.connection_id,
        "external_id": inbound.external_id,
        "erased_id": erased_id,
    }
    found = (await session.execute(_KNOWN, of_message)).one()
    erased_at, external_id, opted_out_at, wrapped, *of_name, functions, kind, repeated, early = found
    if erased_at is not None:
        raise Unavailable("The contact is being erased; the message may come again.")
    if external_id != inbound.contact_external_id:
        raise _RenamedMeanwhile
    if repeated is not None:
        return Accepted(ConversationId(conversation.id), MessageId(repeated), is_new=False)
    after_commit(session, metrics.MESSAGES.labels(kind).inc)
    if early is not None and early.sealed is None:
        return await _keep_removed(session, early, conversation, contact_id, inbound)
    cipher = (
        await vault.unwrap(session, connection.tenant_id, contact_id, wrapped)
        if wrapped
        else await vault.cipher(session, connection.tenant_id, contact_id)
    )
    await naming.hear(session, vault, connection.tenant_id, cipher, inbound.name, *of_name, can_ask=inbound.tells_name)
    message, now = _message(conversation, contact_id, inbound), utc_now()
    text = await revising.newest(session, early, cipher, message, inbound.text, inbound.edited_at)
    message.sealed_files = messages.seal_files(cipher, message.id, inbound.files)
    said_at = min(inbound.sent_at or now, now)
    conversation.contact_said_at = max(conversation.contact_said_at or said_at, said_at)
    released = await reply_window.release(session, conversation)
    stops = opts_out(text) if functions else None
    is_allowed = verdict.allowed or stops is not None
    is_passed = is_allowed and conversation.owner != "employee"
    if is_passed or stops:
        # No turn will settle it, so it counts as said from now on.
        conversation.revision += 1
        conversation.memory_due_at = conversation.memory_due_at or now + REMEMBER_AFTER
        message.settled_at = now
    message.state = "passed" if is_passed else "answered" if stops else "received" if is_allowed else "refused"
    message.detail = {} if is_allowed else {"limit": verdict.scope}
    # Where people have the conversation, what is written is for them; what is pressed is an answer wherever it is.
    can_rate = is_allowed and not stops and not inbound.is_rehearsal and not inbound.files
    rated = await answering.take(session, conversation, contact_id, text, inbound.pressed) if can_rate else None
    if rated is not None:
        message.state, message.purpose, message.settled_at = "answered", "notice", now
    session.add(message)
    if inbound.files and verdict.allowed:
        # Its row is to be there before those of its files.
        await session.flush()
        keeping.expect(session, message, inbound.files)
    notice = await _heed(session, conversation, contact_id, stops, has_opted_out=opted_out_at is not None)
    notice = notice if is_allowed else _refuse(session, conversation, message, verdict, limit_of)
    if notice is not None:
        session.add(notice)
    await asking.count(session, message, counts_in, now)
    notice_id = notice.id if notice is not None else rated.thanks_id if rated is not None else None
    return Accepted(
        ConversationId(conversation.id),
        MessageId(message.id),
        is_new=True,
        notice_id=MessageId(notice_id) if notice_id else None,
        is_refused=not is_allowed or stops is not None or rated is not None,
        handoff_id=conversation.handoff_id if is_passed and rated is None else None,
        released_ids=tuple(MessageId(each) for each in released),
        is_full=verdict.scope in ("tenant", "connection"),
    )


def _message(conversation: Conversation, contact_id: UUID, inbound: Inbound) -> Message:
    """Without what it says."""
    return Message(
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        connection_id=conversation.connection_id,
        seq=messages.next_seq(conversation),
        direction="inbound",
        author="contact",
        contact_id=contact_id,
        external_id=inbound.external_id,
        state="received",
    )


async def _keep_removed(
    session: AsyncSession, early: EarlyChange, conversation: Conversation, contact_id: UUID, inbound: Inbound
) -> Accepted:
    """What was taken back before it came: it is on record without a word of it, and nobody's to answer."""
    message = _message(conversation, contact_id, inbound)
    message.state, message.settled_at = "deleted", utc_now()
    session.add(message)
    await session.delete(early)
    revising.record(session, message, "message.deleted")
    return Accepted(ConversationId(conversation.id), MessageId(message.id), is_new=True, is_refused=True)


async def _heed(
    session: AsyncSession, conversation: Conversation, contact_id: UUID, stops: str | None, *, has_opted_out: bool
) -> Message | None:
    """Whoever says so is left alone, which is confirmed once; whoever writes anything else wants to be answered."""
    if stops and await consent.opt_out(session, contact_id, by="contact"):
        return messages.outgoing_notice(conversation, sentences.in_language(stops).opted_out, confirms_opt_out=True)
    if has_opted_out and not stops:
        await consent.opt_in(session, contact_id, by="contact")
    return None


def _refuse(
    session: AsyncSession, conversation: Conversation, message: Message, verdict: Verdict, limit_of: dict[str, Limit]
) -> Message | None:
    """Puts a message that was over a limit on record; the notice of that, if there is to be one."""
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        actor="limiter",
        action="message.refused",
        subject_id=message.contact_id,
        message_id=str(message.id),
        limit=verdict.scope,
        told=verdict.tell,
    )
    if not verdict.tell:
        return None
    return messages.outgoing_notice(conversation, limits.sentence(verdict, limit_of[verdict.scope]))


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
            employee_id=await connections.serving_employee(session, connection.connection_id, inbound.channel),
            channel=inbound.channel,
            root=inbound.root,
            owner="employee",
            epoch=0,
            last_seq=0,
            created_at=utc_now(),
            last_message_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "connection_id", "channel", "root"])
    )
    return (await session.execute(_LOCKED_IN_THREAD, of_thread)).scalar_one()


async def conversation_at(
    session: AsyncSession, connection_id: ConnectionId, channel: str, root: str
) -> ConversationId | None:
    of_thread = {"connection_id": connection_id, "channel": channel, "root": root}
    found = (await session.execute(_IN_THREAD, of_thread)).scalar_one_or_none()
    return None if found is None else ConversationId(found.id)
