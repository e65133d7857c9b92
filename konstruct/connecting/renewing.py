"""Renewing tokens that expire, by one at a time and before they do. Asking the channel for them is not here.

A refresh token is good once. If what came for it is lost, because a process died in between, the next attempt is
refused; the connection then works until its last token expires, and its operator is told to connect it again.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import audit, connections
from konstruct.connections import SECRETS, ConnectionRef, note_expiry
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.identity import ConnectionId
from konstruct.ports import ChannelAccount
from konstruct.tables import Connection
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

BOT_TOKEN: Final = "bot_token"  # noqa: S105 - Names of secrets.
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105

CLAIMED_FOR: Final = timedelta(minutes=2)
"""Longer than the channel may take to answer. Whoever has not come back by then is dead."""
AGAIN_AFTER: Final = timedelta(minutes=1)
ACTOR: Final = "renewal"

_DUE: Final = text("select * from connections_to_renew(:at_most)")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Renewed:
    """What a channel gives for a refresh token."""

    bot_token: SecretStr
    refresh_token: SecretStr
    expires_in: timedelta


@dataclass(frozen=True)
class Claim:
    """The leave to use a connection's refresh token, for nobody else does meanwhile."""

    connection_id: ConnectionId
    refresh_token: SecretStr = field(repr=False)


async def due(database: Database, at_most: int) -> list[ConnectionRef]:
    async with database.system_session() as session:
        rows = await session.execute(_DUE, {"at_most": at_most})
        return [ConnectionRef(row.tenant_id, row.connection_id) for row in rows]


async def claim(session: AsyncSession, vault: Vault, connection_id: ConnectionId) -> Claim | None:
    """None: somebody else is at it or was, or it is no longer to be done."""
    connection = await connections.locked(session, connection_id)
    now = utc_now()
    is_claimed = connection.renewing_until is not None and connection.renewing_until > now
    if connection.status != "active" or connection.renew_at is None or connection.renew_at > now or is_claimed:
        return None
    secrets = (await connections.unsealed(session, vault, connection)).secrets
    if REFRESH_TOKEN not in secrets:
        connection.renew_at = None
        return None
    connection.renewing_until = now + CLAIMED_FOR
    return Claim(connection_id, secrets[REFRESH_TOKEN])


async def keep(session: AsyncSession, vault: Vault, claimed: Claim, renewed: Renewed) -> bool:
    """Whether it is the connection's now; it is not when the workspace was connected anew meanwhile."""
    connection = await connections.locked(session, claimed.connection_id)
    secrets = await _still_its(session, vault, connection, claimed)
    if secrets is None:
        return False
    secrets |= {BOT_TOKEN: renewed.bot_token, REFRESH_TOKEN: renewed.refresh_token}
    connection.sealed_secrets = await vault.seal(session, connection.tenant_id, SECRETS, connection.id, secrets)
    note_expiry(connection, renewed.expires_in)
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=ACTOR,
        action="connection.renewed",
        connection_id=str(connection.id),
    )
    return True


async def fail(session: AsyncSession, vault: Vault, claimed: Claim, error: KonstructError) -> None:
    """It is tried again soon if that may help, and otherwise when the token expires: then the connection is lost."""
    connection = await connections.locked(session, claimed.connection_id)
    if await _still_its(session, vault, connection, claimed) is None:
        return
    now = utc_now()
    log.warning("renewal_failed", tenant_id=str(connection.tenant_id), connection=connection.key, error=str(error))
    connection.renewing_until = now + AGAIN_AFTER
    if error.retryable:
        return
    connection.renewal_problem = str(error)
    expires_at = connection.token_expires_at
    if expires_at is not None and expires_at > now:
        connection.renew_at = expires_at
        return
    connection.renew_at = None
    await connections.mark(
        session, claimed.connection_id, status="revoked", reason="token_expired", actor=ACTOR, happened_at=None
    )


async def hasten(session: AsyncSession, vault: Vault, account: ChannelAccount) -> bool:
    """The channel says that the account's token has expired. False: it cannot be renewed, so the connection is dead."""
    connection = await connections.locked(session, account.connection_id)
    if connection.renew_at is None or connection.status != "active":
        return False
    secrets = (await connections.unsealed(session, vault, connection)).secrets
    if secrets.get(BOT_TOKEN) == account.secrets.get(BOT_TOKEN):
        now = utc_now()
        connection.renew_at = min(connection.renew_at, now)
        connection.token_expires_at = min(connection.token_expires_at or now, now)
    return True


async def _still_its(
    session: AsyncSession, vault: Vault, connection: Connection, claimed: Claim
) -> dict[str, SecretStr] | None:
    """The connection's secrets, unless its refresh token is no longer the one that was claimed."""
    secrets = dict((await connections.unsealed(session, vault, connection)).secrets)
    return secrets if secrets.get(REFRESH_TOKEN) == claimed.refresh_token else None
