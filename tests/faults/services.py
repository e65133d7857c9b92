"""The product's programs and the servers that they need, each kept running as by whatever runs containers.

What ends is started again, however often, so each can be killed, stopped and held at any moment.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.service import RPCError

from konstruct import db, temporal
from konstruct.embedded import postgres as embedded_postgres
from konstruct.embedded import temporal as embedded_temporal
from konstruct.embedded import valkey as embedded_valkey
from konstruct.embedded.loopback import free_port, http_answers
from konstruct.embedded.process import Child, Program
from konstruct.errors import Unavailable
from tests.support.commands import CHECKOUT
from tests.support.processes import ended, environment, paused
from tests.support.programs import launch

PAUSE: Final = 0.2
"""Seconds before what has ended is started again."""
KONSTRUCT: Final = ("konstruct",)


class Service:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.deaths = 0
        self._child: Child | None = None
        self._is_ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} does not run"
        return self._child.process.pid

    async def start(self) -> None:
        """Returns when it is ready. Raises Unavailable with the end of its log when it does not get there."""
        self._child = await launch(self.program)
        self._is_ready.set()
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Returns when it is gone; it comes back by itself."""
        await self._is_ready.wait()
        pid = self.pid
        self._is_ready.clear()
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        await ended(pid)

    async def ready(self) -> None:
        await self._is_ready.wait()

    async def end(self, number: signal.Signals) -> None:
        """As it likes best, or without a warning; it stays away like what is stopped."""
        await self._is_ready.wait()
        if self._keeper is not None:
            self._keeper.cancel()
        os.kill(self.pid, number)
        await ended(self.pid)
        await self.stop()

    async def stop(self) -> None:
        """It stays away until it is started."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        self._is_ready.clear()
        if self._child is not None:
            await self._child.stop()
            self._child = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """It keeps its connections and answers nothing."""
        await self._is_ready.wait()
        async with paused(self.pid):
            yield

    def become(self, command: Sequence[str]) -> None:
        """What it is from its next start on."""
        self.program = replace(self.program, command=tuple(command))

    def change(self, **settings: object) -> None:
        """Settings of its environment, from its next start on."""
        named = {f"KONSTRUCT_{name.upper()}": str(value) for name, value in settings.items()}
        self.program = replace(self.program, environment={**(self.program.environment or {}), **named})

    async def _keep(self) -> None:
        while True:
            assert self._child is not None
            await self._child.ended()
            self._is_ready.clear()
            self.deaths += 1
            while True:
                await asyncio.sleep(PAUSE)
                try:
                    self._child = await launch(self.program)
                except Unavailable:
                    # As when what it needs is away as well.
                    continue
                break
            self._is_ready.set()


@dataclass
class Deployment:
    """One of each server, and as many of the product's programs as are wanted."""

    folder: Path
    env: dict[str, str]
    """Of every program of the product."""
    owner_url: str
    postgres: Service
    valkey: Service
    temporal: Service
    temporal_address: str
    gateways: list[Service] = field(default_factory=list)
    workers: list[Service] = field(default_factory=list)
    background: Service | None = None
    _ports: list[int] = field(default_factory=list)
    _client: Client | None = None

    @property
    def gateway_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    @property
    def services(self) -> list[Service]:
        """In the order in which they were started."""
        background = [self.background] if self.background else []
        return [self.postgres, self.valkey, self.temporal, *self.gateways, *self.workers, *background]

    @property
    def log_files(self) -> list[Path]:
        return sorted((self.folder / "logs").glob("*.log*"))

    async def add_gateway(self, command: Sequence[str] = KONSTRUCT) -> Service:
        """``command``: the module that is run with ``gateway`` as its argument."""
        port = free_port()
        service = self._program(
            f"Gateway {len(self.gateways)}",
            (*command, "gateway"),
            ready=f"http://127.0.0.1:{port}/health/live",
            gateway_port=port,
        )
        # Before it is there: others that are started meanwhile have other names, and it is stopped whatever comes.
        self._ports.append(port)
        self.gateways.append(service)
        await service.start()
        return service

    async def add_worker(self, command: Sequence[str] = KONSTRUCT, *, build_id: str = "") -> Service:
        """Returns when somebody of its build takes on conversations, which may be an earlier one. It is called as its
        build is."""
        name = build_id or f"Worker {len(self.workers)}"
        service = self._program(name, (*command, "worker"), queue=temporal.CONVERSATIONS, build_id=build_id)
        self.workers.append(service)
        await service.start()
        return service

    async def add_background(self, command: Sequence[str] = KONSTRUCT) -> Service:
        service = self._program("Background worker", (*command, "worker", "--background"), queue=temporal.MEMORY)
        self.background = service
        await service.start()
        return service

    def _program(
        self, name: str, command: Sequence[str], *, ready: str = "", queue: str = "", **settings: object
    ) -> Service:
        named = {f"KONSTRUCT_{key.upper()}": str(value) for key, value in settings.items()}
        build_id = str(settings.get("build_id", ""))
        is_ready = partial(http_answers, ready) if ready else partial(self._is_polled, queue, build_id)
        return Service(
            Program(
                name=name,
                command=(sys.executable, "-m", *command),
                log=self.folder / "logs" / f"{name.lower().replace(' ', '-')}.log",
                ready=is_ready,
                environment={**self.env, **named, "PYTHONPATH": str(CHECKOUT)},
            )
        )

    async def _is_polled(self, queue: str, build_id: str) -> bool:
        try:
            if self._client is None:
                self._client = await Client.connect(self.temporal_address)
            pollers = await temporal.pollers(self._client, queue)
            return any(build_id in ("", poller.deployment_options.build_id) for poller in pollers)
        except (RPCError, RuntimeError):
            return False

    async def stop(self) -> None:
        for service in reversed(self.services):
            await service.stop()


@asynccontextmanager
async def deployed(folder: Path, **settings: object) -> AsyncIterator[Deployment]:
    """The servers with the newest tables, and none of the product's programs yet.

    ``folder`` is empty, and another account may enter it; ``settings``: of the programs.
    """
    part, cache = await embedded_postgres.prepared(folder), embedded_valkey.prepared(folder)
    engine = embedded_temporal.prepared(folder, "default", free_port())
    servers = Service(part.program), Service(cache.program), Service(engine.program)
    for server in servers:
        await server.start()
    try:
        await part.create_database()
        await db.migrate(SecretStr(part.owner_url))
        env = environment(
            folder,
            database_url=part.app_url,
            redis_url=cache.url,
            temporal_address=engine.address,
            encryption_keys=settings.pop("encryption_keys", Fernet.generate_key().decode()),
            **settings,
        )
        deployment = Deployment(folder, env, part.owner_url, *servers, engine.address)
    except BaseException:
        for server in reversed(servers):
            await server.stop()
        raise
    try:
        yield deployment
    finally:
        await deployment.stop()
