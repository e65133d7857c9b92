"""A tenant whose Slack workspace is connected, and what the database holds of it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from konstruct import connections
from konstruct.db import Database
from konstruct.tables import Connection
from konstruct.vault import Vault
from tests.support import office
from tests.support.slack_double import SlackDouble, Workspace


@dataclass(frozen=True)
class Office(office.Office):
    workspace: Workspace

    async def bodies(self) -> list[str]:
        return [message.body or "" for message in await self.messages()]

    async def connection(self) -> Connection:
        [connection] = await self.rows(Connection)
        return connection


def add_workspace(slack: SlackDouble, **fields: Any) -> Workspace:
    """With ids that no other test uses: a workspace belongs to one tenant of a database."""
    unique = secrets.token_hex(5).upper()
    fields = {"team_id": f"T{unique}", "bot_user_id": f"U{unique}B", "bot_token": f"xoxb-{unique}", **fields}
    return slack.world.add_workspace(**fields)


async def open_office(
    database: Database, vault: Vault, workspace: Workspace, *, prompts: Sequence[str] = (), **limits: str
) -> Office:
    team_id = None if workspace.is_enterprise_install else workspace.team_id
    opened = await office.open_office(
        database,
        vault,
        account=connections.slack_account(workspace.enterprise_id, team_id),
        bot_token=workspace.bot_token,
        external={"team_id": team_id, "bot_user_id": workspace.bot_user_id, "bot_id": workspace.bot_id},
        prompts=prompts,
        limits=limits,
    )
    return Office(**vars(opened), workspace=workspace)
