"""Messages whose handling fails time and again, or ends the process that is at it: counted, set aside, tried again.

An attempt is counted before what may go wrong begins, and taken off again when it ends in a way that somebody foresaw.
So what is left are attempts that ended in a defect, or without a word.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, notices
from konstruct.conversations import changed
from konstruct.errors import Conflict, NotFound
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

MOST_TRIES: Final = 4
"""What has been tried so often is not tried any more. One attempt more may have ended before it was counted."""
ALONE_FROM: Final = 2
"""What has failed so often is tried by itself: what dies beside it, and is not to blame, would be set aside with it."""

RULE: Final = "could-not-be-handled"
"""What stands where a handoff names its rule."""
TOLD: Final = "Sorry, because of a technical problem I cannot answer this message. A person of the team is told of it."
UNTOLD: Final = "Whoever worked on it ended without a word, each time."

_IS_WAITING: Final = and_(col(Message.direction) == "inbound", col(Message.state).in_(("received", "taken")))

# Of every turn, and so built once.
_UNCOUNT = (
    update(Message)
    .where(col(Message.conversation_id) == bindparam("of_conversation"), col(Message.tries) > 0)
    .where(col(Message.seq).in_(bindparam("seqs", expanding=True)))
    .values(tries=col(Message.tries) - 1)
    .execution_options(synchronize_session=False)
)


async def most_tries(session: AsyncSession, conversation_id: UUID) -> int:
    """Of all that waits for an answer there, how often the worst of it was tried."""
    most = await session.scalar(
        select(func.max(col(Message.tries))).where(col(Message.conversation_id) == conversation_id, _IS_WAITING)
    )
    return most or 0


async def count(session: AsyncSession, conversation_id: UUID, trouble: str | None = None) -> tuple[int, ...]:
    """An attempt at all that waits there; the places of it. ``trouble``: what it ended with, where that is known."""
    values: dict[str, Any] = {"tries": col(Message.tries) + 1}
    if trouble is not None:
        values["detail"] = col(Message.detail).op("||")({"trouble": trouble})
    counted = await session.scalars(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, _IS_WAITING)
        .values(values)
        .returning(col(Message.seq))
        .execution_options(synchronize_session=False)
    )
    return tuple(counted)


async def note(session: AsyncSession, conversation_id: UUID, seqs: Collection[int], trouble: str) -> None:
    """What an attempt that is counted ended with."""
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.seq).in_(seqs))
        .values(detail=col(Message.detail).op("||")({"trouble": trouble}))
        .execution_options(synchronize_session=False)
    )


async def uncount(session: AsyncSession, conversation_id: UUID, seqs: Collection[int]) -> None:
    """The attempt ended in a way that somebody foresaw."""
    await session.execute(_UNCOUNT, {"of_conversation": conversation_id, "seqs": list(seqs)})


@dataclass(frozen=True)
class SetAside:
    """``ownership``: None where it stays the employee's, as in a rehearsal."""

    notice_id: UUID
    ownership: owning.Ownership | None


async def set_aside(session: AsyncSession, vault: Vault, conversation_id: UUID, turn_id: UUID) -> SetAside | None:
    """What was tried too often is tried no more: people get the conversation, and the contact is told so. No model
    is shown it any more. None where there is nothing of the kind, or people have the conversation."""
    conversation = await changed(session, conversation_id)
    if conversation.owner != "employee":
        return None
    found = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == conversation_id, _IS_WAITING, col(Message.tries) >= MOST_TRIES)
        .order_by(col(Message.seq))
        .execution_options(populate_existing=True)
    )
    messages = list(found)
    if not messages:
        return None
    for message in messages:
        message.state, message.settled_at = "quarantined", utc_now()
        audit.record(
            session,
            tenant_id=conversation.tenant_id,
            conversation_id=conversation_id,
            actor="runtime",
            action="message.quarantined",
            subject_id=message.contact_id,
            message_id=str(message.id),
            tries=message.tries,
            trouble=message.detail.get("trouble"),
        )
    await session.flush()
    wish = Wish("rule", "runtime", _why(messages[0]), RULE)
    owned = await owning.hand_off(session, vault, conversation_id, wish)
    notice_id = await notices.add_notice(session, conversation_id, turn_id, TOLD)
    return SetAside(notice_id, owned if owned.owner != "employee" else None)


def _why(message: Message) -> str:
    return f"The employee failed at a message {message.tries} times, so it is set aside. {trouble(message.detail)}"


def trouble(detail: dict[str, Any]) -> str:
    """Why it is set aside, as a sentence."""
    known = detail.get("trouble")
    return f"It ended with {known} last." if known else UNTOLD


@dataclass(frozen=True)
class Quarantined:
    """A message that is set aside."""

    message_id: UUID
    conversation_id: UUID
    said_at: datetime
    since: datetime | None
    tries: int
    why: str


async def of_conversation(session: AsyncSession, conversation_id: UUID) -> list[Quarantined]:
    """Oldest first."""
    found = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.state) == "quarantined")
        .order_by(col(Message.seq))
    )
    return [
        Quarantined(each.id, each.conversation_id, each.created_at, each.settled_at, each.tries, trouble(each.detail))
        for each in found
    ]


async def try_again(session: AsyncSession, conversation_id: UUID, *, actor: str) -> list[UUID]:
    """What is set aside there is the employee's to answer again, from the first try on.

    Raises:
        NotFound: there is nothing that is set aside, or no such conversation.
        Conflict: people have the conversation.
    """
    conversation: Conversation = await changed(session, conversation_id)
    found = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.state) == "quarantined")
        .order_by(col(Message.seq))
        .execution_options(populate_existing=True)
    )
    messages = list(found)
    if not messages:
        raise NotFound("Nothing is set aside in this conversation.")
    if conversation.owner != "employee":
        raise Conflict("People have this conversation: hand it back to the employee first.")
    for message in messages:
        message.state, message.settled_at, message.tries, message.swept_at = "received", None, 0, None
        # What it ended with before says nothing of what comes now.
        message.detail = {key: value for key, value in message.detail.items() if key != "trouble"}
        audit.record(
            session,
            tenant_id=conversation.tenant_id,
            conversation_id=conversation_id,
            actor=actor,
            action="message.tried_again",
            subject_id=message.contact_id,
            message_id=str(message.id),
        )
    return [message.id for message in messages]
