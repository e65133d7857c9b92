"""Whoever was asked to end does so, whatever hinders it; in processes, since it is one that ends."""

import asyncio
import json
import os
import sys

import pytest

from konstruct.ending import STATUS
from tests.support.commands import CHECKOUT

pytestmark = pytest.mark.timeout(30)


async def ended(what: str, stderr: int = asyncio.subprocess.PIPE) -> tuple[int, str]:
    """The status and what was said of it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.konstruct.ending_process", what), cwd=CHECKOUT, stderr=stderr, env={}
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, (said or b"").decode()


async def test_who_ends_in_time_is_left_alone() -> None:
    assert await ended("ends") == (0, "")


@pytest.mark.parametrize(
    ("what", "at"),
    [
        ("waits", "main > waits > Event.wait"),
        ("computes", "main"),
        ("blocks", "main"),
        ("leaves_a_thread", "BaseEventLoop.shutdown_default_executor"),
    ],
)
async def test_who_does_not_is_ended_with_a_line(what: str, at: str) -> None:
    status, said = await ended(what)
    assert status == STATUS
    told = json.loads(said)
    assert (told["event"], told["seconds"]) == ("ended_by_force", 0.5)
    assert told["unfinished"] == [at]


async def test_who_serves_is_ended_as_well() -> None:
    status, said = await ended("serve")
    assert status == STATUS
    assert " > _never_ends > Event.wait" in said


async def test_who_keeps_all_of_python_waiting_is_ended_with_its_stack() -> None:
    status, said = await ended("keeps_python_waiting")
    assert status == 1
    assert "in keeps_python_waiting" in said


async def test_nobody_needs_to_take_the_line() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    while _wrote(write):
        pass
    os.set_blocking(write, True)
    try:
        assert await ended("waits", write) == (STATUS, "")
    finally:
        os.close(read)
        os.close(write)


def _wrote(pipe: int) -> bool:
    try:
        return os.write(pipe, bytes(4096)) > 0
    except BlockingIOError:
        return False
