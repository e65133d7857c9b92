"""One child process: leashed to this one, awaited until it is ready, stopped within its time.

Which programs there are, and what follows when one ends by itself, is decided elsewhere.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from konstruct.embedded import leash
from konstruct.errors import Unavailable

# An interpreter without site packages, because it only makes a system call and becomes the program.
_LEASH = (sys.executable, "-I", "-S", str(Path(leash.__file__)))
_LOG_LIMIT = 10 * 1024 * 1024
_LOG_TAIL_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Program:
    """How one child is run. Times are seconds; a `leash` is a command that runs the rest tied to this process."""

    name: str
    command: tuple[str, ...]
    log: Path
    ready: Callable[[], Awaitable[bool]] | None = None
    leash: tuple[str, ...] | None = None
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    ready_within: float = 180.0
    stop_within: float = 10.0


@dataclass(frozen=True)
class Child:
    program: Program
    process: asyncio.subprocess.Process
    log_start: int

    async def ended(self) -> str:
        """Waits for the end and says how it came."""
        code = await self.process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def stop(self) -> None:
        """Asks the process to end, and after `stop_within` kills it."""
        if self.process.returncode is None:
            self.process.send_signal(self.program.stop_signal)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), self.program.stop_within)
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    def log_tail(self) -> str:
        """The last lines that this child, not an earlier one, wrote."""
        with self.program.log.open("rb") as log:
            log.seek(self.log_start)
            lines = log.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        written = "; its last lines:\n" + "\n".join(f"  {line}" for line in lines) if lines else ", which is empty"
        return f"Its log is {self.program.log}{written}"

    async def until_ready(self) -> None:
        program = self.program
        try:
            async with asyncio.timeout(program.ready_within):
                ready = program.ready is None
                while not ready:
                    ready = program.ready is not None and await program.ready()
                    # A stranger on the same port may have answered the probe: an ended child is never ready.
                    if self.process.returncode is not None:
                        raise Unavailable(f"{program.name} did not start ({await self.ended()}). {self.log_tail()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Unavailable(
                f"{program.name} was not ready within {program.ready_within:.0f} s. {self.log_tail()}"
            ) from None


async def launch(program: Program) -> Child:
    """Starts the program and waits until it is ready. Raises Unavailable with the end of its log when it is not."""
    child = await _spawned(program)
    try:
        await child.until_ready()
    except BaseException:
        await child.stop()
        raise
    return child


async def completed(program: Program) -> None:
    """Runs the program to its end. Raises Unavailable with the end of its log when it fails."""
    child = await _spawned(program)
    try:
        how = await child.ended()
    finally:
        await child.stop()
    if child.process.returncode != 0:
        raise Unavailable(f"{program.name} failed ({how}). {child.log_tail()}")


async def _spawned(program: Program) -> Child:
    with _opened_log(program.log) as log:
        log_start = log.tell()
        process = await asyncio.create_subprocess_exec(
            *(program.leash or (*_LEASH, str(int(program.death_signal)), str(os.getpid()))),
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            env=program.environment,
            # Ctrl-C in the terminal must reach the supervisor alone, which then stops its children in order.
            start_new_session=True,
        )
        return Child(program, process, log_start)


def _opened_log(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
