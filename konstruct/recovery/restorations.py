"""That the database was put back to an earlier moment, and that nobody works on it before it is fenced."""

from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.tables import Restoration
from konstruct.tables.base import utc_now

log = structlog.get_logger(__name__)

_UNFENCED: Final = (
    select(Restoration)
    .where(col(Restoration.fenced_at).is_(None))
    .order_by(col(Restoration.restored_at).desc())
    .limit(1)
)


async def unfenced(database: Database) -> Restoration | None:
    """The newest one that was begun and is not through."""
    async with database.system_session() as session:
        return await _unfenced(session)


async def begin(database: Database, of_moment: datetime) -> Restoration:
    """For a database that was put back by other means."""
    async with database.system_session() as session:
        restoration = Restoration(of_moment=of_moment)
        session.add(restoration)
    return restoration


async def finish(database: Database) -> None:
    """All that were begun are through with the newest."""
    async with database.system_session() as session:
        while (restoration := await _unfenced(session)) is not None:
            restoration.fenced_at = utc_now()
            await session.flush()


async def require_fenced(database: Database) -> None:
    """Raises Misconfigured where work would be done again that may have been done since the backup."""
    try:
        restoration = await unfenced(database)
    except DBAPIError as error:
        # Its tables are of an older release, which knows of no restorations, or are not there yet.
        log.warning("restorations_not_looked_at", error=type(error).__name__)
        return
    if restoration is not None:
        raise Misconfigured(
            f"The database was restored to what it was at {restoration.of_moment:%Y-%m-%d %H:%M:%S} UTC, and it is not"
            " settled yet what was done since: run `konstruct restore` to the end first."
        )


async def _unfenced(session: AsyncSession) -> Restoration | None:
    return (await session.scalars(_UNFENCED)).one_or_none()
