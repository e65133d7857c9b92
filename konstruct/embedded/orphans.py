"""A Postgres that outlived the stack that started it: found by the folder it works in, and ended."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from konstruct.errors import Unavailable

_GRACE_SECONDS = 20.0


async def end_orphan(data: Path) -> None:
    """Ends the postmaster that still runs on the data folder, if there is one."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        # From here on the process is held by a descriptor, since its number may be given to another at any time.
        process = os.pidfd_open(pid)
    except (OSError, IndexError, ValueError):
        return
    try:
        if _is_postgres_on(pid, data):
            await _end(process, pid, data)
        else:
            # Postgres would take a stranger that got the dead postmaster's number for it, and refuse to start.
            (data / "postmaster.pid").unlink()
    finally:
        os.close(process)


async def _end(process: int, pid: int, data: Path) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, ended.set)
    try:
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, request)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _GRACE_SECONDS)
                return
    finally:
        loop.remove_reader(process)
    raise Unavailable(f"The Postgres of an earlier run (process {pid}) still uses {data} and cannot be stopped.")


def _is_postgres_on(pid: int, data: Path) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        # A postmaster works in its data folder.
        return (process / "comm").read_text().strip() == "postgres" and (process / "cwd").samefile(data)
    except OSError:
        return False
