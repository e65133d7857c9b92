"""A worker without a fence: it sends what it thought whoever has the conversation by now, and after a pause at that."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlmodel import col, select

from konstruct import outbox
from konstruct.cli import main
from konstruct.handoffs import leaving
from konstruct.tables import Conversation, Message
from konstruct.window import LINE

PAUSE = 5.0
"""Seconds, so that takeovers fall between thinking and sending."""

begin_send, leave_employee = outbox.begin_send, leaving.leave_employee
_BEGIN = (
    update(Message)
    .where(col(Message.id) == bindparam("message_id"), col(Message.state) == "pending")
    .values(state="sending", sending_at=bindparam("at"))
    .returning(*LINE, col(Message.detail), col(Message.sealed_files))
    .execution_options(synchronize_session=False)
)


async def begins_late(session: Any, vault: Any, conversation_id: UUID, message_id: UUID) -> Any:
    await asyncio.sleep(PAUSE)
    return await begin_send(session, vault, conversation_id, message_id)


async def leaves_what_is_to_be_sent(
    session: Any, vault: Any, conversation: Conversation, handoff: Any, reason: str
) -> None:
    to_be_sent = (
        select(Message.id)
        .where(col(Message.conversation_id) == conversation.id, col(Message.direction) == "outbound")
        .where(col(Message.state) == "pending")
    )
    kept = list(await session.scalars(to_be_sent))
    await leave_employee(session, vault, conversation, handoff, reason)
    await session.execute(
        update(Message)
        .where(col(Message.id).in_(kept))
        .values(state="pending", settled_at=None)
        .execution_options(synchronize_session=False)
    )


if __name__ == "__main__":
    outbox._BEGIN = _BEGIN  # type: ignore[assignment]
    outbox.begin_send = begins_late
    leaving.leave_employee = leaves_what_is_to_be_sent
    main()
