"""The bare twin as its driver sees it: signals conversations, and hears over a socket when their turns have ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client
from temporalio.common import Priority

from benchmarks.turn.bare_workflow import QUEUE, SAY, WORKFLOW, Said

PATIENCE_SECONDS = 120.0


class Bare(asyncio.DatagramProtocol):
    name = "bare"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ends: dict[tuple[str, int], asyncio.Future[float]] = {}

    def datagram_received(self, data: bytes, addr: object) -> None:
        conversation, turn, at = data.decode().split()
        # An activity that is repeated reports twice.
        if end := self._ends.pop((conversation, int(turn)), None):
            end.set_result(float(at))

    def conversation(self) -> "BareConversation":
        return BareConversation(self)

    async def turn(self, said: Said) -> float:
        end: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._ends[said.conversation, said.turn] = end
        began = time.monotonic()
        await self._client.start_workflow(
            WORKFLOW,
            id=f"bare:{said.conversation}",
            task_queue=QUEUE,
            start_signal=SAY,
            start_signal_args=[said],
            priority=Priority(fairness_key="bare"),
        )
        return await asyncio.wait_for(end, PATIENCE_SECONDS) - began


class BareConversation:
    def __init__(self, bare: Bare) -> None:
        self._bare = bare
        self._id = str(uuid4())
        self._turns = 0

    async def turn(self) -> float:
        self._turns += 1
        return await self._bare.turn(Said(self._id, self._turns))


@asynccontextmanager
async def listening(client: Client, path: Path) -> AsyncIterator[Bare]:
    loop = asyncio.get_running_loop()
    transport, bare = await loop.create_datagram_endpoint(lambda: Bare(client), local_addr=str(path), family=1)
    try:
        yield bare
    finally:
        transport.close()
