"""Replies that are shown while they are thought: the row of what is shown, under the same fence as a send.

It is ``streaming`` until its answer is sent. The answer is rows of its own, as ever, and the first of them takes the
message over in the channel: so whatever discards an answer leaves what people were shown as it is, for the next one to
take over, or to stay when nobody goes on (``cut``). A conversation has one such row at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, case, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, conversations
from konstruct.conversations import lock
from konstruct.identity import MessageId, new_id
from konstruct.messages import next_seq
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE

ENDS_BY_ITSELF_AFTER: Final = timedelta(minutes=6)
"""Slack ends a stream after about five minutes, so that older ones need not be ended."""

_OPEN = (
    select(Message)
    .where(col(Message.conversation_id) == bindparam("of_conversation"), col(Message.state) == "streaming")
    .order_by(col(Message.seq))
    .limit(1)
)
# The row as one attempt at a step leads it: whoever takes the row over has another lead.
_MINE = (
    update(Message)
    .where(col(Message.id) == bindparam("message_id"), col(Message.state) == "streaming")
    .where(col(Message.detail)["lead"].astext == bindparam("by"))
    .returning(col(Message.id))
    .execution_options(synchronize_session=False)
)
_LEASED = _MINE.values(sealed=bindparam("shown"), sending_at=bindparam("at"))
_CUT = (
    update(Message)
    .where(col(Message.conversation_id) == bindparam("of_conversation"), col(Message.state) == "streaming")
    .values(
        state=case((col(Message.sealed).is_(None), "discarded"), else_="sent"),
        detail=col(Message.detail).op("||")(bindparam("as_cut", type_=JSONB)),
        settled_at=bindparam("at"),
    )
    .returning(col(Message.id), col(Message.state), col(Message.contact_id))
    .execution_options(synchronize_session=False)
)


@dataclass(frozen=True)
class Stream:
    """One attempt's hold on what is shown."""

    conversation_id: UUID
    turn_id: UUID
    epoch: int
    message_id: MessageId
    began_at: datetime
    lead: str
    cipher: ContactCipher
    shown: str = ""
    external_id: str | None = None


@dataclass(frozen=True)
class Shown:
    """A message in the channel that was streamed, as whoever ends it or takes it over needs it."""

    message_id: UUID
    external_id: str | None
    """None when whoever began it did not live to say so: then it may be there, or not."""
    began_at: datetime
    is_whole: bool = False
    """It shows all of the answer that takes it over."""


async def begin(
    session: AsyncSession,
    vault: Vault,
    conversation_id: UUID,
    turn_id: UUID,
    *,
    step: int,
    through_seq: int,
    text: str,
) -> Stream | None:
    """Marks it as being shown, if an answer of this turn would be stored now.

    None also where an earlier attempt or turn left something that is shown: the answer replaces that, at its end.
    """
    conversation = await lock(session, conversation_id)
    judged = await conversations.finish_turn(
        session, vault, conversation_id, turn_id, [], step=step, through_seq=through_seq
    )
    asker = await conversations.asker(session, vault, conversation, turn_id)
    if judged.outcome != "stored" or asker is None or await _open(session, conversation_id) is not None:
        return None
    lead, message_id, now = str(new_id()), MessageId(new_id()), utc_now()
    session.add(
        Message(
            tenant_id=conversation.tenant_id,
            id=message_id,
            conversation_id=conversation_id,
            connection_id=conversation.connection_id,
            seq=next_seq(conversation),
            direction="outbound",
            author="employee",
            # Of no turn: the answer's own rows are.
            contact_id=asker.contact_id,
            sealed=asker.cipher.seal(MESSAGE, message_id, text) if text else None,
            state="streaming",
            epoch=conversation.epoch,
            detail={"stream": True, "turn": str(turn_id), "lead": lead},
            created_at=now,
            sending_at=now,
        )
    )
    return Stream(conversation_id, turn_id, conversation.epoch, message_id, now, lead, asker.cipher, text)


async def resume(
    session: AsyncSession, vault: Vault, conversation_id: UUID, turn_id: UUID, *, step: int
) -> Stream | None:
    """What the step before parked for this one; once, so that after a crash nobody appends to it any more."""
    conversation = await lock(session, conversation_id)
    row = await _open(session, conversation_id)
    if row is None or conversation.turn_id != turn_id or row.contact_id is None:
        return None
    cipher = (await vault.ciphers(session, [row.contact_id])).get(row.contact_id)
    if (row.detail.get("turn"), row.detail.get("parked")) != (str(turn_id), step) or cipher is None:
        return None
    lead = str(new_id())
    row.detail = {"stream": True, "turn": str(turn_id), "lead": lead}
    return Stream(
        conversation_id,
        turn_id,
        conversation.epoch,
        MessageId(row.id),
        row.created_at,
        lead,
        cipher,
        cipher.open(MESSAGE, row.id, row.sealed) if row.sealed else "",
        row.external_id,
    )


async def started(session: AsyncSession, stream: Stream, external_id: str) -> bool:
    """The channel shows it. False when it is not to go on: whoever was told so ends it."""
    conversation = await lock(session, stream.conversation_id)
    row = await session.get(Message, (conversation.tenant_id, stream.message_id))
    if row is None or (row.sealed is None and row.state != "streaming"):
        # Erased, or there was nothing to read.
        return False
    row.external_id, row.sending_at = external_id, None
    return row.state == "streaming" and row.detail.get("lead") == stream.lead


