"""Noting that a connection's channel told us something, so that its operator sees it alive."""

import time
from typing import Final

from konstruct import connections
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.identity import ConnectionId

NOTED_EVERY: Final = 5.0
"""Seconds, in each process: a busy connection's row is not written for every message."""


class Heard:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[ConnectionId, float] = {}

    async def note(self, connection: ConnectionRef) -> None:
        now = time.monotonic()
        if now - self._noted.get(connection.connection_id, float("-inf")) < NOTED_EVERY:
            return
        self._noted[connection.connection_id] = now
        async with self._database.tenant_session(connection.tenant_id) as session:
            await connections.note_event(session, connection.connection_id)
