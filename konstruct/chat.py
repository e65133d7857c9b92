"""Talking to an employee from a terminal, through the same pipeline as any channel."""

import asyncio
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from temporalio.client import Client

from konstruct import connections, inbox, temporal, tenants, window
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import NotFound, Unavailable
from konstruct.identity import new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import Limiter
from konstruct.tables import Conversation, Employee, EmployeeVersion, Message
from konstruct.vault import Vault
from konstruct.window import Line

POLL_SECONDS = 0.1
PEOPLES = "A person has this conversation. They were shown what you wrote, and answer when they can."


class Chat:
    """One conversation with the employee that serves a tenant's console connection."""

    def __init__(
        self, database: Database, vault: Vault, limiter: Limiter, client: Client, connection: ConnectionRef
    ) -> None:
        self._database = database
        self._vault = vault
        self._limiter = limiter
        self._client = client
        self._connection = connection
        self._root = str(new_id())

    @classmethod
    async def open(cls, database: Database, vault: Vault, limiter: Limiter, client: Client, tenant: str) -> "Chat":
        """Raises NotFound when there is no such tenant, or it has no console connection."""
        if await tenants.find(database, tenant) is None:
            raise NotFound(f"There is no tenant {tenant!r}: make it with `konstruct apply`.")
        connection = await connections.find(database, "console", tenant)
        if connection is None:
            raise NotFound(f"Tenant {tenant!r} has no connection of kind console: add one and apply the file again.")
        return cls(database, vault, limiter, client, connection)

    async def say(self, text: str, patience: float) -> list[tuple[str, str]]:
        """What comes back, as (name, text).

        Raises:
            Unavailable: nothing came within ``patience`` seconds; the message is kept and will be answered.
        """
        inbound = Inbound("console", self._root, str(new_id()), "console", text)
        accepted = await inbox.accept(self._database, self._vault, self._limiter, self._connection, inbound)
        await temporal.notify(self._client, self._connection.tenant_id, accepted)
        try:
            async with asyncio.timeout(patience):
                while True:
                    if answer := await self._answer(accepted):
                        return answer
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            if await self._is_peoples(accepted):
                return [("Konstruct", PEOPLES)]
            raise Unavailable(
                f"No answer within {patience:.0f} seconds. Your message is kept and will be answered when a worker"
                " can; `konstruct doctor` says what is missing."
            ) from None

    async def _is_peoples(self, accepted: Accepted) -> bool:
        async with self._database.tenant_session(self._connection.tenant_id) as session:
            asked = await session.get_one(Message, (self._connection.tenant_id, accepted.message_id))
            return asked.state == "passed"

    async def _answer(self, accepted: Accepted) -> list[tuple[str, str]]:
        async with self._database.tenant_session(self._connection.tenant_id) as session:
            asked = await session.get_one(Message, (self._connection.tenant_id, accepted.message_id))
            said = (
                await session.execute(
                    select(Message)
                    .where(col(Message.conversation_id) == accepted.conversation_id)
                    .where(col(Message.direction) == "outbound", col(Message.state) == "sent")
                    .where(col(Message.seq) > asked.seq)
                    .order_by(col(Message.seq))
                )
            ).scalars()
            messages = list(said)
            # An answer may have several parts; a notice stands alone and comes at once.
            if not messages or (asked.state == "taken" and messages[-1].purpose == "reply"):
                return []
            name = await _employee_name(session, accepted.conversation_id)
            lines = [Line.of(message) for message in messages]
            ciphers = await self._vault.ciphers(session, window.contacts_in(lines))
            return [
                (line.signed or (name if line.author == "employee" else "Konstruct"), line.text(ciphers) or "(erased)")
                for line in lines
            ]


async def _employee_name(session: AsyncSession, conversation_id: UUID) -> str:
    return (
        await session.execute(
            select(EmployeeVersion.name)
            .join(Employee, col(Employee.id) == col(EmployeeVersion.employee_id))
            .join(Conversation, col(Conversation.employee_id) == col(Employee.id))
            .where(col(Conversation.id) == conversation_id)
            .where(col(EmployeeVersion.number) == col(Employee.published_version))
        )
    ).scalar_one()
