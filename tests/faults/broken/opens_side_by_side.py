"""A gateway that looks whether there is a conversation and makes one if not: two that look at the same time make two.
It needs a database without the unique index, which stands in its way."""

import sys
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import connections, inbox
from konstruct.connections import ConnectionRef
from konstruct.inbox import Inbound
from konstruct.tables import Conversation
from tests.faults.wrapping import go_on


async def open_one(
    session: AsyncSession, connection: ConnectionRef, inbound: Inbound, contact_id: UUID
) -> Conversation:
    there = select(Conversation).where(
        col(Conversation.connection_id) == connection.connection_id,
        col(Conversation.channel) == inbound.channel,
        col(Conversation.root) == inbound.root,
    )
    found = (await session.scalars(there.limit(1))).first()
    if found is not None:
        return found
    made = Conversation(
        tenant_id=connection.tenant_id,
        connection_id=connection.connection_id,
        contact_id=contact_id,
        employee_id=await connections.serving_employee(session, connection.connection_id, inbound.channel),
        channel=inbound.channel,
        root=inbound.root,
    )
    session.add(made)
    await session.flush()
    return made


if __name__ == "__main__":
    vars(inbox)["_conversation"] = open_one
    go_on(("konstruct", *sys.argv[1:]))
