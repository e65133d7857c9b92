"""The rows of messages: numbered within their conversation, what was said in them sealed under the contact's key."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, and_, bindparam, false, func, not_, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from konstruct.identity import new_id
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher
from konstruct.window import MESSAGE

MAX_BODY: Final = 40_000
"""Characters of one message that are kept, in and out; Slack's own limit."""

OPT_OUT: Final = "opt_out"
"""What the one notice confirms that goes to somebody who wants no more of them."""

FILES: Final = "message files"
"""What ciphers call the purpose of the names of a message's files."""
MOST_FILES: Final = 50


_LATEST_SAID: Final = (
    select(Message.external_id)
    .where(col(Message.conversation_id) == bindparam("conversation_id"), col(Message.author) == "contact")
    .where(col(Message.state) != "deleted", col(Message.external_id).is_not(None))
    .order_by(col(Message.seq).desc())
    .limit(1)
)
_STORED: Final = (
    select(col(Message.id), col(Message.state))
    .where(col(Message.turn_id) == bindparam("of_turn"), col(Message.direction) == "outbound")
    .where(col(Message.purpose) == "reply", col(Message.author) == "employee")
    .order_by(col(Message.seq))
)
_PART = aliased(Message)
_IS_ANY = {state: func.bool_or(col(_PART.state) == state) for state in ("pending", "sending", "sent", "failed")}
IS_UNDER_WAY: Final = (
    select(
        func.coalesce(
            or_(_IS_ANY["sending"], and_(_IS_ANY["sent"], _IS_ANY["pending"], not_(_IS_ANY["failed"]))), false()
        )
    )
    .where(col(_PART.turn_id) == bindparam("answered_in", type_=Uuid), col(_PART.direction) == "outbound")
    .where(col(_PART.purpose) == "reply", col(_PART.author) == "employee")
    .scalar_subquery()
)
"""Whether the channel may have some of the answer of the turn ``answered_in``, and not all of it."""


@dataclass(frozen=True)
class SentFile:
    """What a channel says of a file: all of it is the sender's word."""

    name: str
    media_type: str = ""
    size: int = 0
    """Bytes; 0 where the channel does not say."""
    reference: str = ""
    """Where the channel has it, as its ``FileSource`` reads it."""


def seal_files(cipher: ContactCipher, message_id: UUID, files: Sequence[SentFile]) -> bytes | None:
    if not files:
        return None
    told = [
        {
            "name": storable(file.name)[:255],
            "media_type": storable(file.media_type)[:100],
            "size": file.size,
            "reference": storable(file.reference)[:2_000],
        }
        for file in files[:MOST_FILES]
    ]
    return cipher.seal(FILES, message_id, json.dumps(told))


def files_of(message: Message, cipher: ContactCipher) -> list[SentFile]:
    """What came along with it."""
    return [] if message.sealed_files is None else opened_files(cipher, message.id, message.sealed_files)


def opened_files(cipher: ContactCipher, message_id: UUID, sealed: bytes) -> list[SentFile]:
    return [SentFile(**file) for file in json.loads(cipher.open(FILES, message_id, sealed))]


async def latest_said(session: AsyncSession, conversation_id: UUID) -> str:
    """The channel's id of what a contact said last, and did not take back; empty where there is none."""
    return (await session.scalar(_LATEST_SAID, {"conversation_id": conversation_id})) or ""


async def stored_reply(session: AsyncSession, turn_id: UUID) -> list[UUID]:
    """The messages of the turn's answer. One that was discarded, or was broken off by that, is none any more: a turn
    that used tools keeps its id, and is thought of again."""
    stored: list[UUID] = []
    for message_id, state in (await session.execute(_STORED, {"of_turn": turn_id})).all():
        stored = [] if state == "discarded" else [*stored, message_id]
    return stored


async def reply_under_way(session: AsyncSession, turn_id: UUID | None) -> list[UUID]:
    """The messages of the turn's answer, where the channel may have some of it and not all: whoever sends them finds
    out. Empty otherwise."""
    if turn_id is None or not await session.scalar(select(IS_UNDER_WAY), {"answered_in": turn_id}):
        return []
    parts = (await session.execute(_STORED, {"of_turn": turn_id})).all()
    return [message_id for message_id, state in parts if state != "discarded"]


def outgoing_notice(
    conversation: Conversation,
    body: str,
    *,
    turn_id: UUID | None = None,
    confirms_opt_out: bool = False,
    about: str | None = None,
) -> Message:
    """A sentence of the product's own that waits to be sent. The conversation's row must be locked.

    ``about``: what it tells, so that it can be told whether that was said before.
    """
    detail = {"confirms": OPT_OUT} if confirms_opt_out else {"about": about} if about else {}
    return _outgoing(conversation, purpose="notice", author="system", turn_id=turn_id, body=body, detail=detail)


def outgoing_reply(
    conversation: Conversation, cipher: ContactCipher, contact_id: UUID, text: str, *, turn_id: UUID
) -> Message:
    """A part of an answer that waits to be sent. The conversation's row must be locked."""
    message_id = new_id()
    return _outgoing(
        conversation,
        id=message_id,
        purpose="reply",
        author="employee",
        turn_id=turn_id,
        contact_id=contact_id,
        sealed=seal_text(cipher, message_id, text),
    )


def outgoing_words(
    conversation: Conversation, cipher: ContactCipher, contact_id: UUID, text: str, *, signed: str
) -> Message:
    """A part of what an agent says to the contact, which no change of owner holds back. The conversation's row must be
    locked."""
    message_id = new_id()
    return _outgoing(
        conversation,
        id=message_id,
        purpose="reply",
        author="agent",
        signed=signed,
        contact_id=contact_id,
        sealed=seal_text(cipher, message_id, text),
    )


def _outgoing(conversation: Conversation, **content: Any) -> Message:
    return Message(
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        connection_id=conversation.connection_id,
        seq=next_seq(conversation),
        direction="outbound",
        state="pending",
        epoch=conversation.epoch,
        **content,
    )


def seal_text(cipher: ContactCipher, message_id: UUID, text: str) -> bytes:
    return cipher.seal(MESSAGE, message_id, storable(text))


def storable(text: str) -> str:
    """Without what Postgres takes in no text: NUL, and halves of characters."""
    return text[:MAX_BODY].replace("\0", "").encode("utf-8", "replace").decode()


def next_seq(conversation: Conversation) -> int:
    """Of a message that is about to be added. The conversation's row must be locked."""
    conversation.last_seq, conversation.last_message_at = conversation.last_seq + 1, utc_now()
    return conversation.last_seq
