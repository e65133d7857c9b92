"""The product's commands and programs, each in a process of its own that is forked from one in which all is imported
already.

To import it is nearly all that a command does, and most of what a program does until it is ready; tests run hundreds of
them. ``bin/konstruct`` itself, as an operator runs it, is for the tests of the commands.
"""

import asyncio
import atexit
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Self

from tests.support import stand_in
from tests.support.stand_in import LONGEST_ORDER, ORDERS

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    status: int
    said: str
    complained: str


class Forked:
    """A process that another one forked, with what ``asyncio.subprocess.Process`` has of one that it started itself."""

    def __init__(self, pid: int, reports: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(reports, transport), name=f"end of {pid}")

    @classmethod
    async def start(
        cls, module: str, arguments: Sequence[str], env: Mapping[str, str], said: IO[bytes], complained: IO[bytes]
    ) -> Self:
        """What ``python -m`` would run, with nothing but ``env`` in its environment. It ends with this process."""
        order = json.dumps({"module": module, "arguments": arguments, "env": dict(env)}).encode()
        theirs, ours = os.pipe()
        try:
            socket.send_fds(nursery()[0], [order], [said.fileno(), complained.fileno(), ours])
        finally:
            os.close(ours)
        reports = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reports), os.fdopen(theirs, "rb")
        )
        try:
            return cls(int(await reports.readline()), reports, transport)
        except BaseException:
            transport.close()
            raise

    async def _end(self, reports: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        try:
            self.returncode = int(await reports.readline())
        finally:
            transport.close()

    async def wait(self) -> int:
        await asyncio.shield(self._ending)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def konstruct(*arguments: str, env: Mapping[str, str]) -> Outcome:
    """Runs one command to its end; whoever stops waiting kills it."""
    return await forked("konstruct", *arguments, env=env)


async def forked(module: str, *arguments: str, env: Mapping[str, str]) -> Outcome:
    """As ``konstruct``, of any module."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        process = await Forked.start(module, arguments, env, said, complained)
        try:
            status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Outcome(status, _content(said), _content(complained))


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def nursery() -> tuple[socket.socket, Path]:
    """Where orders go; and a folder with an interpreter in it, which has what it is to run forked. Both end with this
    process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_ORDER)
    folder = Path(tempfile.mkdtemp(prefix="konstruct-forks-"))
    visitors = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    visitors.bind(str(folder / ORDERS))
    visitors.listen(64)
    interpreter = shlex.join([sys.executable, "-I", "-S", str(Path(stand_in.__file__)), str(folder)])
    (folder / "python").write_text(f'#!/bin/sh\nexec {interpreter} "$@"\n')
    (folder / "python").chmod(0o700)
    command = (sys.executable, "-m", "tests.support.command_server", str(visitors.fileno()))
    environment = {"PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        command, stdin=theirs.fileno(), pass_fds=[visitors.fileno()], cwd=CHECKOUT, env=environment
    )
    theirs.close()
    visitors.close()

    def end() -> None:
        ours.close()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return ours, folder
