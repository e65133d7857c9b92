"""Somebody who listens to the stream of an inbox, as a browser does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx

from konstruct.settings import Settings
from portal.app import build
from portal.watching import Watching
from tests.support.http import serve
from tests.support.members import COOKIE, Enrolled

SOON: Final = 20.0
QUICK: Final = timedelta(milliseconds=50)


@asynccontextmanager
async def served(settings: Settings, *, port: int = 0, ping_every: timedelta = QUICK) -> AsyncIterator[str]:
    """A portal that looks more often than one would otherwise."""
    guard = build(settings)
    used = guard.services
    used.watching = Watching(used.database, used.presence, every=QUICK, ping_every=ping_every)
    async with serve(guard, port=port) as url:
        yield url


@dataclass
class Ear:
    told: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    """What came, in its order; at the end ``("over", None)``."""
    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)

    async def hear(self, *names: str) -> tuple[str, Any]:
        """The next that is called so; what comes before it is passed over."""
        async with asyncio.timeout(SOON):
            while True:
                name, data = await self.told.get()
                if name in names:
                    return name, data
                assert name != "over", f"the stream was over before {names}"

    async def until(self, name: str, **wanted: Any) -> Any:
        """The next that is called so and says this."""
        while True:
            _, data = await self.hear(name)
            if all(data.get(key) == value for key, value in wanted.items()):
                return data

    async def over(self) -> list[str]:
        """All that still comes, until it is over."""
        names: list[str] = []
        async with asyncio.timeout(SOON):
            while (name := (await self.told.get())[0]) != "over":
                names.append(name)
        return names

    def so_far(self) -> list[str]:
        names = []
        while not self.told.empty():
            names.append(self.told.get_nowait()[0])
        return names


@asynccontextmanager
async def listening(url: str, person: Enrolled, *, slug: str | None = None, **query: str) -> AsyncIterator[Ear]:
    """Of the inbox of the person's tenant, or of the one that is named."""
    ear = Ear()
    asking = asyncio.create_task(_listen(ear, f"{url}/t/{slug or person.slug}/inbox/stream", person, query))
    try:
        yield ear
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _listen(ear: Ear, url: str, person: Enrolled, query: dict[str, str]) -> None:
    headers = {"cookie": f"{COOKIE}={person.cookie}", "accept": "text/event-stream"}
    try:
        async with (
            httpx.AsyncClient(timeout=None) as client,  # How long it is waited for is the listener's to say.
            client.stream("GET", url, params=query, headers=headers) as answer,
        ):
            ear.status, ear.headers = answer.status_code, answer.headers
            name = ""
            async for line in answer.aiter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data":
                    await ear.told.put((name, json.loads(value)))
    except httpx.HTTPError:
        # The server went away in the middle.
        pass
    finally:
        ear.told.put_nowait(("over", None))
