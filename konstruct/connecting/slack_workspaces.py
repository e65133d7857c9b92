"""What a person has allowed at Slack becomes a tenant's connection, whichever way they were sent there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import connections
from konstruct.connecting import slack_app
from konstruct.connecting.renewing import BOT_TOKEN, REFRESH_TOKEN
from konstruct.errors import BadInput
from konstruct.identity import ConnectionId, TenantId
from konstruct.vault import Vault


@dataclass(frozen=True)
class Workspace:
    """As Slack says that it is. A browser is asked for none of this."""

    team_id: str | None
    """None: all workspaces of an organization."""
    enterprise_id: str | None
    name: str
    external: Mapping[str, str | None]
    scopes: Collection[str]
    bot_token: SecretStr = field(repr=False)
    refresh_token: SecretStr | None = field(default=None, repr=False)
    token_lives: timedelta | None = None

    @property
    def account(self) -> str:
        return connections.slack_account(self.enterprise_id, self.team_id)


async def connect(
    session: AsyncSession, vault: Vault, tenant_id: TenantId, workspace: Workspace, *, employee_key: str, actor: str
) -> ConnectionId:
    """Connects it, or renews its connection.

    Raises:
        BadInput: it was allowed too little.
        Conflict: the workspace belongs to another tenant.
        NotFound: there is no such employee.
    """
    if lacking := slack_app.lacking(workspace.scopes):
        raise BadInput(
            f"Slack granted the app too few permissions in {workspace.name}. Missing: {', '.join(lacking)}. Add "
            "this under OAuth & Permissions in the Slack app's settings, or ask an administrator of the workspace, and "
            "add the workspace again."
        )
    tokens = {BOT_TOKEN: workspace.bot_token}
    if workspace.refresh_token is not None:
        tokens[REFRESH_TOKEN] = workspace.refresh_token
    return await connections.install(
        session,
        vault,
        tenant_id,
        key=f"slack-{workspace.team_id or workspace.enterprise_id}".lower(),
        kind="slack",
        account=workspace.account,
        external={**workspace.external, "team_name": workspace.name},
        secrets=tokens,
        employee_key=employee_key,
        actor=actor,
        token_lives=workspace.token_lives,
    )
