"""A worker without a fence: it sends what it thought once somebody else has the conversation."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlmodel import col, select

from activities.delivery import Delivery
from konstruct import outbox
from konstruct.cli import main
from konstruct.contracts.conversation import DeliverRequest
from konstruct.handoffs import leaving
from konstruct.tables import Conversation, Message
from konstruct.window import LINE

PAUSE = 3.0
"""Seconds in which a takeover is acknowledged."""

send, leave_employee = Delivery._send, leaving.leave_employee
_BEGIN = (
    update(Message)
    .where(col(Message.id) == bindparam("message_id"), col(Message.state) == "pending")
    .values(state="sending", sending_at=bindparam("at"))
    .returning(*LINE, col(Message.detail), col(Message.sealed_files), col(Message.tries))
    .execution_options(synchronize_session=False)
)


async def sends_late(self: Delivery, request: DeliverRequest, message_id: UUID) -> Any:
    """Only when somebody has taken the conversation over, and knows it."""
    of_conversation = select(Conversation.owner).where(col(Conversation.id) == request.conversation_id)
    owner = "employee"
    while owner == "employee":
        await asyncio.sleep(0.1)
        async with self._database.tenant_session(request.tenant_id) as session:
            owner = (await session.scalars(of_conversation)).one()
    await asyncio.sleep(PAUSE)
    return await send(self, request, message_id)


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
    outbox._BEGIN = _BEGIN
    Delivery._send = sends_late  # type: ignore[method-assign]
    leaving.leave_employee = leaves_what_is_to_be_sent
    main()
