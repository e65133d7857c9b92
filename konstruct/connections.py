"""Connections: which tenant a channel account belongs to, its secrets, and whether it is still good."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import SecretStr
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import ConnectionId, TenantId
from konstruct.ports import ChannelAccount
from konstruct.tables import Connection, Employee
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

_FOUND = text("select * from find_connection(:kind, :account)")
_CONNECTION = select(Connection).where(col(Connection.id) == bindparam("connection_id"))
# The weaker kind of lock: it does not wait for new contacts of this connection, whose writers wait for a conversation.
_LOCKED_CONNECTION = _CONNECTION.with_for_update(key_share=True)

SECRETS = "connection"
"""What the vault calls the purpose of a connection's secrets."""


@dataclass(frozen=True)
class ConnectionRef:
    tenant_id: TenantId
    connection_id: ConnectionId


def slack_account(enterprise_id: str | None, team_id: str | None) -> str:
    """The name under which a Slack workspace, or a whole Enterprise Grid (no team), belongs to one tenant."""
    return f"{enterprise_id or '-'}/{team_id or '-'}"


async def find(database: Database, kind: str, account: str) -> ConnectionRef | None:
    async with database.system_session() as session:
        row = (await session.execute(_FOUND, {"kind": kind, "account": account})).one_or_none()
    return None if row is None else ConnectionRef(row.tenant_id, row.connection_id)


async def open_account(session: AsyncSession, vault: Vault, connection_id: ConnectionId) -> ChannelAccount:
    """Raises NotFound when the session's tenant has no such connection."""
    return await unsealed(session, vault, await _get(session, connection_id))


async def key_of(session: AsyncSession, connection_id: ConnectionId) -> str:
    """What the tenant calls it. Raises NotFound when the session's tenant has no such connection."""
    return (await _get(session, connection_id)).key


async def unsealed(session: AsyncSession, vault: Vault, connection: Connection) -> ChannelAccount:
    secrets: dict[str, SecretStr] = {}
    if connection.sealed_secrets is not None:
        secrets = await vault.open(session, connection.tenant_id, SECRETS, connection.id, connection.sealed_secrets)
    return ChannelAccount(
        tenant_id=TenantId(connection.tenant_id),
        connection_id=ConnectionId(connection.id),
        kind=connection.kind,
        is_active=connection.status == "active",
        team_id=connection.external.get("team_id") or "",
        bot_user_id=connection.external.get("bot_user_id") or "",
        bot_id=connection.external.get("bot_id") or "",
        secrets=secrets,
        external=dict(connection.external),
        functions=tuple(connection.functions),
    )


async def mark(
    session: AsyncSession,
    connection_id: ConnectionId,
    *,
    status: str,
    reason: str,
    actor: str,
    happened_at: datetime | None = None,
) -> None:
    """Says that a connection is no longer good, once: a repeated or later word does not change the first, and one
    that ``happened_at`` a time before the connection was made good again says nothing of it now."""
    connection = await _get(session, connection_id, lock=True)
    if connection.status != "active" or (happened_at is not None and happened_at < connection.status_changed_at):
        return
    connection.status, connection.status_reason, connection.status_changed_at = status, reason, utc_now()
    log.warning("connection_lost", tenant_id=str(connection.tenant_id), connection=connection.key, reason=reason)
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=actor,
        action=f"connection.{status}",
        connection_id=str(connection.id),
        reason=reason,
    )


async def install(
    session: AsyncSession,
    vault: Vault,
    tenant_id: TenantId,
    *,
    key: str,
    kind: str,
    account: str,
    external: dict[str, str | None],
    secrets: dict[str, SecretStr],
    employee_key: str,
    actor: str,
) -> ConnectionId:
    """Makes a connection, or renews the one of the same account.

    Raises:
        NotFound: the tenant has no such employee.
        Conflict: the account belongs to another tenant.
    """
    taken = (await session.execute(_FOUND, {"kind": kind, "account": account})).one_or_none()
    if taken is not None and taken.tenant_id != tenant_id:
        raise Conflict("This workspace is already connected elsewhere; disconnect it there first.")
    employee = (await session.execute(select(Employee).where(Employee.key == employee_key))).scalar_one_or_none()
    if employee is None:
        raise NotFound(f"There is no employee {employee_key!r}.")
    connection = await session.get(Connection, (tenant_id, taken.connection_id)) if taken else None
    if connection is None:
        connection = Connection(tenant_id=tenant_id, key=key, kind=kind, account=account, employee_id=employee.id)
        session.add(connection)
    connection.external = dict(external)
    connection.sealed_secrets = await vault.seal(session, tenant_id, SECRETS, connection.id, secrets)
    connection.status, connection.status_reason, connection.status_changed_at = "active", None, utc_now()
    audit.record(
        session, tenant_id=tenant_id, actor=actor, action="connection.installed", connection_id=str(connection.id)
    )
    return ConnectionId(connection.id)


async def _get(session: AsyncSession, connection_id: ConnectionId, *, lock: bool = False) -> Connection:
    query = _LOCKED_CONNECTION if lock else _CONNECTION
    connection = (await session.execute(query, {"connection_id": connection_id})).scalar_one_or_none()
    if connection is None:
        raise NotFound("There is no such connection.")
    return connection
