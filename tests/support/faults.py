"""How calls of a pretended vendor's API go wrong on request, whichever vendor it is."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

from aiohttp import web

from tests.support.http import reset_connection


@dataclass(frozen=True)
class Fault:
    """How the next call of a kind goes wrong. With ``accepted`` it first does what was asked."""

    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    reset: bool = False
    released: asyncio.Event | None = None
    """Held until set; then answered as if nothing had happened."""
    accepted: bool = False

    async def play(self, request: web.Request) -> web.Response | None:
        """None when the call is to go on as usual."""
        if self.released:
            await self.released.wait()
            return None
        if self.reset:
            reset_connection(request)
            return web.Response()
        content_type = "application/json" if self.body.startswith("{") else "text/html"
        return web.Response(status=self.status, text=self.body, content_type=content_type, headers=dict(self.headers))


class Faulty:
    """A double whose next calls of a kind can be made to fail."""

    def __init__(self) -> None:
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def drop_next(self, what: str, *, accepted: bool = False) -> None:
        """The client sees a reset instead of an answer; with ``accepted`` the call was carried out."""
        self._fail(what, Fault(reset=True, accepted=accepted))

    def hold_next(self, what: str, *, accepted: bool = False) -> asyncio.Event:
        """The call hangs until the returned event is set; with ``accepted`` it was carried out before."""
        released = asyncio.Event()
        self._fail(what, Fault(released=released, accepted=accepted))
        return released

    def _fail(self, what: str, fault: Fault) -> None:
        self._faults[what].append(fault)

    def _next_fault(self, what: str) -> Fault | None:
        faults = self._faults[what]
        return faults.popleft() if faults else None
