"""Programs that take apart what strangers made: started once for each thing, given so much and no more."""

import asyncio
import json
import os
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import structlog

import konstruct
from konstruct.errors import Unavailable, Unreadable

log = structlog.get_logger(__name__)

_PIECE: Final = 65_536
# Those of an interpreter that could not run the program at all.
_NOT_STARTED: Final = frozenset({1, 2})
_KEPT: Final = ("LD_LIBRARY_PATH",)


@dataclass(frozen=True)
class Limits:
    """Of one child. It runs behind all others who want the processor, hence the long time by the clock."""

    memory: int = 1 << 30
    """Bytes of address space."""
    cpu_seconds: int = 60
    seconds: float = 180.0


class Children:
    """Of one program. ``at_once``: how many there may be; what comes further waits its turn."""

    def __init__(self, program: str, *, at_once: int, limits: Limits, longest_answer: int, too_much: str) -> None:
        """``too_much``: the sentence for what took more than its limits."""
        self._program = program
        self._places = asyncio.Semaphore(at_once)
        self._limits = limits
        self._longest_answer = longest_answer
        self._too_much = too_much

    async def asked(self, request: Mapping[str, object], content: bytes) -> bytes:
        """What a child writes. Whatever else becomes of it, it is gone afterwards.

        Raises:
            Unreadable: it took too much, or died of it.
            Unavailable: the program cannot be run here and now.
        """
        limited = {**request, "memory": self._limits.memory, "cpu_seconds": self._limits.cpu_seconds}
        async with self._places:
            return await self._written(json.dumps(limited).encode() + b"\n" + content)

    def stopped(self, why: str) -> Unreadable:
        log.info("reading.stopped", why=why)
        return Unreadable(self._too_much)

    async def _written(self, told: bytes) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Finds our packages by PYTHONPATH alone, and not in whatever folder it is started in.
                *("-P", "-s", "-m", self._program),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_environment(),
                # Ctrl-C is for this process; a child that it ended would pass for a document that cannot be read.
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"No process can be started to read a document ({error.strerror}).") from error
        to_child, from_child = cast(StreamWriter, process.stdin), cast(StreamReader, process.stdout)
        try:
            async with asyncio.timeout(self._limits.seconds):
                _, written = await asyncio.gather(_feed(to_child, told), _take(from_child, self._longest_answer))
                code = await process.wait()
        except TimeoutError:
            raise self.stopped("time") from None
        finally:
            await _end(process, to_child, from_child)
        if code in _NOT_STARTED:
            raise Unavailable("The program that reads documents cannot be run: is this installation whole?")
        if code != 0 or written is None:
            raise self.stopped(f"exit code {code}")
        return written


async def _feed(to: StreamWriter, data: bytes) -> None:
    # A child that has ended reads nothing any more; its exit code tells the rest.
    with suppress(BrokenPipeError, ConnectionResetError):
        to.write(data)
        await to.drain()
        to.close()


async def _take(source: StreamReader, most: int) -> bytes | None:
    """None: it would have been more. All the same it is read to its end, for else the child would never come to its."""
    pieces: list[bytes] = []
    length = 0
    while piece := await source.read(_PIECE):
        length += len(piece)
        if length <= most:
            pieces.append(piece)
    return b"".join(pieces) if length <= most else None


async def _end(process: Process, to_child: StreamWriter, from_child: StreamReader) -> None:
    """Also of one that is in the middle of writing: its end is not noticed before its pipes have been emptied."""
    to_child.close()
    with suppress(ProcessLookupError):
        process.kill()
    while await from_child.read(_PIECE):
        pass
    await process.wait()


def _environment() -> dict[str, str]:
    """Nothing of this process's own, which holds secrets. Hashes are the same in each child, and so what it makes."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {"PYTHONPATH": str(Path(konstruct.__file__).parents[1]), "PYTHONHASHSEED": "0", **kept}
