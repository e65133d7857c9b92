"""A gateway that looks whether there is a conversation, and makes one later if there was none: of several messages that
come at once each makes its own. It needs a database without the unique index, which stands in its way."""

import sys
from contextvars import ContextVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from konstruct import connections, inbox
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import Limiter
from konstruct.tables import Conversation
from konstruct.vault import Vault
from tests.faults.wrapping import go_on

accept = inbox.accept
was_there: ContextVar[bool] = ContextVar("was_there")


async def look_and_accept(
    database: Database, vault: Vault, limiter: Limiter, connection: ConnectionRef, inbound: Inbound
) -> Accepted:
    async with database.tenant_session(connection.tenant_id) as session:
        there = await session.scalars(_of(connection, inbound))
        was_there.set(there.first() is not None)
    return await accept(database, vault, limiter, connection, inbound)


async def open_one(
    session: AsyncSession, connection: ConnectionRef, inbound: Inbound, contact_id: UUID
) -> Conversation:
    if was_there.get():
        return (await session.scalars(_of(connection, inbound).with_for_update(key_share=True))).one()
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


def _of(connection: ConnectionRef, inbound: Inbound) -> SelectOfScalar[Conversation]:
    return (
        select(Conversation)
        .where(col(Conversation.connection_id) == connection.connection_id)
        .where(col(Conversation.channel) == inbound.channel, col(Conversation.root) == inbound.root)
        .order_by(col(Conversation.id))
        .limit(1)
    )


if __name__ == "__main__":
    inbox.accept = look_and_accept
    vars(inbox)["_conversation"] = open_one
    go_on(("konstruct", *sys.argv[1:]))
