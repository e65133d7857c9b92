import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from konstruct.embedded.process import Program
from konstruct.embedded.supervisor import Supervisor
from konstruct.errors import Unavailable
from tests.embedded.conftest import Sentences

WRITES_ITS_PID = (
    "import os, pathlib, signal, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); signal.pause()"
)


def waiting(name: str, pid_file: Path) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", WRITES_ITS_PID, str(pid_file)),
        log=pid_file.with_suffix(".log"),
        ready=written(pid_file),
    )


def written(file: Path) -> Callable[[], Awaitable[bool]]:
    return partial(asyncio.to_thread, lambda: file.exists() and file.stat().st_size > 0)


async def test_a_killed_program_is_started_again(supervisor: Supervisor, sentences: Sentences, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    await supervisor.start(waiting("Trial", pid_file))
    first = int(pid_file.read_text())
    pid_file.unlink()

    os.kill(first, 9)
    await sentences.heard("Trial is ready again")

    assert sentences[1] == "Trial ended (killed by SIGKILL). It is started again."
    assert int(pid_file.read_text()) != first


async def test_a_program_that_keeps_ending_is_given_up(
    supervisor: Supervisor, sentences: Sentences, tmp_path: Path
) -> None:
    command = (sys.executable, "-c", "print('the disk is full')")
    await supervisor.start(Program(name="Trial", command=command, log=tmp_path / "trial.log"))

    with pytest.raises(Unavailable, match="Trial ended 5 times within a minute and is given up"):
        await supervisor.broken()

    assert sum("started again" in sentence for sentence in sentences) == 4


async def test_everything_is_stopped_in_the_reverse_order(sentences: Sentences, tmp_path: Path) -> None:
    # Each program writes the moment of its end; the second one is the first to go.
    code = (
        "import pathlib, signal, sys, time;"
        "signal.signal(15, lambda *_: sys.exit(pathlib.Path(sys.argv[1]).write_text(str(time.monotonic_ns())) * 0));"
        "pathlib.Path(sys.argv[1] + '.up').write_text('up'); signal.pause()"
    )
    ends = [tmp_path / "first", tmp_path / "second"]

    async with Supervisor(sentences) as supervisor:
        for end in ends:
            command = (sys.executable, "-c", code, str(end))
            ready = written(end.with_suffix(".up"))
            await supervisor.start(Program(name=end.name, command=command, log=tmp_path / "log", ready=ready))

    first, second = (int(end.read_text()) for end in ends)
    assert second < first


async def test_a_start_that_is_interrupted_leaves_nothing_behind(supervisor: Supervisor, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    is_running = asyncio.Event()
    has_written = written(pid_file)

    async def never_ready() -> bool:
        if await has_written():
            is_running.set()
        return False

    command = (sys.executable, "-c", WRITES_ITS_PID, str(pid_file))
    starting = asyncio.create_task(
        supervisor.start(Program(name="Trial", command=command, log=tmp_path / "log", ready=never_ready))
    )
    await is_running.wait()
    starting.cancel()
    await asyncio.wait([starting])

    assert starting.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
