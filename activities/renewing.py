"""Renewing: connections whose tokens expire get new ones before they do, each by one worker at a time."""

import asyncio
from typing import Final, Protocol

import structlog
from pydantic import SecretStr
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct.connecting import renewing
from konstruct.connecting.renewing import Claim, Renewed
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import ChannelError, KonstructError, Unavailable
from konstruct.vault import Vault

AT_MOST: Final = 200
"""Connections that one run renews; the next one goes on."""
AT_ONCE: Final = 8
KEPT_WITHIN: Final = 60
"""Tries, a second apart, to keep what came: it cannot be asked for again."""

log = structlog.get_logger(__name__)


class Renewer(Protocol):
    async def renew(self, refresh_token: SecretStr) -> Renewed:
        """Raises ChannelError."""


class Renewing:
    def __init__(self, database: Database, vault: Vault, renewer: Renewer | None) -> None:
        """``renewer``: None where the deployment has no Slack app of its own."""
        self._database = database
        self._vault = vault
        self._renewer = renewer
        self._room = asyncio.Semaphore(AT_ONCE)

    @activity.defn(name="renew_tokens")
    async def renew_tokens(self) -> None:
        if self._renewer is None:
            return
        async with heartbeat():
            due = await renewing.due(self._database, AT_MOST)
            await asyncio.gather(*(self._renew(self._renewer, connection) for connection in due))

    async def _renew(self, renewer: Renewer, connection: ConnectionRef) -> None:
        async with self._room:
            try:
                async with self._database.tenant_session(connection.tenant_id) as session:
                    claimed = await renewing.claim(session, self._vault, connection.connection_id)
                if claimed is not None:
                    await self._with(renewer, connection, claimed)
            except KonstructError as error:
                # One that cannot be renewed now must not hold up the others.
                log.warning("renewal_failed", connection_id=str(connection.connection_id), error=str(error))

    async def _with(self, renewer: Renewer, connection: ConnectionRef, claimed: Claim) -> None:
        try:
            renewed = await renewer.renew(claimed.refresh_token)
        except ChannelError as error:
            async with self._database.tenant_session(connection.tenant_id) as session:
                await renewing.fail(session, self._vault, claimed, error)
            return
        for attempt in range(KEPT_WITHIN):
            try:
                async with self._database.tenant_session(connection.tenant_id) as session:
                    await renewing.keep(session, self._vault, claimed, renewed)
                return
            except Unavailable:
                if attempt == KEPT_WITHIN - 1:
                    raise
                await asyncio.sleep(1)
