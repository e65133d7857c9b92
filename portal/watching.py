"""One look a second at what a tenant's agents see, for all of their open pages in this process together.

What is passed on is that something is new, never what: so whoever missed a message of the stream misses nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from konstruct.adapters.presence import Present, RedisPresence
from konstruct.db import Database
from konstruct.errors import TooMany, Unavailable
from konstruct.workbench import pulse
from konstruct.workbench.pulse import Call

log = structlog.get_logger(__name__)

MOST_OF_A_PERSON: Final = 20
MOST: Final = 2_000
"""Streams in one process."""
_LONGEST_LOOK: Final = 10.0


@dataclass(frozen=True)
class Seen:
    """What the last look saw. ``list`` and ``latest``: the marks of ``pulse``."""

    list: str = ""
    latest: str = ""
    calls: tuple[Call, ...] = ()
    conversations: Mapping[UUID, str] = field(default_factory=dict)
    present: Mapping[UUID, tuple[Present, ...]] = field(default_factory=dict)
    is_away: bool = False
    """Whether the database did not answer; the rest is then as it was before."""


class Watch:
    """Of one tenant."""

    def __init__(self, tenant_id: UUID, database: Database, presence: RedisPresence | None, every: timedelta) -> None:
        self._tenant_id = tenant_id
        self._database = database
        self._presence = presence
        self._every = every.total_seconds()
        self.seen: Seen | None = None
        """None before the first look."""
        self.listeners = 0
        self.looked_at: Counter[UUID] = Counter()
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_over = False

    async def changed(self, known: Seen | None, within: float) -> None:
        """Returns when something else is seen than what is known, when it is over, or after so many seconds."""
        # Whoever was busy with telling may have missed the call.
        if self.seen is not known or self._is_over:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()

    def wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        self._is_over = True
        self.wake()

    def hurry(self) -> None:
        """Has the next look be at once."""
        self._hurry.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._hurry.clear()
            seen = await self._looked()
            if seen != self.seen:
                self.seen = seen
                self.wake()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._hurry.wait()

    async def _looked(self) -> Seen:
        before = self.seen or Seen()
        present = await self._presence.seen(self._tenant_id) if self._presence is not None else {}
        try:
            async with asyncio.timeout(_LONGEST_LOOK):
                return replace(await self._look(before), present=present)
        except (Unavailable, TimeoutError):
            return replace(before, present=present, is_away=True)
        # Whatever it is: who waits for it to be over would otherwise wait for ever, and not be told.
        except Exception:
            log.exception("watch_failed", tenant_id=str(self._tenant_id))
            return replace(before, present=present, is_away=True)

    async def _look(self, before: Seen) -> Seen:
        # All of one moment, so that what belongs together is told together.
        async with self._database.tenant_session(self._tenant_id, snapshot=True) as session:
            of_list = await pulse.of_list(session)
            calls = before.calls if of_list == before.list else tuple(await pulse.calls(session))
            return Seen(
                of_list,
                await pulse.of_latest(session),
                calls,
                await pulse.of_conversations(session, list(self.looked_at)),
            )


class Watching:
    """All watches of this process: each begins with the first who listens, and ends with the last."""

    def __init__(
        self,
        database: Database,
        presence: RedisPresence | None,
        *,
        every: timedelta = timedelta(seconds=1),
        ping_every: timedelta = timedelta(seconds=15),
        count_lasts: timedelta = timedelta(seconds=3),
    ) -> None:
        """``ping_every``: so often a stream says that it is there, and whoever listens is looked up again.
        ``count_lasts``: for so long a number of those who wait is taken for true where no page listens."""
        self.count_lasts = count_lasts.total_seconds()
        self.ping_every = ping_every.total_seconds()
        self._database = database
        self._presence = presence
        self._every = every
        self._watches: dict[UUID, Watch] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._of_person: Counter[UUID] = Counter()
        self._counted: dict[UUID, tuple[int, float]] = {}
        """How many wait, and until when that is taken for true."""
        self.is_over = False

    def require_room(self, user_id: UUID) -> None:
        """Raises TooMany for who listens too often already."""
        if self._of_person[user_id] >= MOST_OF_A_PERSON or self._of_person.total() >= MOST:
            raise TooMany("Too many pages listen at once. Close some of them.", retry_after=timedelta(seconds=30))

    async def waiting(self, tenant_id: UUID) -> int:
        """How many conversations wait for a person, as of a few seconds ago; none where nobody can tell."""
        watch = self._watches.get(tenant_id)
        if watch is not None and watch.seen is not None:
            return sum(call.is_waiting for call in watch.seen.calls)
        number, until = self._counted.get(tenant_id, (0, 0.0))
        if time.monotonic() < until:
            return number
        try:
            async with self._database.tenant_session(tenant_id) as session:
                number = await pulse.waiting(session)
        except Unavailable:
            number = 0
        if len(self._counted) >= MOST:
            self._counted.clear()
        self._counted[tenant_id] = (number, time.monotonic() + self.count_lasts)
        return number

    @asynccontextmanager
    async def listen(self, tenant_id: UUID, user_id: UUID, conversation_id: UUID | None) -> AsyncIterator[Watch]:
        watch = self._watches.get(tenant_id)
        if watch is None:
            watch = self._watches[tenant_id] = Watch(tenant_id, self._database, self._presence, self._every)
            self._tasks[tenant_id] = asyncio.create_task(watch.run())
        watch.listeners += 1
        self._of_person[user_id] += 1
        if conversation_id is not None:
            watch.looked_at[conversation_id] += 1
            watch.hurry()
        try:
            yield watch
        finally:
            watch.listeners -= 1
            self._of_person -= Counter([user_id])
            if conversation_id is not None:
                watch.looked_at -= Counter([conversation_id])
            if not watch.listeners:
                del self._watches[tenant_id]
                task = self._tasks.pop(tenant_id)
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Before what it looks by is closed: a look that is cut off lets go of its connection."""
        tasks = [*self._tasks.values(), *self._ending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> None:
        """Has every stream end: the server stops."""
        self.is_over = True
        for watch in self._watches.values():
            watch.end()
