"""Connections: which tenant a channel account belongs to, its secrets, and whether it is still good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy import bindparam, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import allowances, enforcing
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import ConnectionId, TenantId
from konstruct.ports import ChannelAccount
from konstruct.tables import Connection, Employee, EmployeeBinding
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

_FOUND = text("select * from find_connection(:kind, :account)")
_OF_BUSINESS = text("select * from connections_of_business(:kind, :business)")
_CONNECTION = select(Connection).where(col(Connection.id) == bindparam("connection_id"))
# The weaker kind of lock: it does not wait for new contacts of this connection, whose writers wait for a conversation.
_LOCKED_CONNECTION = _CONNECTION.with_for_update(key_share=True)
_HEARD = (
    update(Connection)
    .where(col(Connection.id) == bindparam("of_connection"))
    .values(last_event_at=bindparam("now"))
    .execution_options(synchronize_session=False)
)

SECRETS = "connection"
"""What the vault calls the purpose of a connection's secrets."""

FORMER_ACCOUNT: Final = "former_account"
"""Under this name, in ``external``, a connection that was disconnected keeps whose it was."""

RENEW_BEFORE: Final = timedelta(hours=2)
"""So long before a token expires it is renewed; of one that lives shortly, when half of its life is over."""

_CALLED: Final[Mapping[str, str]] = {"slack": "workspace", "whatsapp": "number"}


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


async def of_business(database: Database, kind: str, business_id: str) -> list[ConnectionRef]:
    """All connections, of whichever tenant, whose account is part of this business's at the channel."""
    async with database.system_session() as session:
        rows = await session.execute(_OF_BUSINESS, {"kind": kind, "business": business_id})
        return [ConnectionRef(row.tenant_id, row.connection_id) for row in rows]


async def open_account(session: AsyncSession, vault: Vault, connection_id: ConnectionId) -> ChannelAccount:
    """Raises NotFound when the session's tenant has no such connection."""
    return await unsealed(session, vault, await _get(session, connection_id))


async def key_of(session: AsyncSession, connection_id: ConnectionId) -> str:
    """What the tenant calls it. Raises NotFound when the session's tenant has no such connection."""
    return (await _get(session, connection_id)).key


async def locked(session: AsyncSession, connection_id: ConnectionId) -> Connection:
    """Held until the transaction ends. Raises NotFound when the session's tenant has no such connection."""
    return await _get(session, connection_id, lock=True)


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


async def note_event(session: AsyncSession, connection_id: ConnectionId) -> None:
    """The channel has just told us something of this account."""
    await session.execute(_HEARD, {"of_connection": connection_id, "now": utc_now()})


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


async def reinstate(session: AsyncSession, connection_id: ConnectionId, *, actor: str) -> None:
    """The channel takes back that it restricted the account; what is wrong with it otherwise stays so."""
    connection = await _get(session, connection_id, lock=True)
    if connection.status != "restricted":
        return
    connection.status, connection.status_reason, connection.status_changed_at = "active", None, utc_now()
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=actor,
        action="connection.reinstated",
        connection_id=str(connection.id),
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
    functions: Sequence[str] | None = None,
    token_lives: timedelta | None = None,
) -> ConnectionId:
    """Makes a connection, or renews the tenant's own of the same account; whoever served that goes on to.

    Args:
        key: What a connection that is made anew is called.
        functions: What it is for; None: as it was.
        token_lives: How long the token among the secrets is good; None: until it is revoked.

    Raises:
        NotFound: the tenant has no such employee.
        Conflict: the account belongs to another tenant.
        OverPlan: it would be one more than the tenant's plan includes.
    """
    await enforcing.hold(session)
    taken = (await session.execute(_FOUND, {"kind": kind, "account": account})).one_or_none()
    if taken is not None and taken.tenant_id != tenant_id:
        raise held_elsewhere(kind)
    employee = (await session.execute(select(Employee).where(Employee.key == employee_key))).scalar_one_or_none()
    if employee is None:
        raise NotFound(f"There is no employee {employee_key!r}.")
    connection = await _own(session, kind, account, taken.connection_id if taken else None)
    if connection is None or connection.status == "disconnected":
        await require_room(session, kind)
    if connection is None:
        connection = Connection(tenant_id=tenant_id, key=key, kind=kind, account=account, employee_id=employee.id)
        session.add(connection)
    elif connection.status == "disconnected":
        connection.account, connection.employee_id = account, employee.id
    connection.external = dict(external)
    if functions is not None:
        connection.functions = list(functions)
    await _claim(session, kind)
    connection.sealed_secrets = await vault.seal(session, tenant_id, SECRETS, connection.id, secrets)
    connection.status, connection.status_reason, connection.status_changed_at = "active", None, utc_now()
    note_expiry(connection, token_lives)
    audit.record(
        session, tenant_id=tenant_id, actor=actor, action="connection.installed", connection_id=str(connection.id)
    )
    return ConnectionId(connection.id)


