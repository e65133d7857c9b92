"""Channels that take an answer only for so long after the contact wrote: what is to be said later waits until they
write again, and a template that the channel approved asks them to, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.channels import CHANNELS
from konstruct.messages import outgoing_notice
from konstruct.ports import Template
from konstruct.tables import Connection, Conversation, Message
from konstruct.tables.base import utc_now

CLOSED: Final = "window_closed"
CODES: Final = (CLOSED, "131047")
"""By which channels refuse what comes too late."""
WAITS: Final = (
    "The contact has not written for more than 24 hours, so the channel takes no message of yours now. They are asked"
    " by a template to write again; what you wrote goes out when they do."
)
CANNOT_WAIT: Final = (
    "The contact has not written for more than 24 hours, so the channel takes no message of yours now, and this"
    " connection has no template (reengage_template) that would ask them to write again. Nothing was kept."
)


@dataclass(frozen=True)
class Held:
    """It waits until the contact writes again. ``template_id``: the message that is to be sent meanwhile, if any is."""

    template_id: UUID | None


def closes_at(conversation: Conversation, kind: str) -> datetime | None:
    """Until when the contact may be written to, by the channel's time; None: always."""
    reply_window = CHANNELS[kind].reply_window
    if reply_window is None:
        return None
    return (conversation.contact_said_at or conversation.created_at) + reply_window


def is_closed(conversation: Conversation, kind: str) -> bool:
    closing = closes_at(conversation, kind)
    return closing is not None and utc_now() >= closing


def template_of(external: Mapping[str, str | None]) -> Template | None:
    """What the operator chose for the connection."""
    name, language = external.get("reengage_template"), external.get("reengage_language")
    return Template(name, language) if name and language else None


async def outlook(session: AsyncSession, conversation: Conversation) -> Literal["open", "waits", "closed"]:
    """What becomes of what is said to the contact now."""
    connection = await _connection(session, conversation)
    if not is_closed(conversation, connection.kind):
        return "open"
    return "waits" if template_of(connection.external) else "closed"


async def hold(session: AsyncSession, conversation: Conversation, message: Message) -> Held | None:
    """Has a message wait; None where it cannot: no template was chosen, or it is a notice, whose time is over then.

    The conversation must be locked.
    """
    template = template_of((await _connection(session, conversation)).external)
    if template is None or message.purpose == "notice":
        return None
    message.state, message.sending_at, message.external_id = "waiting", None, None
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        actor="channel",
        action="message.held",
        subject_id=message.contact_id,
        message_id=str(message.id),
    )
    said_at = conversation.contact_said_at or conversation.created_at
    if conversation.reengaged_at is None or conversation.reengaged_at < said_at:
        conversation.reengaged_at = utc_now()
        asking = outgoing_notice(conversation, f"[template {template.name}]")
        asking.detail = {"template": template.name, "language": template.language}
        session.add(asking)
        await session.flush()
    return await held(session, conversation)


async def held(session: AsyncSession, conversation: Conversation) -> Held:
    """With the template that was not sent yet, if there is such."""
    asking = (
        select(Message.id)
        .where(col(Message.conversation_id) == conversation.id, col(Message.purpose) == "notice")
        .where(col(Message.state).in_(("pending", "sending")), col(Message.detail)["template"].is_not(None))
        .order_by(col(Message.seq).desc())
        .limit(1)
    )
    return Held((await session.execute(asking)).scalar_one_or_none())


async def release(session: AsyncSession, conversation: Conversation) -> list[UUID]:
    """The contact has written: if that was lately enough, what waited may be sent, in its order. The employee's is of
    no turn any more, so that no later one replaces it."""
    if conversation.reengaged_at is None:
        return []
    if is_closed(conversation, (await _connection(session, conversation)).kind):
        return []
    conversation.reengaged_at = None
    waiting = (
        select(Message)
        .where(col(Message.conversation_id) == conversation.id, col(Message.state) == "waiting")
        .order_by(col(Message.seq))
    )
    messages = list(await session.scalars(waiting))
    for message in messages:
        message.state, message.turn_id = "pending", None
    # A template that did not get out by now asks for nothing any more.
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation.id, col(Message.state) == "pending")
        .where(col(Message.purpose) == "notice", col(Message.detail)["template"].is_not(None))
        .values(state="discarded", settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    return [message.id for message in messages]


async def _connection(session: AsyncSession, conversation: Conversation) -> Connection:
    of_conversation = select(Connection).where(col(Connection.id) == conversation.connection_id)
    return (await session.execute(of_conversation)).scalar_one()
