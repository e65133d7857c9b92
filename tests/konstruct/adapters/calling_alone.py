"""A program that calls OpenAI, Anthropic and Ollama once for all that they do, at one address, in its own environment.

Prints, as JSON, every host that was looked up on the way.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from pydantic import SecretStr

looked_up: list[str] = []


def note_lookups(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        looked_up.append(str(arguments[0]))


sys.addaudithook(note_lookups)

from konstruct import models  # noqa: E402 - what importing looks up counts, too
from konstruct.adapters.litellm import LiteLLMChatModel, LiteLLMEmbedder  # noqa: E402
from konstruct.errors import EmbeddingUnavailable  # noqa: E402
from konstruct.ports import ChatMessage, ModelCallError  # noqa: E402
from konstruct.settings import Settings  # noqa: E402


async def main(url: str) -> None:
    settings = Settings(
        openai_api_key=SecretStr("own-openai"),
        openai_base_url=url,
        anthropic_api_key=SecretStr("own-anthropic"),
        anthropic_base_url=url,
        ollama_base_url=url,
    )
    for link in models.chain([], settings):
        with suppress(ModelCallError):
            async for _ in LiteLLMChatModel().stream(link, [ChatMessage("user", "Hello")], max_tokens=10):
                pass
    for name in ("openai/text-embedding-3-small", "ollama/nomic-embed-text"):
        embedding = models.embedding_link(name, settings)
        assert embedding is not None
        with suppress(EmbeddingUnavailable):
            await LiteLLMEmbedder(embedding).embed(["Hello"], purpose="query")
    sys.stdout.write(json.dumps(looked_up))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
