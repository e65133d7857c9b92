"""Caddy itself, as its package brings it, for as long as a block lasts."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from konstruct.embedded.process import Program
from konstruct.embedded.supervisor import Supervisor


@asynccontextmanager
async def running_caddy(
    caddyfile: Path, ready: Callable[[], Awaitable[bool]], **environment: str
) -> AsyncIterator[None]:
    """It keeps what it keeps beside its file, and its log there, too."""
    folder = caddyfile.parent
    async with Supervisor(lambda sentence: None) as supervisor:
        await supervisor.start(
            Program(
                name="Caddy",
                command=(str(Path(sys.executable).parent / "caddy"), "run", "--config", str(caddyfile)),
                log=folder / "caddy.log",
                ready=ready,
                environment={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
            )
        )
        yield
