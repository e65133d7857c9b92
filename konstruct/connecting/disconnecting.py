"""Taking a connection out of use, for good until somebody connects the account again. Conversations stay."""

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import audit, connections
from konstruct.connections import FORMER_ACCOUNT
from konstruct.errors import Conflict
from konstruct.identity import ConnectionId
from konstruct.tables.base import utc_now


async def disconnect(session: AsyncSession, connection_id: ConnectionId, *, actor: str) -> None:
    """Its secrets are gone afterwards, and its account may be connected by any tenant. The channel is not told here.

    Raises:
        NotFound: the session's tenant has no such connection.
        Conflict: it is the console's, which is always there.
    """
    connection = await connections.locked(session, connection_id)
    if connection.kind == "console":
        raise Conflict("The console cannot be disconnected: `konstruct chat` talks over it.")
    if connection.status == "disconnected":
        return
    connection.external = {**connection.external, FORMER_ACCOUNT: connection.account}
    connection.account = f"disconnected/{connection.id}"
    connection.sealed_secrets = connection.token_expires_at = connection.renew_at = None
    connection.renewing_until = connection.renewal_problem = None
    connection.status, connection.status_reason, connection.status_changed_at = "disconnected", None, utc_now()
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=actor,
        action="connection.disconnected",
        connection_id=str(connection.id),
    )
