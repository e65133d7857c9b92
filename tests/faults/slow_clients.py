"""F15: clients that say nothing, or little and slowly, or far too much; and those who have something to ask meanwhile.

The programs may have few files open, so that these clients are more than they can hold.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from konstruct.embedded.loopback import free_port, http_answers
from konstruct.embedded.process import Program
from tests.faults.catalogue import Entry
from tests.faults.lab import made_folder
from tests.faults.services import Service, deployed
from tests.support.commands import CHECKOUT
from tests.support.processes import environment

FEW_FILES: Final = ("tests.faults.few_files",)
WAITS_FOR_EVER: Final = ("tests.faults.broken.waits_for_ever",)
BEAT: Final = 0.5
"""Seconds between two pieces of what is said slowly."""
PATIENCE: Final = 20.0
"""Seconds after which somebody with a good request gives up."""
KEPT_TOO_LONG: Final = 90.0
"""Seconds after which no slow client should be there any more: the portal waits a minute for a body."""
MOST_TAKEN: Final = 200_000_000
"""Bytes that nobody should take of a body that has no end."""
MOST_GROWTH: Final = 50_000_000

HEAD: Final = b"%s %s HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
SLOW: Final = {
    "silent": (b"", b""),
    "head": (HEAD % (b"GET", b"/health/live"), b"X-A: b\r\n"),
    "between": (HEAD % (b"GET", b"/health/live") + b"\r\n", b"\r\n"),
    "unread": (HEAD % (b"POST", b"/health/live") + b"Content-Length: 10000000000\r\n\r\n", b"x"),
}
"""By how they are slow, what they begin with and what they go on with."""
BODIES: Final = {"body": (HEAD % (b"POST", b"/sign-in") + b"Content-Length: 900000\r\n\r\n", b"x")}
"""Which are waited for longer."""
TOO_MUCH: Final = {
    "a header of 1 MB": HEAD % (b"GET", b"/health/live") + b"X-A: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "ten thousand headers": HEAD % (b"GET", b"/health/live") + b"X-A: b\r\n" * 10_000 + b"\r\n",
    "an address of 1 MB": HEAD % (b"GET", b"/" + b"x" * 1_000_000) + b"\r\n",
    "10 GB announced": HEAD % (b"POST", b"/sign-in") + b"Content-Length: 10000000000\r\n\r\n" + b"x" * 1_000_000,
    "two lengths": HEAD % (b"POST", b"/sign-in") + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a thousand requests at once": (HEAD % (b"GET", b"/health/live") + b"\r\n") * 1_000,
    "JSON 100,000 deep": HEAD % (b"POST", b"/slack/events") + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "a million zeros, compressed": HEAD % (b"POST", b"/slack/events")
    + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
    + b"\x1f\x8b\x08"
    + b"\0" * 17,
}


@dataclass
class Steadiness:
    seed: int
    slow: Counter[str] = field(default_factory=Counter)
    """Connections, by how they were slow."""
    asked: int = 0
    """Good requests meanwhile."""
    seconds: list[float] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """To what is too much, the status, or that the connection was ended."""
    endless_bytes: int = 0
    grown_bytes: int = 0
    unanswered: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Slow clients that nobody had sent away in the end."""
    broken: list[str] = field(default_factory=list)

    @property
    def amiss(self) -> dict[str, list[str]]:
        found = {"unanswered": self.unanswered, "kept": self.kept, "broken": self.broken}
        return {name: each for name, each in found.items() if each}

    def counts(self) -> dict[str, object]:
        ordered = sorted(self.seconds) or [0.0]
        return {
            "seed": self.seed,
            "slow": dict(self.slow),
            "asked": self.asked,
            "slowest_answers": [
                round(ordered[min(len(ordered) - 1, int(len(ordered) * p))], 3) for p in (0.5, 0.99, 1)
            ],
            "too_much": self.answers,
            "endless_megabytes": self.endless_bytes // 1_000_000,
            "grown_megabytes": self.grown_bytes // 1_000_000,
            "unanswered": len(self.unanswered),
            "kept": len(self.kept),
            "broken": self.broken,
        }


async def of_the_portal(
    sockets: int, seed: int, *, command: tuple[str, ...] = FEW_FILES, kept_after: float = KEPT_TOO_LONG
) -> Steadiness:
    """A portal alone, without any server: whoever only speaks slowly never gets as far as these."""
    with made_folder() as folder:
        async with a_portal(folder, environment(folder), command) as (service, port):
            return await besieged(service, port, sockets, seed, SLOW, kept_after)


async def of_everything(sockets: int, seed: int) -> Steadiness:
    """Gateway and portal with all that they need, and bodies that come slowly, which take a minute to be given up.

    Without a program that is wrong on purpose: the portal that the other entry has is wrong in this, too, and both are
    served alike."""
    with made_folder() as folder:
        async with deployed(folder, slack_signing_secret="signed by nobody") as deployment:
            gateway = await deployment.add_gateway(FEW_FILES)
            port = int(deployment.gateway_urls[0].rpartition(":")[2])
            of_gateway = await besieged(gateway, port, sockets, seed, SLOW | _to("/slack/events"))
            async with a_portal(folder, deployment.env, FEW_FILES) as (service, port):
                of_portal = await besieged(service, port, sockets, seed + 1, SLOW | BODIES)
    return _together(of_gateway, of_portal)


