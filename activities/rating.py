"""Contacts are asked how they were helped, where and when their tenant wants it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat
from konstruct import temporal
from konstruct.contracts.upkeep import Questions
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.identity import TenantId
from konstruct.satisfaction import asking, terms
from konstruct.vault import Vault

TENANTS_AT_ONCE: Final = 100

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rating:
    database: Database
    vault: Vault
    client: Client

    @activity.defn(name="ask_for_ratings")
    async def ask_for_ratings(self) -> Questions:
        """Each question is written down in a transaction of its own, and sent after it; a sweep sends what is left."""
        asked = failed = 0
        after: UUID | None = None
        async with heartbeat():
            while found := await asking.tenants(self.database, after, TENANTS_AT_ONCE):
                for tenant_id in found:
                    try:
                        asked += await self._of(TenantId(tenant_id))
                    except (KonstructError, DBAPIError) as error:
                        # One tenant's trouble must not hold up the others.
                        failed += 1
                        log.warning("ratings_not_asked", tenant_id=str(tenant_id), error=type(error).__name__)
                after = found[-1]
        return Questions(asked, failed)

    async def _of(self, tenant_id: TenantId) -> int:
        async with self.database.tenant_session(tenant_id) as session:
            await asking.forget_unasked(session)
            chosen = await terms.read(session)
            due = await asking.due(session, chosen)
        asked = 0
        for conversation_id in due:
            async with self.database.tenant_session(tenant_id) as session:
                message_id = await asking.ask(session, self.vault, conversation_id, chosen)
            if message_id is not None:
                asked += 1
                await temporal.send(self.client, tenant_id, conversation_id, [message_id])
        return asked
