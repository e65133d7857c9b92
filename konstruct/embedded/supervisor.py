"""Keeps programs running: starts again what ended, gives up on what keeps ending, stops all in the reverse order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import NoReturn, Self

from konstruct.embedded.process import Child, Program, launch
from konstruct.errors import Unavailable

Report = Callable[[str], None]

DEATHS_ALLOWED = 5
DEATHS_WINDOW_SECONDS = 60.0
_PAUSE_GROWTH = 3


@dataclass
class _Kept:
    child: Child
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS_ALLOWED))


class Supervisor:
    """`report` is told, in sentences for a person, what is ready, what ended and what is started again."""

    def __init__(self, report: Report, first_pause_seconds: float = 0.2) -> None:
        self._report = report
        self._first_pause_seconds = first_pause_seconds
        self._kept: list[tuple[_Kept, asyncio.Task[None]]] = []
        self._given_up = asyncio.Event()
        self._reason = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept, keeper in reversed(self._kept):
            keeper.cancel()
            await asyncio.wait([keeper])
            # Not left to the keeper: a task that is cancelled before its first step runs no clean-up either.
            await kept.child.stop()

    async def start(self, program: Program) -> None:
        """Returns when the program is ready; raises Unavailable when it does not get there."""
        began = time.monotonic()
        child = await launch(program)
        self._report(f"{program.name} is ready ({time.monotonic() - began:.1f} s).")
        kept = _Kept(child)
        self._kept.append((kept, asyncio.create_task(self._keep(kept), name=program.name)))

    async def broken(self) -> NoReturn:
        """Waits until a program is given up, and raises Unavailable with the reason."""
        await self._given_up.wait()
        raise Unavailable(self._reason)

    async def _keep(self, kept: _Kept) -> None:
        try:
            while True:
                how = await kept.child.ended()
                kept.child = await self._relaunched(kept, f"{kept.child.program.name} ended ({how}).")
        except Unavailable as error:
            self._reason = str(error)
            self._given_up.set()

    async def _relaunched(self, kept: _Kept, why: str) -> Child:
        program = kept.child.program
        while True:
            now = time.monotonic()
            kept.deaths.append(now)
            recent = sum(now - death < DEATHS_WINDOW_SECONDS for death in kept.deaths)
            if recent == DEATHS_ALLOWED:
                raise Unavailable(f"{program.name} ended {recent} times within a minute and is given up. {why}")
            self._report(f"{why} It is started again.")
            await asyncio.sleep(self._first_pause_seconds * _PAUSE_GROWTH ** (recent - 1))
            try:
                child = await launch(program)
            except Unavailable as error:
                why = str(error)
            else:
                self._report(f"{program.name} is ready again.")
                return child