async def never_began(session: AsyncSession, stream: Stream) -> None:
    """The channel certainly does not show it, whatever was thought of it since."""
    await lock(session, stream.conversation_id)
    await session.execute(
        update(Message)
        .where(col(Message.id) == stream.message_id, col(Message.state).in_(("streaming", "sent")))
        .values(state="discarded", detail={"stream": True}, sending_at=None, settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def lease(session: AsyncSession, stream: Stream, text: str) -> bool:
    """Whether more may be shown now, so that ``text`` is all that is; good for as long as a send may take to begin."""
    conversation = await lock(session, stream.conversation_id)
    if (conversation.turn_id, conversation.epoch) != (stream.turn_id, stream.epoch):
        return False
    leased = {
        "message_id": stream.message_id,
        "by": stream.lead,
        "shown": stream.cipher.seal(MESSAGE, stream.message_id, text) if text else None,
        "at": utc_now(),
    }
    return (await session.execute(_LEASED, leased)).one_or_none() is not None


async def gave_back(session: AsyncSession, stream: Stream) -> None:
    """What was leased has been done: whoever changes the owner need not wait for it."""
    await session.execute(
        update(Message)
        .where(col(Message.id) == stream.message_id, col(Message.detail)["lead"].astext == stream.lead)
        .values(sending_at=None)
        .execution_options(synchronize_session=False)
    )


async def park(session: AsyncSession, stream: Stream, step: int) -> None:
    """The turn goes on with this step."""
    await session.execute(
        _MINE.values(detail={"stream": True, "turn": str(stream.turn_id), "parked": step}),
        {"message_id": stream.message_id, "by": stream.lead},
    )


async def is_any_open(session: AsyncSession, conversation_id: UUID) -> bool:
    return await _open(session, conversation_id) is not None


async def is_open(session: AsyncSession, stream: Stream) -> bool:
    row = await _open(session, stream.conversation_id)
    return row is not None and row.id == stream.message_id


async def take_over(
    session: AsyncSession, conversation_id: UUID, message_id: UUID, text: str, shown: str | None
) -> None:
    """This message, which waits to be sent, takes the place of what is shown in its conversation, if anything is.

    ``shown``: what that certainly is; None when nobody knows. The conversation must be locked.
    """
    row = await _open(session, conversation_id)
    if row is not None:
        is_whole = shown is not None and shown.strip() == text.strip()
        await session.execute(
            update(Message)
            .where(col(Message.id) == message_id)
            .values(detail={"stream": str(row.id), "whole": is_whole})
            .execution_options(synchronize_session=False)
        )


async def taken_over(session: AsyncSession, detail: Mapping[str, object]) -> Shown | None:
    """What the message with this detail takes the place of."""
    if not isinstance(detail.get("stream"), str):
        return None
    row = await session.scalar(select(Message).where(col(Message.id) == UUID(str(detail["stream"]))))
    return None if row is None else Shown(row.id, row.external_id, row.created_at, detail.get("whole") is True)


async def let_go(session: AsyncSession, conversation_id: UUID, shown: Shown) -> None:
    """What was shown is another message by now, or is not there. The conversation must be locked."""
    await session.execute(
        update(Message)
        .where(col(Message.id) == shown.message_id, col(Message.conversation_id) == conversation_id)
        .values(state="discarded", external_id=None, settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def cut(session: AsyncSession, conversation: Conversation) -> None:
    """Nobody goes on with it: what was shown was said. Whoever calls ends it in the channel (``cut_lately``).

    The conversation must be locked, and its revision raised.
    """
    rows = await session.execute(_CUT, {"of_conversation": conversation.id, "at": utc_now(), "as_cut": {"cut": True}})
    for message_id, state, contact_id in rows:
        if state == "sent":
            audit.record(
                session,
                tenant_id=conversation.tenant_id,
                conversation_id=conversation.id,
                actor="employee",
                action="message.cut",
                subject_id=contact_id,
                message_id=str(message_id),
            )


async def cut_lately(session: AsyncSession, conversation_id: UUID) -> list[Shown]:
    """What may still be streaming in the channel, and must not."""
    rows = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.detail)["cut"].astext == "true")
        .where(col(Message.settled_at) > utc_now() - ENDS_BY_ITSELF_AFTER)
    )
    return [Shown(row.id, row.external_id, row.created_at) for row in rows]


async def known(session: AsyncSession, conversation_id: UUID, shown: Shown) -> set[str]:
    """The channel's ids of what we sent there at about the time of this, which is not in its place there, or later."""
    ids = await session.scalars(
        select(col(Message.external_id))
        .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound")
        .where(col(Message.external_id).is_not(None), col(Message.created_at) > shown.began_at - ENDS_BY_ITSELF_AFTER)
        # Whoever began it may have lived to say where it is, since it was looked up.
        .where(col(Message.id) != shown.message_id)
    )
    return {each for each in ids if each is not None}


async def _open(session: AsyncSession, conversation_id: UUID) -> Message | None:
    return (await session.execute(_OPEN, {"of_conversation": conversation_id})).scalar_one_or_none()
