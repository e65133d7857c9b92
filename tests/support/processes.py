"""The product as its operator meets it: its commands, as real processes that can be stopped and killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support.commands import CHECKOUT, Forked, Outcome, nursery

IS_UP = ("Konstruct is running.", "The servers are running, and nothing of the product.")
ENDED_MEANWHILE = (FileNotFoundError, ProcessLookupError)
"""What /proc says of a process that was there a moment ago."""


def environment(data_dir: Path, **settings: object) -> dict[str, str]:
    """Nothing of the environment that the tests run in but where programs are."""
    named = {f"KONSTRUCT_{name.upper()}": str(value) for name, value in settings.items()}
    return {"PATH": os.environ["PATH"], "KONSTRUCT_DATA_DIR": str(data_dir), **named}


async def bin_konstruct(*arguments: str, env: Mapping[str, str]) -> Outcome:
    """Runs one command to its end, from the operator's shell."""
    process = await asyncio.create_subprocess_exec(
        *(str(CHECKOUT / "bin" / "konstruct"), *arguments),
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Outcome(process.returncode, said.decode(), complained.decode())


async def ended(pid: int) -> None:
    """Waits for the end of any process, a child or not."""
    gone = asyncio.Event()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@dataclass
class Up:
    """``konstruct up``, in a process group of its own as in a terminal."""

    process: asyncio.subprocess.Process | Forked
    forks: Path | None = None
    """Where it stands which of them is whose program, where all of them are forked."""
    said: list[str] = field(default_factory=list)
    _is_up: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, env: Mapping[str, str], *options: str) -> Self:
        """As an operator runs it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "konstruct", "up", "--attached", *options),
            cwd=CHECKOUT,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        up = cls(process)
        up._listening = asyncio.create_task(up._listen(process.stdout))
        return up

    @classmethod
    async def start_forking(cls, env: Mapping[str, str]) -> Self:
        """It and its programs are processes of their own as ever, but find all imported already."""
        _, folder = nursery()
        heard, spoken = os.pipe()
        command, said = (str(folder / "python"), "konstruct", "up", "--attached"), asyncio.StreamReader()
        with os.fdopen(spoken, "wb") as spoken_into:
            process = await Forked.start("tests.support.forking", command, env, spoken_into, spoken_into)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(said), os.fdopen(heard, "rb")
        )
        up = cls(process, folder)
        up._listening = asyncio.create_task(up._listen(said))
        return up

    async def _listen(self, said: asyncio.StreamReader) -> None:
        async for line in said:
            self.said.append(line.decode().rstrip())
            if self.said[-1].startswith(IS_UP) and not self._is_up.done():
                self._is_up.set_result(True)
        if not self._is_up.done():
            self._is_up.set_result(False)

    async def is_up(self) -> bool:
        """Waits until gateway, portal and worker are at work; False when it ended instead."""
        return await asyncio.shield(self._is_up)

    def child(self, *wanted: str) -> int:
        """The running child whose program is called so, or whose command line ends so."""
        children = self.children()
        for pid, command in children.items():
            with suppress(*ENDED_MEANWHILE):
                if command[-len(wanted) :] == list(wanted) or [_program(pid)] == list(wanted):
                    return pid
        raise AssertionError(f"no child {wanted} among {children}")

    def children(self) -> dict[int, list[str]]:
        """The command lines of the running children."""
        own = self.process.pid
        found: dict[int, list[str]] = {}
        for pid in map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split()):
            with suppress(*ENDED_MEANWHILE):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
                is_forked = self.forks is not None and str(self.forks) in command
                found[int(os.readlink(f"{self.forks}/{pid}")) if is_forked else pid] = command
        return found

    def interrupt(self) -> None:
        """What Ctrl-C does: the whole process group of the terminal gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    async def ended(self) -> int:
        """Its exit status, once all it said was heard."""
        status = await self.process.wait()
        assert self._listening is not None
        await self._listening
        return status

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.ended()


@asynccontextmanager
async def paused(pid: int) -> AsyncIterator[None]:
    """It keeps its connections, takes new ones and answers none."""
    os.kill(pid, signal.SIGSTOP)
    try:
        await until(lambda: _state(pid) == "T")
        yield
    finally:
        # Killed meanwhile, it may be gone.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await ended(pid)


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout: float = 30.0) -> None:
    """For what nobody announces, such as a row in the database."""
    async with asyncio.timeout(timeout):
        while True:
            answer = holds()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.02)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
