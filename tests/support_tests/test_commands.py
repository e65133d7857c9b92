"""Commands that are forked: they do what those of the shell do, and end when nobody waits for them any more."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.acceptance.processes import bin_konstruct, environment, until
from tests.support.commands import konstruct


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
