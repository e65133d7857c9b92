"""Agents who take conversations over and give them back through the REST API, as patiently as programs do.

What is not answered, or with an error of the server's, is asked again under the same key.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import asyncpg

from tests.faults.history import Takeover, Word, new_mark
from tests.faults.lab import Lab
from tests.faults.people import Office, Writer
from tests.support.commands import konstruct

PATIENCE: Final = 240.0
"""Seconds after which nobody asks any more."""
PAUSE: Final = 0.5
ONE_TRY: Final = 30.0
"""Seconds: longer than a gateway waits for a change of owner."""
AGENT: Final = "anna"
"""Where the desk names nobody, the business's own program knows who its agents are."""
_CONVERSATION: Final = """
  select id::text from conversations where tenant_id = $1::uuid and channel = $2 and root = $3
"""


class Refused(Exception):
    """What an agent wanted was not done, and asking again would not help."""


@dataclass
class Held:
    """A conversation while an agent has it."""

    writer: Writer
    handoff_id: str
    takeover: Takeover


@dataclass
class Agents:
    lab: Lab
    http: aiohttp.ClientSession
    _keys: dict[str, str] = field(default_factory=dict)
    _next: int = 0

    @property
    def keys(self) -> list[str]:
        return list(self._keys.values())

    async def join(self, office: Office) -> None:
        """From then on they can take over its conversations."""
        made = await konstruct(
            *("api-key", "create", "desk", "--tenant", office.slug),
            *("--scope", "handoffs:read", "--scope", "handoffs:act"),
            env=self.lab.deployment.env,
        )
        assert made.status == 0, made
        self._keys[office.slug] = made.said.strip()

    async def take_over(self, writer: Writer) -> Held:
        """Of somebody who has written. Returns when it is acknowledged."""
        conversation_id = await self._conversation(writer)
        owned = await self._done(writer.office, f"/conversations/{conversation_id}/take-over", {"agent": AGENT})
        takeover = Takeover(writer.thread, time.monotonic())
        self.lab.history.takeovers.append(takeover)
        return Held(writer, owned["handoff_id"], takeover)

    async def reply(self, held: Held) -> Word:
        writer = held.writer
        reply = Word(new_mark("r"), writer.office.slug, writer.thread, len(self.lab.history.replies), time.monotonic())
        self.lab.history.replies.append(reply)
        text = f"That is for me to say: {reply.mark}"
        await self._done(writer.office, f"/handoffs/{held.handoff_id}/replies", {"agent": AGENT, "text": text}, 201)
        reply.taken_at = time.monotonic()
        return reply

    async def hand_back(self, held: Held, *, at_once: bool = False) -> None:
        # From here on the employee may write, however late the answer is.
        held.takeover.over_at = time.monotonic()
        path = f"/handoffs/{held.handoff_id}/hand-back"
        await self._done(held.writer.office, path, {"agent": AGENT, "at_once": at_once})

    async def packet(self, held: Held) -> Any:
        """What the agent is shown of it."""
        return await self._answered(held.writer.office, "GET", f"/handoffs/{held.handoff_id}", None, (200,))

    async def _done(self, office: Office, path: str, body: dict[str, object], *other: int) -> Any:
        return await self._answered(office, "POST", path, body, (200, *other))

    async def _answered(
        self, office: Office, method: str, path: str, body: dict[str, object] | None, wanted: tuple[int, ...]
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._keys[office.slug]}", "Idempotency-Key": secrets.token_hex(8)}
        deadline, last = time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline:
            addresses = self.lab.deployment.gateway_urls
            self._next += 1
            url = f"{addresses[self._next % len(addresses)]}/api/v1{path}"
            try:
                async with self.http.request(method, url, json=body, headers=headers) as answer:
                    if answer.status in wanted:
                        return await answer.json()
                    last = f"{answer.status} {await answer.text()}"
                    if answer.status < 500 and answer.status != 429:
                        raise Refused(f"{path}: {last}")
            except (aiohttp.ClientError, TimeoutError) as error:
                last = repr(error)
            await asyncio.sleep(PAUSE)
        raise Refused(f"{path} was not done within {PATIENCE:.0f} s: {last}")

    async def _conversation(self, writer: Writer) -> str:
        """As soon as there is one."""
        channel, root = writer.place
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                found = await self.lab.administrator.fetchval(_CONVERSATION, writer.office.tenant_id, channel, root)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                # It is being restarted.
                found = None
            if found is not None:
                return str(found)
            await asyncio.sleep(0.05)
        raise Refused(f"nothing was kept of {writer.thread}")


@asynccontextmanager
async def at_work(lab: Lab) -> AsyncIterator[Agents]:
    """In all offices that there are."""
    limit = aiohttp.ClientTimeout(total=ONE_TRY)
    # One that was kept may be closed by its gateway just as it is used again.
    connections = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(timeout=limit, connector=connections) as http:
        agents = Agents(lab, http)
        await asyncio.gather(*(agents.join(office) for office in lab.offices))
        yield agents
