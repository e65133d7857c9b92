"""Commands that are forked: they do what those of the shell do, and end when nobody waits for them any more."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.support.commands import konstruct, nursery
from tests.support.processes import bin_konstruct, ended, environment, until


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["knowledge"], 2),
        (["knowlege"], 2),
        (["apply", "/no/such/file.yaml"], 1),
        (["api-key", "list", "--tenant", "nobody"], 1),
    ],
)
async def test_a_command_says_what_it_says_in_a_shell(arguments: Sequence[str], status: int, tmp_path: Path) -> None:
    env = environment(tmp_path)
    forked, real = await asyncio.gather(konstruct(*arguments, env=env), bin_konstruct(*arguments, env=env))
    assert forked == real
    assert forked.status == status


async def test_settings_are_those_of_each_command(tmp_path: Path) -> None:
    for port in ("no port", "another"):
        outcome = await konstruct("migrate", env=environment(tmp_path, gateway_port=port))
        assert outcome.status == 2
        assert "KONSTRUCT_GATEWAY_PORT: " in outcome.complained
    assert "KONSTRUCT_GATEWAY_PORT" not in (await konstruct("migrate", env=environment(tmp_path))).complained


async def test_who_stops_waiting_ends_the_command(tmp_path: Path) -> None:
    pipe = tmp_path / "tenant.yaml"
    os.mkfifo(pipe)

    def is_read() -> bool:
        try:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    running = asyncio.create_task(konstruct("apply", str(pipe), env=environment(tmp_path)))
    # As long as it is open, there is more to come.
    writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not is_read())
    os.close(writer)


@pytest.fixture
async def stood_in_for(tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """What stands in for a command that waits for more to read, and the number of the command's own process."""
    pipe = tmp_path / "tenant.yaml"
    os.mkfifo(pipe)
    _, folder = nursery()
    command = (str(folder / "python"), "-m", "konstruct", "apply", str(pipe))
    process = await asyncio.create_subprocess_exec(*command, env=environment(tmp_path))
    writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    link = folder / str(process.pid)
    await until(link.is_symlink)
    yield process, int(os.readlink(link))
    os.close(writer)
    await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_stands_in_for_a_program_ends_as_it_does(
    stood_in_for: tuple[asyncio.subprocess.Process, int], number: signal.Signals
) -> None:
    process, pid = stood_in_for
    os.kill(pid, number)
    assert await process.wait() == -number


async def test_a_program_is_told_to_end_by_what_stands_in_for_it(
    stood_in_for: tuple[asyncio.subprocess.Process, int],
) -> None:
    process, pid = stood_in_for
    process.terminate()
    await ended(pid)
    assert await process.wait() == -signal.SIGTERM


async def test_a_program_ends_with_what_stands_in_for_it(
    stood_in_for: tuple[asyncio.subprocess.Process, int],
) -> None:
    process, pid = stood_in_for
    process.kill()
    await ended(pid)
