"""What was signed and could not be processed: kept aside for a week, so that a person can look at it."""

from sqlalchemy import text as sql

from konstruct.db import Database
from konstruct.tables import QuarantinedEvent


async def forget(database: Database) -> None:
    """Drops what was kept aside a week ago: a forgotten installation may go on sending for ever."""
    async with database.system_session() as session:
        await session.execute(sql("select forget_quarantined()"))


async def keep(database: Database, *, channel: str, reason: str, body: bytes) -> None:
    """Keeps a signed request that could not be processed, so that a person can look at it."""
    async with database.system_session() as session:
        session.add(QuarantinedEvent(channel=channel, reason=reason, body=body))
