import asyncio
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from konstruct.embedded import leash
from konstruct.embedded.process import Program, completed, launch
from konstruct.errors import Unavailable


def python(code: str, tmp_path: Path, **options: Any) -> Program:
    program = Program(name="Trial", command=(sys.executable, "-c", code), log=tmp_path / "logs" / "trial.log")
    return replace(program, **options)


async def never() -> bool:
    return False


async def test_a_program_that_ends_while_starting_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    trial = python("print('an earlier run')", tmp_path)
    await completed(trial)

    with pytest.raises(
        Unavailable, match=r"(?s)Trial did not start \(exit code 3\).*trial\.log.*no room left"
    ) as raised:
        await launch(python("print('no room left'); raise SystemExit(3)", tmp_path, ready=never))

    assert "an earlier run" not in str(raised.value)


async def test_a_program_that_is_never_ready_is_reported_and_ended(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(Unavailable, match="Trial was not ready within 1 s"):
        await launch(python(code, tmp_path, ready=never, ready_within=1.0))

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "logs" / "trial.log").read_text()), 0)


async def test_a_program_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "deaf"
    code = "import pathlib, signal, sys; signal.signal(15, signal.SIG_IGN); pathlib.Path(sys.argv[1]).touch()"
    command = (sys.executable, "-c", f"{code}; signal.pause()", str(mark))
    is_deaf = partial(asyncio.to_thread, mark.exists)

    child = await launch(python("", tmp_path, command=command, ready=is_deaf, stop_within=0.2))
    await child.stop()

    assert await child.ended() == "killed by SIGKILL"


async def test_a_command_that_fails_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"Trial failed \(killed by SIGKILL\)\. Its log is .*, which is empty"):
        await completed(python("import os; os.kill(os.getpid(), 9)", tmp_path))


async def test_a_program_gets_no_terminal_and_a_session_of_its_own(tmp_path: Path) -> None:
    await completed(python("import os, sys; assert os.getsid(0) == os.getpid(); assert not sys.stdin.read()", tmp_path))


async def test_a_leash_whose_holder_is_gone_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    command = (sys.executable, str(leash.__file__), str(int(signal.SIGKILL)), "1", "/usr/bin/touch", str(mark))

    with pytest.raises(Unavailable, match="The process 1 that this one belongs to has ended"):
        await completed(python("", tmp_path, command=command))

    assert not mark.exists()


async def test_a_log_that_has_grown_large_makes_way_for_a_new_one(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "trial.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (11 * 1024 * 1024))

    await completed(python("print('new')", tmp_path))

    assert log.read_text() == "new\n"
    assert log.with_suffix(".log.1").exists()
