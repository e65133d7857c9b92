"""What waits for somebody in all tenants together, shown as metrics: how much, and for how long the oldest of it."""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import text

from konstruct.db import Database
from konstruct.errors import Unavailable
from konstruct.observing import metrics
from konstruct.tables.base import utc_now

LOOKED_AT: Final = timedelta(seconds=15)
"""However often somebody wants to know."""

log = structlog.get_logger(__name__)


class OpenWork:
    def __init__(self, database: Database, *, looked_at: timedelta = LOOKED_AT) -> None:
        self._database = database
        self._looked_at = looked_at.total_seconds()
        self._next_at = 0.0
        self._alone = asyncio.Lock()

    async def look(self) -> None:
        """Brings the metrics up to date. Where the database does not answer, they say nothing rather than what was."""
        async with self._alone:
            if time.monotonic() < self._next_at:
                return
            try:
                async with self._database.system_session() as session:
                    found = (await session.execute(text("select * from open_work()"))).all()
            except Unavailable as error:
                log.warning("open_work_unknown", error=str(error))
                metrics.WAITING.clear()
                metrics.WAITING_OLDEST.clear()
                return
            now = utc_now()
            for kind, many, since in found:
                metrics.WAITING.labels(kind).set(many)
                metrics.WAITING_OLDEST.labels(kind).set((now - since).total_seconds() if since else 0)
            self._next_at = time.monotonic() + self._looked_at
