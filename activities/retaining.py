"""Retention carried out: what a tenant keeps no longer is let go of, in transactions that hold nobody up."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct import retention
from konstruct.contracts.upkeep import LetGo
from konstruct.db import Database
from konstruct.errors import Unavailable

TENANTS_AT_ONCE: Final = 100
BATCHES_IN_A_RUN: Final = 400
"""Of one tenant; the next run goes on, and others have their turn before."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Retaining:
    database: Database

    @activity.defn(name="let_go")
    async def let_go(self) -> LetGo:
        """A crash in between leaves every transaction whole, and the next run goes on where it was."""
        done = failed = 0
        after: UUID | None = None
        async with heartbeat():
            while found := await retention.tenants(self.database, after, TENANTS_AT_ONCE):
                for tenant_id in found:
                    try:
                        await self._of(tenant_id)
                        done += 1
                    except (Unavailable, DBAPIError) as error:
                        # One tenant's trouble must not hold up the others.
                        failed += 1
                        log.warning("retention_failed", tenant_id=str(tenant_id), error=type(error).__name__)
                after = found[-1]
        return LetGo(done, failed)

    async def _of(self, tenant_id: UUID) -> None:
        async with self.database.tenant_session(tenant_id) as session:
            periods = await retention.begin(session, tenant_id)
        left = BATCHES_IN_A_RUN
        for kind in retention.KINDS:
            is_more = True
            while is_more and left:
                left -= 1
                async with self.database.tenant_session(tenant_id) as session:
                    is_more = await retention.let_go(session, tenant_id, periods, kind)
        if left:
            async with self.database.tenant_session(tenant_id) as session:
                await retention.end(session, tenant_id)
