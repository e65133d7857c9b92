"""F25: disks that are full, of the database, of its log and of the programs' logs; and a database that is only read.

A disk that is full takes a file system of its own, which root alone can make. Where this is not run as root, those two
are counted as not run.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg

from tests.faults.catalogue import Entry, Tally
from tests.faults.lab import Lab, open_lab
from tests.faults.services import KONSTRUCT
from tests.faults.tries import REFUSED_FOR_NOW, WAIT, all_well, answered_otherwise, answers, statuses, talking

ACKNOWLEDGES_FIRST: Final = ("tests.faults.broken.acknowledges_first",)
A_SECOND: Final = 8.0
ROOM: Final = 320 << 20
"""Bytes of the file system that the database gets: its own tables and some of its log."""

Fault = Callable[[Lab], Awaitable[None]]


async def only_read(lab: Lab) -> None:
    async with _administrator(lab) as administrator:
        await administrator.execute("alter system set default_transaction_read_only = on")
        await administrator.execute("select pg_reload_conf()")
    lab.note("the database lets nothing be written")
    try:
        await answers(lab, REFUSED_FOR_NOW, at_least=5)
    finally:
        async with _administrator(lab) as administrator:
            await administrator.execute("alter system reset default_transaction_read_only")
            await administrator.execute("select pg_reload_conf()")


async def full_for_logs(lab: Lab) -> None:
    """Nothing that a gateway or a worker says can be written any more, and then it can be again."""
    services = [lab.deployment.gateways[0], lab.deployment.workers[0]]
    commands = [service.program.command for service in services]
    for service, command in zip(services, commands, strict=True):
        service.become(("/bin/sh", "-c", 'exec "$@" > /dev/full 2>&1', "sh", *command))
        await service.kill()
    lab.note("the disk of logs is full")
    await lab.all_ready()
    deaths = [service.deaths for service in services]
    # Both have something to say: what they cannot reach.
    await lab.deployment.valkey.kill()
    await answers(lab, 200, at_least=20)
    assert [service.deaths for service in services] == deaths, "a program died of a log that cannot be written"
    for service, command in zip(services, commands, strict=True):
        service.become(command)
        await service.kill()


async def full_for_tables(lab: Lab) -> None:
    with _filled(_disk(lab)):
        lab.note("the disk of the database is full")
        await answers(lab, REFUSED_FOR_NOW, at_least=5)


async def full_for_the_log(lab: Lab) -> None:
    """Postgres stops at once when its log has no room, and comes back only when there is some."""
    with _filled(_disk(lab)):
        lab.note("the disk of the database's log is full")
        async with _administrator(lab) as administrator:
            try:
                while True:
                    await administrator.execute("select pg_logical_emit_message(false, 'fill', repeat('x', 1000000))")
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                pass
        await answers(lab, REFUSED_FOR_NOW, at_least=5)


FAULTS: Final[tuple[Fault, ...]] = (only_read, full_for_logs, full_for_tables, full_for_the_log)
WITHOUT_A_DISK: Final = 2
"""How many of these need no file system of their own."""


async def filled_up(
    times: int, seed: int, *, gateway: tuple[str, ...] = KONSTRUCT, patience: float = 2 * WAIT
) -> Tally:
    """One after the other, from the first on. ``patience``: seconds for one of them, in which people have to be told to
    come again. When they are not, or all is not well again after it, that is overdue."""
    wanted = [FAULTS[number % len(FAULTS)] for number in range(times)]
    overdue: list[str] = []
    has_disk = os.geteuid() == 0 and times > WITHOUT_A_DISK
    possible = [each for each in wanted if has_disk or FAULTS.index(each) < WITHOUT_A_DISK]
    async with open_lab(seed, gateways=(gateway, gateway), disk=_small_disk if has_disk else None) as lab:
        async with talking(lab, a_second=A_SECOND):
            for fault in possible:
                await answers(lab, 200, at_least=5)
                try:
                    async with asyncio.timeout(patience):
                        await fault(lab)
                    await all_well(lab)
                except TimeoutError:
                    overdue.append(fault.__name__)
                await lab.all_ready()
        verdict = await lab.judged()
        counted: dict[str, object] = {"statuses": statuses(lab)}
        if len(possible) < len(wanted):
            counted["not_run"] = f"{len(wanted) - len(possible)} disks that are full: only root can make one"
        return Tally.beside(verdict, counted, {"answered_otherwise": answered_otherwise(lab), "overdue": overdue})


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Where the database is to be."""
    place = folder / "postgres"
    place.mkdir(mode=0o700)
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "konstruct-faults", place), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", place), check=True)


def _disk(lab: Lab) -> Path:
    return lab.deployment.folder / "postgres"


@contextmanager
def _filled(disk: Path) -> Iterator[None]:
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()


@asynccontextmanager
async def _administrator(lab: Lab) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(lab.deployment.owner_url)
    try:
        yield connection
    finally:
        connection.terminate()


ENTRIES: Final = (
    Entry(
        "F25",
        "A disk is full, or the database is only read, while people write",
        "What cannot be kept is told to come again and never acknowledged, and all goes on when there is room.",
        full=12,
        short=1,
        run=filled_up,
        # It tells nobody to come again, however long that is waited for.
        twin=partial(filled_up, gateway=ACKNOWLEDGES_FIRST, patience=20.0),
    ),
)