async def require_room(session: AsyncSession, kind: str) -> None:
    """For one more account of this kind. Raises OverPlan."""
    if kind == "whatsapp":
        await enforcing.require_feature(session, "whatsapp")
    if kind in allowances.ACCOUNTS:
        await enforcing.require_room(session, "connections")


def held_elsewhere(kind: str) -> Conflict:
    return Conflict(
        f"This {_CALLED.get(kind, 'account')} is already connected elsewhere; whoever did that has to disconnect it "
        "there first."
    )


def note_expiry(connection: Connection, token_lives: timedelta | None) -> None:
    """When the token that it has just been given expires, and when that is to be renewed."""
    now = utc_now()
    connection.renewing_until = connection.renewal_problem = None
    connection.token_expires_at = connection.renew_at = None
    if token_lives is not None:
        connection.token_expires_at = now + token_lives
        connection.renew_at = now + max(token_lives - RENEW_BEFORE, token_lives / 2)


async def _own(session: AsyncSession, kind: str, account: str, connection_id: UUID | None) -> Connection | None:
    """The tenant's connection of the account, or the one that it had of it."""
    query = select(Connection).where(col(Connection.kind) == kind).with_for_update(key_share=True)
    if connection_id is not None:
        query = query.where(col(Connection.id) == connection_id)
    else:
        query = query.where(col(Connection.external)[FORMER_ACCOUNT].astext == account)
        query = query.where(col(Connection.status) == "disconnected")
    return (await session.execute(query.limit(1))).scalar_one_or_none()


async def _claim(session: AsyncSession, kind: str) -> None:
    """Two tenants may connect the same account at once: the index decides."""
    is_taken = False
    try:
        await session.flush()
    except IntegrityError as error:
        is_taken = "connections_kind_account_key" in str(error.orig)
        if not is_taken:
            raise
    if is_taken:
        # Not raised from the database's error: that one lists all values of the row.
        raise held_elsewhere(kind)


async def _get(session: AsyncSession, connection_id: ConnectionId, *, lock: bool = False) -> Connection:
    query = _LOCKED_CONNECTION if lock else _CONNECTION
    connection = (await session.execute(query, {"connection_id": connection_id})).scalar_one_or_none()
    if connection is None:
        raise NotFound("There is no such connection.")
    return connection


async def serving_employee(session: AsyncSession, connection_id: ConnectionId, channel: str) -> UUID:
    """Who takes new conversations of a channel: whom it is bound to, or else who serves the connection."""
    bound: UUID | None = await session.scalar(
        select(col(EmployeeBinding.employee_id))
        .where(col(EmployeeBinding.connection_id) == connection_id)
        .where(col(EmployeeBinding.channel) == channel)
    )
    if bound is not None:
        return bound
    return (
        await session.execute(select(col(Connection.employee_id)).where(col(Connection.id) == connection_id))
    ).scalar_one()
