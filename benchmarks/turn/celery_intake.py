"""The webhook in front of Celery: ``python -m benchmarks.turn.celery_intake PORT``."""

import sys
from uuid import UUID

import uvloop
from celery import Celery

from benchmarks.turn.celery_worker import TURN, celery
from benchmarks.turn.intake import opened_intake, serve
from benchmarks.turn.pipeline import NoTemporal
from konstruct import log
from konstruct.adapters.redis import connect
from konstruct.db import Database
from konstruct.settings import Settings, needed
from konstruct.vault import Vault


class ByCelery(NoTemporal):
    def __init__(self, app: Celery) -> None:
        self._celery = app

    async def hand_over(self, tenant_id: UUID, conversation_id: UUID, message_id: UUID) -> None:
        # It has no client for asyncio, and this takes half a millisecond.
        self._celery.send_task(TURN, (str(tenant_id), str(conversation_id), str(message_id)))


async def main(port: int) -> None:
    settings = Settings()
    log.configure(settings)
    database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
    redis = connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
    vault, here = Vault(settings.encryption_keys), ByCelery(celery(settings))
    async with opened_intake(settings, database, redis, vault, here) as app:
        await serve(app, port)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
