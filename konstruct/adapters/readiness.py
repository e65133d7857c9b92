"""One small port of each process for whoever runs it: /metrics as Prometheus reads them, and /health.

Nobody signs in here, so it listens on this machine alone unless it is told otherwise, and says neither whose anything
is nor what an error quoted.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from konstruct import temporal
from konstruct.adapters.redis import Redis
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.observing.metrics import REGISTRY
from konstruct.settings import Settings

Check = Callable[[], Awaitable[bool]]
"""Whether a part answers. What it raises says that it does not."""

PATIENCE: Final = timedelta(seconds=2)
"""With each part; who asks mostly waits for a few seconds."""


async def _no_more() -> None:
    """Nothing has to be looked at before metrics are shown."""


@dataclass
class Port:
    checks: Mapping[str, Check]
    """What this process cannot do without, by its name."""
    before_metrics: Callable[[], Awaitable[None]] = _no_more
    """Brings them up to date."""
    beside: str | None = None
    """An address with more of them."""

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        await self.before_metrics()
        shown = generate_latest(REGISTRY) + await self._more()
        return web.Response(body=shown, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _more(self) -> bytes:
        if self.beside is None:
            return b""
        try:
            async with (
                ClientSession(timeout=ClientTimeout(PATIENCE.total_seconds())) as session,
                session.get(self.beside) as answer,
            ):
                return await answer.read()
        except (ClientError, TimeoutError):
            return b""

    async def _live(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, request: web.Request) -> web.Response:
        """200 while the process can do its work, else 503; either way with which parts answer."""
        answers = await asyncio.gather(*(_answers(check) for check in self.checks.values()))
        parts = {name: "ok" if is_there else "away" for name, is_there in zip(self.checks, answers, strict=True)}
        return web.json_response(parts, status=200 if all(answers) else 503)


async def starting() -> bool:
    """A check of a process that is not at work yet."""
    return False


async def _answers(check: Check) -> bool:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            return await check()
    except Exception:
        # Whatever it is, and whatever it says: the part cannot be used.
        return False


def checks_of_worker(database: Database, redis: Redis, client: Client, queues: tuple[str, ...]) -> dict[str, Check]:
    """A worker's: its stores and Temporal answer, and Temporal knows that this process asks for work."""

    async def has_database() -> bool:
        async with database.system_session() as session:
            await session.execute(text("select 1"))
        return True

    async def has_redis() -> bool:
        return bool(await redis.ping())

    async def has_temporal() -> bool:
        return await client.service_client.check_health(timeout=PATIENCE)

    async def is_polling() -> bool:
        found = await asyncio.gather(*(temporal.pollers(client, queue) for queue in queues))
        return all(any(poller.identity == client.identity for poller in pollers) for pollers in found)

    return {"database": has_database, "redis": has_redis, "temporal": has_temporal, "worker": is_polling}


@asynccontextmanager
async def opened(settings: Settings, port: Port) -> AsyncIterator[None]:
    """Listens where the settings say so. Raises Misconfigured when nobody can listen there."""
    if not settings.metrics_port:
        yield
        return
    runner = web.AppRunner(port.app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
    except OSError as error:
        await runner.cleanup()
        where = f"port {settings.metrics_port} of {settings.metrics_host}"
        raise Misconfigured(f"Nothing can listen on {where}: free it, or set KONSTRUCT_METRICS_PORT.") from error
    try:
        yield
    finally:
        await runner.cleanup()


def temporals_own(port: int) -> str:
    """Has Temporal's SDK count what it does, from now on; gives the address at which it says so.

    To be called before any client is made, and once: the SDK counts for all clients of a process together.
    """
    exported = PrometheusConfig(
        f"127.0.0.1:{port}", counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(metrics=exported, attach_service_name=False)))
    return f"http://127.0.0.1:{port}/metrics"
