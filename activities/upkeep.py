"""Upkeep: what a crash or an outage left lying is put back on its way."""

import structlog
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat
from konstruct import inbox, temporal
from konstruct.contracts.conversation import DELIVER_MESSAGE, SEND_NOTICE, DeliverMessage, SendNotice, Swept
from konstruct.db import Database
from konstruct.errors import Unavailable
from konstruct.inbox import Unsettled

log = structlog.get_logger(__name__)

AT_MOST = 500
"""Messages that one sweep signals; the next one goes on."""


class Upkeep:
    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    @activity.defn(name="sweep")
    async def sweep(self) -> Swept:
        """Signals every message that is durable but that no workflow has taken. A repeated signal changes nothing."""
        unsettled = await inbox.unsettled(self._database, AT_MOST)
        await inbox.forget_quarantined(self._database)
        signalled = 0
        async with heartbeat():
            for message in unsettled:
                try:
                    await self._signal(message)
                except Unavailable as error:
                    # One that cannot be signalled must not hold up the others.
                    log.warning("sweep_failed", conversation_id=str(message.conversation_id), error=str(error))
                else:
                    signalled += 1
        return Swept(signalled)

    async def _signal(self, message: Unsettled) -> None:
        signal, content = (
            (SEND_NOTICE, SendNotice(message.message_id))
            if message.is_notice
            else (DELIVER_MESSAGE, DeliverMessage(message.message_id))
        )
        await temporal.tell(self._client, message.tenant_id, message.conversation_id, signal, content)
        await inbox.note_swept(self._database, message)
