"""The pipeline in Celery's worker: ``python -m benchmarks.turn.celery_worker PROCESSES``.

A task is acknowledged when it is over, so that a death of the worker loses none. Nothing else of what a workflow
promises is here: order within a conversation, one turn at a time, waiting for days.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

import uvloop
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from benchmarks.turn.pipeline import Pipeline, opened_pipeline
from konstruct import log
from konstruct.settings import Settings, needed

TURN: Final = "turn"


def celery(settings: Settings) -> Celery:
    app = Celery("turns", broker=needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    return app


class Here:
    """What each of the worker's processes has: a loop, and on it a pipeline."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._open = AsyncExitStack()
        self._pipeline: Pipeline | None = None

    def begin(self, **_: Any) -> None:
        self._pipeline = self._runner.run(self._open.enter_async_context(opened_pipeline(self._settings)))

    def turn(self, *ids: str) -> None:
        assert self._pipeline is not None
        self._runner.run(self._pipeline.turn(*map(UUID, ids)))

    def end(self, **_: Any) -> None:
        self._runner.run(self._open.aclose())


def main(processes: int) -> None:
    settings = Settings()
    log.configure(settings)
    app, here = celery(settings), Here(settings)
    worker_process_init.connect(here.begin)
    worker_process_shutdown.connect(here.end)
    app.task(name=TURN)(here.turn)
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    app.worker_main(["worker", "--pool=prefork", f"--concurrency={processes}", "--loglevel=info", *quiet])


if __name__ == "__main__":
    main(int(sys.argv[1]))
