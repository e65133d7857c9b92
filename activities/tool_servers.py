"""What servers of tools offer: asked once in a while, so that a change is noticed before it is called."""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct.contracts.upkeep import ServerToLookAt
from konstruct.db import Database
from konstruct.errors import KonstructError, NotFound, ToolFailed, WebError, WebRefused
from konstruct.source_ports import Mcp
from konstruct.tools import defining
from konstruct.vault import Vault

AT_MOST: Final = 50
"""Servers that one run asks; the next one goes on."""
AT_ONCE: Final = 8
TIME_LIMIT: Final = 15.0

log = structlog.get_logger(__name__)


class ToolServers:
    def __init__(self, database: Database, vault: Vault, mcp: Mcp) -> None:
        self._database = database
        self._vault = vault
        self._mcp = mcp

    @activity.defn(name="look_at_servers")
    async def look_at_servers(self) -> None:
        some = asyncio.Semaphore(AT_ONCE)

        async def look(tenant_id: UUID, tool_id: UUID) -> None:
            async with some:
                try:
                    await self._look_at(tenant_id, tool_id)
                except KonstructError as error:
                    # One that cannot be looked at, as when its secret does not open, must not hold up the others.
                    log.warning("look_failed", tenant_id=str(tenant_id), tool_id=str(tool_id), error=str(error))

        async with heartbeat():
            due = await defining.servers_to_look_at(self._database, AT_MOST)
            await asyncio.gather(*(look(*each) for each in due))

    @activity.defn(name="look_at_server")
    async def look_at_server(self, server: ServerToLookAt) -> None:
        """One that somebody has just defined, or asks about."""
        async with heartbeat():
            try:
                await self._look_at(server.tenant_id, server.tool_id)
            except NotFound:
                return

    async def _look_at(self, tenant_id: UUID, tool_id: UUID) -> None:
        async with self._database.tenant_session(tenant_id) as session:
            await defining.note_looked(session, tool_id)
        async with self._database.tenant_session(tenant_id) as session:
            tool = await defining.get(session, tool_id)
            server = defining.server(tool, await defining.secrets(session, self._vault, tool))
        try:
            offered = await self._mcp.tools(server, time_limit=TIME_LIMIT)
        except (WebError, ToolFailed) as error:
            status = "down" if isinstance(error, WebError) and not isinstance(error, WebRefused) else "refused"
            async with self._database.tenant_session(tenant_id) as session:
                await defining.mark(session, tool_id, status, str(error))
            return
        async with self._database.tenant_session(tenant_id) as session:
            await defining.keep_listing(session, tool_id, offered, url=server.url)
            await defining.mark(session, tool_id, "active", None)
