"""What goes out: one send at a time of a conversation's messages, never after its owner or turn has moved on.

``begin_send`` and the ``settle`` functions are two transactions around one call to the channel: a message that is
found ``sending`` was cut off in between, and the channel must be asked before it is sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import Integer, and_, bindparam, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import asked, audit, connections, consent, outgoing, reply_window, streams
from konstruct.channels import CHANNELS, SLACK
from konstruct.conversations import Whereabouts, changed, lock, whereabouts
from konstruct.errors import ChannelRefused, ConnectionDead, NotFound
from konstruct.handoffs.leaving import as_draft
from konstruct.identity import ConnectionId
from konstruct.messages import OPT_OUT, outgoing_notice
from konstruct.outgoing import Send
from konstruct.reply_window import Held
from konstruct.streams import Shown
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from konstruct.window import LINE, Line

log = structlog.get_logger(__name__)

SEND_ENDS_WITHIN: Final = SLACK.confirms_within
"""Longer than any messenger waits for its channel: after that nothing more comes of an attempt that was cut off."""

MOST_TRIES: Final = 4
"""Attempts to send one message that ended without anybody knowing how, as with the process that made them."""
ALONE_FROM: Final = 2
"""What has failed so often is sent by itself within its process."""
KEPT_FAILING: Final = "kept_failing"
NOT_SENT: Final = (
    "Sorry, because of a technical problem I could not send you my answer. Please write again, and ask for a person if"
    " it happens once more."
)

SEND_BEGINS_WITHIN: Final = timedelta(seconds=2)
"""After it was marked as being sent: a process that stood still for longer does not begin any more, so that whoever
changes the owner knows when nothing begins."""

_BEGIN = (
    update(Message)
    .where(col(Message.id) == bindparam("message_id"), col(Message.conversation_id) == bindparam("of_conversation"))
    .where(col(Message.state) == "pending")
    .where(
        or_(
            # What a person said goes out, whoever owns the conversation by now.
            col(Message.author) == "agent",
            and_(
                col(Message.epoch) == bindparam("of_epoch"),
                or_(
                    col(Message.purpose) == "notice",
                    col(Message.turn_id) == bindparam("of_turn"),
                    # It waited until the contact wrote again.
                    col(Message.turn_id).is_(None),
                ),
            ),
        )
    )
    .values(
        state="sending", sending_at=bindparam("at"), tries=col(Message.tries) + bindparam("counting", type_=Integer)
    )
    .returning(*LINE, col(Message.detail), col(Message.sealed_files), col(Message.tries))
    .execution_options(synchronize_session=False)
)
_WHOSE = (col(Message.author), col(Message.purpose), col(Message.turn_id), col(Message.contact_id))
_SENT = (
    update(Message)
    .where(col(Message.id) == bindparam("message_id"), col(Message.conversation_id) == bindparam("of_conversation"))
    .where(col(Message.state) != "sent")
    # What the channel took and gave up afterwards has failed, though the send may answer only now.
    .where(or_(col(Message.state) != "failed", col(Message.external_id).is_(None)))
    .values(
        state="sent",
        external_id=bindparam("as_external_id"),
        settled_at=bindparam("at"),
        maybe_duplicate=or_(col(Message.maybe_duplicate), bindparam("was_resent")),
    )
    .returning(*_WHOSE, col(Message.maybe_duplicate))
    .execution_options(synchronize_session=False)
)


async def begin_send(
    session: AsyncSession, vault: Vault, conversation_id: UUID, message_id: UUID, *, counts: bool = True
) -> Send | Held | Literal["sent", "superseded", "failed"]:
    """Marks a message as being sent, or says why it is not to be. ``counts``: whether it is one attempt more at it, of
    which there are only so many that end without anybody knowing how."""
    found = await whereabouts(session, vault, conversation_id)
    conversation = found.conversation
    if reply_window.is_closed(conversation, found.account.kind):
        message = await _get(session, conversation, message_id)
        may_wait = message.state == "pending" and "template" not in message.detail
        is_unwanted = await _is_unwanted(session, found, message.contact_id, message.detail)
        if may_wait and not _is_over(conversation, message) and not is_unwanted:
            return await _hold(session, conversation, message, reply_window.CLOSED) or "failed"
    at = utc_now()
    begin = {
        "message_id": message_id,
        "of_conversation": conversation_id,
        "of_epoch": conversation.epoch,
        "of_turn": conversation.turn_id,
        "at": at,
        "counting": int(counts),
    }
    begun = (await session.execute(_BEGIN, begin)).one_or_none()
    if begun is not None:
        # What is under way counts as said.
        conversation.revision += 1
    if begun is not None and found.account.is_active:
        send = await _begun(session, vault, found, begun)
        if send is not None:
            return replace(send, marked_at=at) if isinstance(send, Send) else send
    message = await _get(session, conversation, message_id)
    if message.state in ("sent", "failed"):
        return "sent" if message.state == "sent" else "failed"
    if message.state == "waiting":
        return await reply_window.held(session, conversation)
    if message.state != "sending":
        message.state, message.settled_at = "discarded", utc_now()
        return "superseded"
    message.tries += int(counts)
    return await _follow(session, vault, found, message)


async def _follow(
    session: AsyncSession, vault: Vault, found: Whereabouts, message: Message
) -> Send | Literal["failed"]:
    """A send that began before the owner changed may already be with the channel: it is followed to its end."""
    conversation = found.conversation
    if message.tries > MOST_TRIES:
        return await _give_up(session, conversation, message)
    if not found.account.is_active:
        await fail(session, conversation, message, "connection_inactive")
        return "failed"
    send = await outgoing.assembled(session, vault, found, Line.of(message), message.detail, message.sealed_files)
    if send is None:
        await fail(session, conversation, message, "erased")
        return "failed"
    now, channel = utc_now(), CHANNELS[found.account.kind]
    may_still_arrive = message.sending_at is not None and now < message.sending_at + channel.confirms_within
    if not may_still_arrive:
        message.sending_at = now
        if not channel.can_be_asked:
            if message.maybe_duplicate:
                await fail(session, conversation, message, "outcome_unknown")
                return "failed"
            # Also where nothing more comes of it: what was sent before may have arrived, and more may be said about it.
            message.maybe_duplicate = True
    return replace(send, is_uncertain=True, may_still_arrive=may_still_arrive, marked_at=message.sending_at)


async def _begun(
    session: AsyncSession, vault: Vault, found: Whereabouts, begun: Sequence[Any]
) -> Send | Literal["failed"] | None:
    """Of a message that was just marked; None when it was erased."""
    *columns, detail, sealed_files, tries = begun
    line = Line.of_row(columns)
    if tries > MOST_TRIES:
        return await _give_up(session, found.conversation, await _get(session, found.conversation, line.message_id))
    if await _is_unwanted(session, found, line.contact_id, detail):
        message = await _get(session, found.conversation, line.message_id)
        await fail(session, found.conversation, message, "opted_out")
        return "failed"
    return await outgoing.assembled(session, vault, found, line, detail, sealed_files)


async def _give_up(session: AsyncSession, conversation: Conversation, message: Message) -> Literal["failed"]:
    """Each attempt to send it ended without anybody knowing how. The contact is told where it was an answer."""
    await fail(session, conversation, message, KEPT_FAILING)
    if message.purpose == "reply" and message.author == "employee":
        # A sweep puts it on its way.
        session.add(outgoing_notice(conversation, NOT_SENT, about=KEPT_FAILING))
    return "failed"


async def _hold(session: AsyncSession, conversation: Conversation, message: Message, code: str) -> Held | None:
    """Has it wait until the contact writes again; None where it cannot, and has failed."""
    held = await reply_window.hold(session, conversation, message)
    if held is None:
        await fail(session, conversation, message, code)
        return None
    await changed(session, conversation.id)
    await asked.settle(session, message.turn_id, message.purpose, "answered")
    return held


def _is_over(conversation: Conversation, message: Message) -> bool:
    """Whether it may not be sent any more."""
    is_of_turn = message.purpose == "notice" or message.turn_id in (None, conversation.turn_id)
    return _is_fenced(conversation, message) or (message.author != "agent" and not is_of_turn)


def _is_fenced(conversation: Conversation, message: Message) -> bool:
    return message.author != "agent" and message.epoch != conversation.epoch


async def _is_unwanted(
    session: AsyncSession, found: Whereabouts, contact_id: UUID | None, detail: Mapping[str, Any]
) -> bool:
    """Whether whom it goes to wants to hear nothing more. On connections that name no functions nobody can say so."""
    if not found.account.functions or detail.get("confirms") == OPT_OUT:
        return False
    return await consent.has_opted_out(session, contact_id or found.conversation.contact_id)


async def _get(session: AsyncSession, conversation: Conversation, message_id: UUID) -> Message:
    message = await session.get(Message, (conversation.tenant_id, message_id))
    if message is None or message.conversation_id != conversation.id:
        raise NotFound("There is no such message.")
    return message


async def settle_sent(
    session: AsyncSession,
    conversation_id: UUID,
    message_id: UUID,
    external_id: str,
    *,
    was_resent: bool,
    stream: Shown | None = None,
) -> None:
    """The channel has it, as the first attempt that knows so says. With the last part of an answer, what was asked
    counts as answered. ``stream``: what it has taken the place of."""
    conversation = await changed(session, conversation_id)
    if stream is not None:
        await streams.let_go(session, conversation_id, stream)
    settled = {
        "message_id": message_id,
        "of_conversation": conversation_id,
        "as_external_id": external_id,
        "at": utc_now(),
        "was_resent": was_resent,
    }
    sent = (await session.execute(_SENT, settled)).one_or_none()
    if sent is None:
        # Known as sent already; or there is none, which is an error.
        await _get(session, conversation, message_id)
        return
    await asked.settle(session, sent.turn_id, sent.purpose, "answered")
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation_id,
        actor=sent.author,
        action="message.sent",
        subject_id=sent.contact_id,
        message_id=str(message_id),
        turn_id=str(sent.turn_id),
        maybe_duplicate=sent.maybe_duplicate,
    )


async def settle_unsent(
    session: AsyncSession, conversation_id: UUID, message_id: UUID, marked_at: datetime | None = None
) -> None:
    """The channel certainly does not have it: it may be sent as if for the first time, if its time is not over.
    Nothing changes where it was marked again after ``marked_at`` (``Send.marked_at``): the channel may have it then."""
    conversation = await changed(session, conversation_id)
    message = await _get(session, conversation, message_id)
    is_marked = message.state == "sending" and marked_at in (None, message.sending_at)
    if is_marked and _is_fenced(conversation, message):
        message.state, message.settled_at = "discarded", utc_now()
        if conversation.handoff_id is not None and message.purpose == "reply":
            message.detail = message.detail | as_draft(conversation.handoff_id)
    elif is_marked:
        message.state = "pending"


async def settle_unstreamed(
    session: AsyncSession, conversation_id: UUID, message_id: UUID, stream: Shown, marked_at: datetime | None = None
) -> None:
    """There is nothing in the channel whose place it could take: it may be sent as a message of its own.
    ``marked_at``: as in ``settle_unsent``."""
    conversation = await changed(session, conversation_id)
    message = await _get(session, conversation, message_id)
    if message.state == "sending" and marked_at in (None, message.sending_at):
        await streams.let_go(session, conversation_id, stream)
        message.detail, message.state = {}, "pending"


async def tries(session: AsyncSession, message_id: UUID) -> int:
    return (await session.scalar(select(Message.tries).where(col(Message.id) == message_id))) or 0


async def uncount(session: AsyncSession, message_id: UUID) -> None:
    """An attempt to send it ended in a way that somebody foresaw."""
    await session.execute(
        update(Message)
        .where(col(Message.id) == message_id, col(Message.tries) > 0)
        .values(tries=col(Message.tries) - 1)
        .execution_options(synchronize_session=False)
    )


async def count(session: AsyncSession, message_id: UUID) -> None:
    """One did not, and was not counted beforehand."""
    await session.execute(
        update(Message)
        .where(col(Message.id) == message_id)
        .values(tries=col(Message.tries) + 1)
        .execution_options(synchronize_session=False)
    )


async def is_sending(session: AsyncSession, conversation_id: UUID) -> bool:
    """Whether a send of the employee's may still begin, though the owner has changed since it was marked; or more of
    what is streamed may still be shown."""
    earliest = utc_now() - SEND_BEGINS_WITHIN - timedelta(seconds=1)
    under_way = (
        select(Message.id)
        .where(col(Message.conversation_id) == conversation_id, col(Message.author) != "agent")
        .where(or_(col(Message.state).in_(("sending", "streaming")), col(Message.detail)["cut"].astext == "true"))
        .where(col(Message.sending_at) > earliest)
    )
    return (await session.execute(under_way.limit(1))).first() is not None


async def settle_refused(
    session: AsyncSession, conversation_id: UUID, message_id: UUID, error: ChannelRefused
) -> Held | None:
    """The channel will never take it, or not before the contact writes again: then it waits. A connection whose
    credentials are dead is marked for its operator."""
    conversation = await lock(session, conversation_id)
    message = await _get(session, conversation, message_id)
    return await refuse(session, conversation, message, error)


async def refuse(
    session: AsyncSession, conversation: Conversation, message: Message, error: ChannelRefused
) -> Held | None:
    """As ``settle_refused``. The conversation must be locked."""
    if error.code in reply_window.CODES and "template" not in message.detail:
        return await _hold(session, conversation, message, reply_window.CLOSED)
    await fail(session, conversation, message, error.code)
    if isinstance(error, ConnectionDead):
        await connections.mark(
            session,
            ConnectionId(conversation.connection_id),
            status="revoked",
            reason=error.code,
            actor="channel",
        )
    return None


async def fail(session: AsyncSession, conversation: Conversation, message: Message, code: str) -> None:
    """It will never reach the contact. The conversation must be locked."""
    await changed(session, conversation.id)
    if "stream" in message.detail:
        await streams.cut(session, conversation)
    message.state, message.settled_at, message.detail = "failed", utc_now(), {"error": code}
    await asked.settle(session, message.turn_id, message.purpose, "failed")
    log.warning("message_failed", tenant_id=str(message.tenant_id), message_id=str(message.id), error=code)
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        actor="channel",
        action="message.failed",
        subject_id=message.contact_id,
        message_id=str(message.id),
        error=code,
    )
