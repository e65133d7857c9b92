"""The product's commands, each in a process of its own that is forked from one in which all is imported already.

To import it is nearly all that a command does, and tests run hundreds of them. ``bin/konstruct`` itself, as an operator
runs it, is for the tests of the commands.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).parents[2]
LONGEST_ORDER = 1 << 17
"""In bytes."""


@dataclass(frozen=True)
class Outcome:
    status: int
    said: str
    complained: str


async def konstruct(*arguments: str, env: Mapping[str, str]) -> Outcome:
    """Runs one command to its end, with nothing but ``env`` in its environment."""
    order = json.dumps({"arguments": arguments, "env": dict(env)}).encode()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        reports, report = os.pipe()
        try:
            socket.send_fds(_nursery(), [order], [said.fileno(), complained.fileno(), report])
        finally:
            os.close(report)
        status = await _end_of(os.fdopen(reports, "rb"))
        return Outcome(status, _content(said), _content(complained))


async def _end_of(reports: IO[bytes]) -> int:
    """The exit status; whoever stops waiting kills the process."""
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), reports)
    pid = status = 0
    try:
        pid = int(await stream.readline())
        status = int(await stream.readline())
        pid = 0
    finally:
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        transport.close()
    return status


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def _nursery() -> socket.socket:
    """Where orders go; it ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_ORDER)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    command = (sys.executable, "-m", "tests.support.command_server")
    process = subprocess.Popen(command, stdin=theirs.fileno(), cwd=CHECKOUT, env=environment)
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
