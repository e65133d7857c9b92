"""A worker that logs what it asks models: what people said lies open in its log."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog

from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.cli import main
from konstruct.ports import ChatMessage, Completion, ModelLink

log = structlog.get_logger()
stream = LiteLLMChatModel.stream


async def telling(
    self: LiteLLMChatModel, link: ModelLink, messages: Sequence[ChatMessage], **more: Any
) -> AsyncIterator[Completion]:
    log.warning("asked", model=link.name, prompt=[message.content for message in messages])
    async for piece in stream(self, link, messages, **more):
        yield piece


if __name__ == "__main__":
    LiteLLMChatModel.stream = telling  # type: ignore[assignment, method-assign]
    main()
