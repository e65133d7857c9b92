"""Clearing up after tenants that were deleted: what runs for them ends, and what they pay, their files leave the store,
their rows go."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError

from activities.fetching import Removing
from activities.heartbeat import heartbeat
from konstruct import deletion, temporal
from konstruct.billing import ending
from konstruct.billing_ports import Payments
from konstruct.contracts.upkeep import Cleared
from konstruct.db import Database
from konstruct.errors import PaymentsRefused, Unavailable
from konstruct.files import keeping

AT_MOST: Final = 10
"""Tenants that one run takes on; the next one goes on."""
ROUNDS: Final = 1_000
_WHY: Final = "The tenant was deleted."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Clearing:
    database: Database
    client: Client
    removing: Removing
    payments: Payments | None = None

    @activity.defn(name="clear_tenants")
    async def clear_tenants(self) -> Cleared:
        """Each step may be done again: a run that dies is made good by the next."""
        cleared = left = 0
        async with heartbeat():
            for tenant_id in await deletion.waiting(self.database, AT_MOST):
                try:
                    is_cleared = await self._clear(tenant_id)
                except (Unavailable, PaymentsRefused, DBAPIError, RPCError) as error:
                    # One tenant's trouble must not hold up the others.
                    log.warning("clearing_failed", tenant_id=str(tenant_id), error=str(error))
                    is_cleared = False
                cleared, left = cleared + is_cleared, left + (not is_cleared)
        return Cleared(cleared, left)

    async def _clear(self, tenant_id: UUID) -> bool:
        await temporal.end_all(self.client, _WHY, tenant_id)
        await ending.end(self.database, self.payments, tenant_id)
        async with self.database.tenant_session(tenant_id) as session:
            await deletion.put_down_files(session, tenant_id)
        if not await self._removed_files(tenant_id):
            # The store is away; without these rows nobody would know what lies in it.
            return False
        async with self.database.tenant_session(tenant_id) as session:
            await deletion.clear(session, tenant_id)
        # What began since, as for a message that was just coming in, finds nothing to work on.
        await temporal.end_all(self.client, _WHY, tenant_id)
        log.info("tenant_cleared", tenant_id=str(tenant_id))
        return True

    async def _removed_files(self, tenant_id: UUID) -> bool:
        for _ in range(ROUNDS):
            async with self.database.tenant_session(tenant_id) as session:
                if not await keeping.due_removals(session):
                    return True
            if not await self.removing.of_tenant(tenant_id):
                return False
        return False
