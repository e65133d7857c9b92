"""What of the stack runs on this machine: decides it from the settings, starts it, tells the rest where it is.

How each program is run is the business of its own module.
"""

import asyncio
import json
import os
import platform
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import konstruct
from konstruct.embedded import postgres, temporal, valkey
from konstruct.embedded.folder import encryption_key, held_folder, write_private
from konstruct.embedded.loopback import HOST, free_port, http_answers, require_free_port
from konstruct.embedded.process import Program
from konstruct.embedded.supervisor import Report, Supervisor
from konstruct.errors import Misconfigured
from konstruct.settings import STACK_FILE, Settings

Addresses = dict[str, str | int]


@dataclass(frozen=True)
class Stack:
    """`settings` hold the addresses of the embedded parts too."""

    settings: Settings
    _supervisor: Supervisor

    async def run(
        self, name: str, *arguments: str, metrics_port: int = 0, ready: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Keeps `konstruct ARGUMENTS` running as a child, which is stopped before the parts that it uses.

        Raises Unavailable when it does not become ready.
        """
        of_its_own = {"KONSTRUCT_METRICS_PORT": str(metrics_port)}
        log = self.settings.data_dir / "logs" / f"{name.lower().replace(' ', '-')}.log"
        await self._supervisor.start(
            _python(name, ("konstruct", *arguments), self.settings.data_dir, log, ready, of_its_own)
        )

    async def broken(self) -> NoReturn:
        """Waits until something that keeps ending is given up, and raises Unavailable with the reason."""
        await self._supervisor.broken()


@asynccontextmanager
async def running_stack(settings: Settings, report: Report) -> AsyncIterator[Stack]:
    """Runs what the settings leave unset, and stops it in the reverse order.

    Raises Conflict when the data folder is in use, Misconfigured when the machine or a setting stands in the way,
    Unavailable when a part does not start; each is a sentence for the person who started it.
    """
    if platform.system() != "Linux":
        raise Misconfigured("The one-machine stack runs on Linux; elsewhere use the container image.")
    data_dir = settings.data_dir.absolute()
    with held_folder(data_dir):
        settings = _without_remains(settings, data_dir)
        require_free_port(settings.gateway_host, settings.gateway_port, "KONSTRUCT_GATEWAY_PORT")
        require_free_port(settings.portal_host, settings.portal_port, "KONSTRUCT_PORTAL_PORT")
        async with Supervisor(report) as supervisor:
            addresses = await _started(settings, supervisor)
            stack_file = data_dir / STACK_FILE
            write_private(stack_file, json.dumps(addresses, indent=2))
            try:
                yield Stack(Settings(**(settings.model_dump() | addresses)), supervisor)
            finally:
                stack_file.unlink(missing_ok=True)


def _without_remains(settings: Settings, data_dir: Path) -> Settings:
    """The settings without what a killed run left in its stack file, whose addresses are dead."""
    stack_file = data_dir / STACK_FILE
    own: dict[str, Any] = settings.model_dump() | {"data_dir": data_dir}
    if stack_file.exists():
        written = json.loads(stack_file.read_text())
        remains = Settings(**written)
        stack_file.unlink()
        for name in written:
            if getattr(remains, name) == getattr(settings, name):
                del own[name]
    return Settings(**own)


async def _started(settings: Settings, supervisor: Supervisor) -> Addresses:
    parts = [
        part(settings, supervisor)
        for part, is_embedded in (
            (_start_postgres, settings.database_url is None),
            (_start_valkey, settings.redis_url is None),
            (_start_temporal, settings.temporal_address is None),
            (_start_model, settings.local_model_base_url is None),
        )
        if is_embedded
    ]
    addresses: Addresses = {"gateway_port": settings.gateway_port, "portal_port": settings.portal_port}
    if settings.smtp_url is None:
        addresses["dev_mail"] = True
    if not settings.encryption_keys:
        addresses["encryption_keys"] = encryption_key(settings.data_dir)
    try:
        async with asyncio.TaskGroup() as group:
            starting = [group.create_task(part) for part in parts]
    except ExceptionGroup as failures:
        # The first failure is the reason; what else was starting was only interrupted by it.
        failure = failures.exceptions[0]
        if isinstance(failure, OSError):
            place = failure.filename or settings.data_dir
            raise Misconfigured(
                f"{place} cannot be used ({failure.strerror}): "
                "give this user the data folder, or set KONSTRUCT_DATA_DIR to another."
            ) from failure
        raise failure from None
    for part in starting:
        addresses |= part.result()
    return addresses


async def _start_postgres(settings: Settings, supervisor: Supervisor) -> Addresses:
    part = await postgres.prepared(settings.data_dir)
    await supervisor.start(part.program)
    await part.create_database()
    return {"database_url": part.app_url, "database_owner_url": part.owner_url}


async def _start_valkey(settings: Settings, supervisor: Supervisor) -> Addresses:
    part = valkey.prepared(settings.data_dir)
    await supervisor.start(part.program)
    return {"redis_url": part.url}


async def _start_temporal(settings: Settings, supervisor: Supervisor) -> Addresses:
    part = temporal.prepared(settings.data_dir, settings.temporal_namespace, settings.temporal_ui_port)
    await supervisor.start(part.program)
    return {
        "temporal_address": part.address,
        "temporal_ui_port": part.ui_port,
        "temporal_ui_url": settings.temporal_ui_url or f"http://{HOST}:{part.ui_port}",
    }


async def _start_model(settings: Settings, supervisor: Supervisor) -> Addresses:
    if find_spec("xllamacpp") is None:
        raise Misconfigured(
            "The local model is not installed: run `make environment`, or set KONSTRUCT_LOCAL_MODEL_BASE_URL."
        )
    address = f"http://{HOST}:{(port := free_port())}"
    command = ("konstruct.embedded.model", "--port", str(port))
    log = settings.data_dir / "logs" / "model.log"
    await supervisor.start(
        _python("The local model", command, settings.data_dir, log, partial(http_answers, f"{address}/health"))
    )
    return {"local_model_base_url": f"{address}/v1"}


def _python(
    name: str,
    module_and_arguments: tuple[str, ...],
    data_dir: Path,
    log: Path,
    ready: Callable[[], Awaitable[bool]] | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Program:
    checkout = str(Path(konstruct.__file__).parents[1])
    path = os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))
    return Program(
        name=name,
        command=(sys.executable, "-m", *module_and_arguments),
        log=log,
        ready=ready,
        # Addresses and secrets are not handed over here: the child reads them from the stack file in the data folder.
        environment={**os.environ, "PYTHONPATH": path, "KONSTRUCT_DATA_DIR": str(data_dir), **more},
    )