@asynccontextmanager
async def a_portal(folder: Path, env: dict[str, str], command: tuple[str, ...]) -> AsyncIterator[tuple[Service, int]]:
    port = free_port()
    program = Program(
        name="Portal",
        command=(sys.executable, "-m", *command, "portal"),
        log=folder / "portal.log",
        ready=partial(http_answers, f"http://127.0.0.1:{port}/health/live"),
        environment={**env, "KONSTRUCT_PORTAL_PORT": str(port), "PYTHONPATH": str(CHECKOUT)},
    )
    service = Service(program)
    await service.start()
    try:
        yield service, port
    finally:
        await service.stop()


async def besieged(
    service: Service,
    port: int,
    sockets: int,
    seed: int,
    kinds: dict[str, tuple[bytes, bytes]],
    kept_after: float = KEPT_TOO_LONG,
) -> Steadiness:
    found, chance = Steadiness(seed), random.Random(seed)
    before = resident(service.pid)
    over = asyncio.Event()
    sitting = [chance.choice(sorted(kinds)) for _ in range(sockets)]

    async def be_hostile() -> None:
        await asyncio.gather(*(_say_too_much(port, what, said, found) for what, said in TOO_MUCH.items()))
        await asyncio.gather(*(_sit(port, kind, kinds[kind], kept_after, found) for kind in sitting))
        if not found.kept:
            await _say_without_end(port, found)

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_ask_on(port, over, found))
        hostile = tasks.create_task(be_hostile())
        # Once somebody has given up, it need not go on.
        await asyncio.wait([hostile, asking], return_when=asyncio.FIRST_COMPLETED)
        hostile.cancel()
        # At least one more good request, now that it is over.
        over.set()
    found.grown_bytes = resident(service.pid) - before
    if found.grown_bytes > MOST_GROWTH:
        found.broken.append(f"it has grown by {found.grown_bytes:,} bytes")
    if service.deaths:
        found.broken.append("it ended")
    return found


async def _ask_on(port: int, over: asyncio.Event, found: Steadiness) -> None:
    """Good requests, one after another: each is tried until it is answered, as people do."""
    is_last = False
    while not is_last:
        is_last = over.is_set()
        began = time.monotonic()
        found.asked += 1
        while not await http_answers(f"http://127.0.0.1:{port}/health/live"):
            if time.monotonic() - began > PATIENCE:
                found.unanswered.append(f"request {found.asked}")
                return
            await asyncio.sleep(0.1)
        found.seconds.append(time.monotonic() - began)
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.2)


async def _sit(port: int, kind: str, said: tuple[bytes, bytes], kept_after: float, found: Steadiness) -> None:
    """Until it is sent away; who cannot get in at all is away, too."""
    found.slow[kind] += 1
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.ensure_future(_until_the_end(reader))
        try:
            writer.write(said[0])
            async with asyncio.timeout(kept_after):
                while not reading.done():
                    writer.write(said[1])
                    await writer.drain()
                    await asyncio.wait([reading], timeout=BEAT)
        except TimeoutError:
            found.kept.append(kind)
        finally:
            reading.cancel()
            writer.close()


async def _until_the_end(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(65_536):
            pass


async def _say_too_much(port: int, what: str, said: bytes, found: Steadiness) -> None:
    answer = b""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(KEPT_TOO_LONG):
                writer.write(said)
                answer = await reader.readline()
        except TimeoutError:
            found.kept.append(what)
        finally:
            writer.close()
    status = answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.1 ") else "ended"
    found.answers[what] = status
    if status.startswith("5"):
        found.broken.append(f"{what}: {status}")


async def _say_without_end(port: int, found: Steadiness) -> None:
    """10 GB in pieces, of which nobody has said how many there are to be."""
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD % (b"POST", b"/sign-in") + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        try:
            async with asyncio.timeout(KEPT_TOO_LONG):
                while found.endless_bytes < 10_000_000_000:
                    writer.write(piece)
                    await writer.drain()
                    found.endless_bytes += len(piece)
        except TimeoutError:
            found.kept.append("a body without end")
        finally:
            writer.close()
    if found.endless_bytes > MOST_TAKEN:
        found.broken.append(f"{found.endless_bytes:,} bytes of a body without end were taken")


def resident(pid: int) -> int:
    """Bytes that the process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096


def _to(path: str) -> dict[str, tuple[bytes, bytes]]:
    return {name: (said.replace(b"/sign-in", path.encode()), more) for name, (said, more) in BODIES.items()}


def _together(first: Steadiness, second: Steadiness) -> Steadiness:
    return Steadiness(
        first.seed,
        first.slow + second.slow,
        first.asked + second.asked,
        first.seconds + second.seconds,
        {f"gateway: {what}": said for what, said in first.answers.items()}
        | {f"portal: {what}": said for what, said in second.answers.items()},
        max(first.endless_bytes, second.endless_bytes),
        max(first.grown_bytes, second.grown_bytes),
        first.unanswered + second.unanswered,
        first.kept + second.kept,
        first.broken + second.broken,
    )


ENTRIES: Final = (
    Entry(
        "F15",
        "More clients than there is room for say nothing, or little and slowly, or far too much",
        "Whoever comes with a whole request is answered, and no slow client is kept for more than 90 seconds.",
        full=500,
        short=150,
        run=of_the_portal,
        twin=partial(of_the_portal, command=WAITS_FOR_EVER, kept_after=15.0),
    ),
    Entry(
        "F15-all",
        "The same, of gateway and portal with all that they need, and with bodies that dribble in",
        "As F15. Its twin is F15's: both programs are served alike. Too long for make test.",
        full=500,
        short=0,
        run=of_everything,
    ),
)
