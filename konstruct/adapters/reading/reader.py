"""The parent's side: starts a child a document, gives it so much and no more, and trusts nothing that it says."""

import asyncio
import json
import os
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import structlog
from pydantic import TypeAdapter, ValidationError

import konstruct
from konstruct.errors import Unavailable, Unreadable
from konstruct.source_ports import ReadDocument

log = structlog.get_logger(__name__)

LARGEST: Final = 20_000_000
"""Bytes of one document."""

# More than the longest text takes in UTF-8 and JSON.
_LONGEST_ANSWER: Final = 40_000_000
_PIECE: Final = 65_536
# Those of an interpreter that could not run the program at all.
_NOT_STARTED: Final = frozenset({1, 2})
_KEPT: Final = ("LD_LIBRARY_PATH",)
_TOO_MUCH: Final = "Reading it took too much memory or time; split it into smaller files."


@dataclass(frozen=True)
class Limits:
    """Of one child. It runs behind all others who want the processor, hence the long time by the clock."""

    memory: int = 1 << 30
    """Bytes of address space."""
    cpu_seconds: int = 60
    seconds: float = 180.0


@dataclass(frozen=True)
class _Answer:
    document: ReadDocument | None = None
    unreadable: str = ""
    cause: str = ""


_ANSWER: Final = TypeAdapter(_Answer)


class SubprocessReader:
    """``at_once``: how many children there may be; further documents wait their turn."""

    def __init__(self, *, at_once: int = 2, limits: Limits = Limits()) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._limits = limits

    async def read(self, content: bytes, *, name: str, media_type: str | None = None) -> ReadDocument:
        if not content:
            raise Unreadable("The file is empty.")
        if len(content) > LARGEST:
            raise Unreadable(f"It is larger than {LARGEST // 1_000_000} MB; split it into smaller files.")
        request = {
            "name": name,
            "media_type": media_type,
            "memory": self._limits.memory,
            "cpu_seconds": self._limits.cpu_seconds,
        }
        async with self._places:
            written = await self._written(json.dumps(request).encode() + b"\n", content)
        answer = await asyncio.to_thread(_understood, written)
        if answer.document is None:
            if answer.cause:
                log.info("reading.damaged", cause=answer.cause)
            raise Unreadable(answer.unreadable)
        return answer.document

    async def _written(self, request: bytes, content: bytes) -> bytes:
        """What a child writes. Whatever else becomes of it, it is gone afterwards."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Finds our packages by PYTHONPATH alone, and not in whatever folder it is started in.
                *("-P", "-s", "-m", "konstruct.adapters.reading.child"),
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
                _, written = await asyncio.gather(
                    _feed(to_child, request + content), _take(from_child, _LONGEST_ANSWER)
                )
                code = await process.wait()
        except TimeoutError:
            raise _stopped("time") from None
        finally:
            await _end(process, to_child, from_child)
        if code in _NOT_STARTED:
            raise Unavailable("The program that reads documents cannot be run: is this installation whole?")
        if code != 0 or written is None:
            raise _stopped(f"exit code {code}")
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


def _stopped(why: str) -> Unreadable:
    log.info("reading.stopped", why=why)
    return Unreadable(_TOO_MUCH)


def _understood(written: bytes) -> _Answer:
    try:
        answer = _ANSWER.validate_json(written)
    except ValidationError:
        answer = _Answer()
    if answer.document is None and not answer.unreadable:
        raise _stopped("nonsense")
    return answer


def _environment() -> dict[str, str]:
    """Nothing of this process's own, which holds secrets. Hashes are the same in each child, and so what it makes."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {"PYTHONPATH": str(Path(konstruct.__file__).parents[1]), "PYTHONHASHSEED": "0", **kept}
