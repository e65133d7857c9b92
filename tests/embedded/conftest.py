"""Stacks and servers on empty folders of a test's own."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from konstruct.embedded.supervisor import Supervisor
from konstruct.settings import Settings
from tests.support.ports import free_ports

CHECKOUT = Path(__file__).parents[2]


class Sentences(list[str]):
    """What was reported so far, and a way to wait for more of it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.append(sentence)
        self._changed.set()

    async def heard(self, part: str) -> str:
        while not (found := [sentence for sentence in self if part in sentence]):
            self._changed.clear()
            await self._changed.wait()
        return found[0]


@pytest.fixture
def sentences() -> Sentences:
    return Sentences()


@pytest.fixture
async def supervisor(sentences: Sentences) -> AsyncIterator[Supervisor]:
    async with Supervisor(sentences, first_pause_seconds=0.01) as running:
        yield running


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Pytest's own folders let only their owner in, and Postgres may have to run under another account.
    folder = Path(tempfile.mkdtemp(prefix="konstruct-test-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    yield data
    shutil.rmtree(folder)


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    ports = free_ports("gateway_port", "portal_port", "temporal_ui_port")
    return Settings(
        data_dir=data_dir,
        gateway_port=ports["gateway_port"],
        portal_port=ports["portal_port"],
        temporal_ui_port=ports["temporal_ui_port"],
        database_url=None,
        redis_url=None,
        temporal_address=None,
        local_model_base_url=None,
        encryption_keys=(),
    )


def children(pid: int) -> dict[str, int]:
    """The running children of a process, by the names of their programs."""
    pids = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in pids}


@dataclass
class StackProcess:
    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)

    async def is_up(self) -> bool:
        """Reads what it says until it is up or ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode().rstrip())
            if self.said[-1] == "up":
                return True
        return False

    def children(self) -> dict[str, int]:
        return children(self.process.pid)

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        await self.process.wait()


StartStack = Callable[..., Awaitable[StackProcess]]


@pytest.fixture
async def start_stack(settings: Settings) -> AsyncIterator[StartStack]:
    own = {
        **{name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("PYTEST_XDIST_")},
        "KONSTRUCT_DATA_DIR": str(settings.data_dir),
        "KONSTRUCT_GATEWAY_PORT": str(settings.gateway_port),
        "KONSTRUCT_PORTAL_PORT": str(settings.portal_port),
        "KONSTRUCT_TEMPORAL_UI_PORT": str(settings.temporal_ui_port),
    }

    async with AsyncExitStack() as started:

        async def start(*prefix: str, **environment: str) -> StackProcess:
            process = await asyncio.create_subprocess_exec(
                *(*prefix, sys.executable, "-m", "tests.embedded.stack_process"),
                cwd=CHECKOUT,
                env=own | environment,
                stdout=asyncio.subprocess.PIPE,
            )
            stack = StackProcess(process)
            started.push_async_callback(stack.stop)
            return stack

        yield start
