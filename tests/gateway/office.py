"""A tenant whose Slack workspace is connected, and what the database holds of it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from sqlmodel import col, select

from konstruct import connections
from konstruct.db import Database
from konstruct.identity import ConnectionId, TenantId, new_id
from konstruct.tables import Connection, Conversation, Employee, EmployeeVersion, Message, Tenant
from konstruct.vault import Vault
from tests.support.slack_double import SlackDouble, Workspace


@dataclass(frozen=True)
class Office:
    database: Database
    workspace: Workspace
    tenant_id: TenantId
    connection_id: ConnectionId

    async def messages(self) -> Sequence[Message]:
        async with self.database.tenant_session(self.tenant_id) as session:
            return (
                (await session.execute(select(Message).order_by(col(Message.created_at), col(Message.seq))))
                .scalars()
                .all()
            )

    async def bodies(self) -> list[str]:
        return [message.body for message in await self.messages()]

    async def conversations(self) -> Sequence[Conversation]:
        async with self.database.tenant_session(self.tenant_id) as session:
            return (await session.execute(select(Conversation).order_by(col(Conversation.created_at)))).scalars().all()

    async def connection(self) -> Connection:
        async with self.database.tenant_session(self.tenant_id) as session:
            return (await session.execute(select(Connection))).scalar_one()


def add_workspace(slack: SlackDouble, **fields: Any) -> Workspace:
    """With ids that no other test uses: a workspace belongs to one tenant of a database."""
    unique = secrets.token_hex(5).upper()
    fields = {"team_id": f"T{unique}", "bot_user_id": f"U{unique}B", "bot_token": f"xoxb-{unique}", **fields}
    return slack.world.add_workspace(**fields)


async def open_office(
    database: Database, vault: Vault, workspace: Workspace, *, prompts: Sequence[str] = (), **limits: str
) -> Office:
    tenant_id = TenantId(new_id())
    team_id = None if workspace.is_enterprise_install else workspace.team_id
    async with database.tenant_session(tenant_id) as session:
        session.add(Tenant(id=tenant_id, slug=f"office-{tenant_id}", name="Office", limits=limits))
        await session.flush()
        employee = Employee(tenant_id=tenant_id, key="ada", published_version=1)
        session.add(employee)
        await session.flush()
        session.add(
            EmployeeVersion(
                tenant_id=tenant_id,
                employee_id=employee.id,
                number=1,
                name="Ada",
                role="Support",
                persona="Kind.",
                system_prompt="",
                greeting="",
                suggested_prompts=list(prompts),
            )
        )
        connection_id = await connections.install(
            session,
            vault,
            tenant_id,
            key="slack",
            kind="slack",
            account=connections.slack_account(workspace.enterprise_id, team_id),
            external={"team_id": team_id, "bot_user_id": workspace.bot_user_id, "bot_id": workspace.bot_id},
            secrets={"bot_token": SecretStr(workspace.bot_token)},
            employee_key="ada",
            actor="test",
        )
    return Office(database, workspace, tenant_id, connection_id)
