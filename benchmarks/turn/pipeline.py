"""A turn without a workflow around it: the product's own steps, one after the other, and nothing that remembers where
they are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.thinking import Thinking
from konstruct.adapters.redis import Circuit, RedisWindows
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_streaming import SlackStreamer
from konstruct.contracts.conversation import DeliverRequest, ThinkRequest
from konstruct.errors import KonstructError
from konstruct.ports import Messenger
from konstruct.settings import Settings
from workflows.worker import Parts, opened_parts

Asked = TypeVar("Asked")
Came = TypeVar("Came")
AGAIN_AFTER_SECONDS: Final = 0.02


class Pipeline:
    def __init__(self, parts: Parts, thinking: Thinking, delivery: Delivery) -> None:
        self.parts = parts
        self._thinking = thinking
        self._delivery = delivery

    async def turn(self, tenant_id: UUID, conversation_id: UUID, message_id: UUID) -> None:
        """The same reading and writing of the database and the same calls as ``think`` and ``deliver`` of the product.

        What those ask of Temporal, as which attempt it is, its SDK answers without a server. Where the end of the
        conversation's last turn is still being written down, it waits for that.
        """
        request = ThinkRequest(tenant_id, conversation_id, uuid4(), [message_id])
        thought = await _tried(self._thinking.think, request)
        while thought.is_repeated:
            await asyncio.sleep(AGAIN_AFTER_SECONDS)
            thought = await _tried(self._thinking.think, replace(request, turn_id=uuid4()))
        if thought.reply_ids or thought.showed_status:
            delivering = DeliverRequest(tenant_id, conversation_id, thought.reply_ids, thought.showed_status)
            await _tried(self._delivery.deliver, delivering)


async def _tried(step: Callable[[Asked], Awaitable[Came]], asked: Asked) -> Came:
    """Again, as long as it fails in a way that may pass."""
    environment = ActivityEnvironment()
    while True:
        try:
            return await environment.run(step, asked)
        except KonstructError as error:
            if not error.retryable:
                raise
        await asyncio.sleep(AGAIN_AFTER_SECONDS)


@asynccontextmanager
async def opened_pipeline(settings: Settings) -> AsyncIterator[Pipeline]:
    async with opened_parts(settings) as parts, open_session() as http:
        messengers: dict[str, Messenger] = {"slack": SlackMessenger(http, settings.slack_api_url)}
        streamers = {"slack": SlackStreamer(http, settings.slack_api_url)}
        windows = RedisWindows(parts.redis, Circuit())
        thinking = Thinking(
            *(settings, parts.database, parts.vault, parts.model, parts.cooldowns, messengers, windows),
            *(parts.embedders, streamers),
        )
        delivery = Delivery(parts.database, parts.vault, messengers, windows, streamers)
        yield Pipeline(parts, thinking, delivery)


class NoTemporal(Client):
    """Stands where the gateway's listeners tell Temporal of a message, and hands it over otherwise."""

    def __init__(self) -> None:
        """It is connected to nothing."""

    async def start_workflow(self, *given: Any, start_signal_args: Any = (), **options: Any) -> Any:
        state, [message] = given[1], start_signal_args
        await self.hand_over(state.tenant_id, state.conversation_id, message.message_id)

    async def hand_over(self, tenant_id: UUID, conversation_id: UUID, message_id: UUID) -> None:
        raise NotImplementedError
