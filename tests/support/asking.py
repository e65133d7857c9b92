"""All that asks an address which somebody gave: functions of the client that it asks through, and of the address."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import httpx2
from pydantic import JsonValue, SecretStr

from konstruct import models
from konstruct.adapters import guarded_http
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.web import SafeWeb
from konstruct.identity import new_id
from konstruct.knowledge.pages import Visit
from konstruct.knowledge.syncs import Task
from konstruct.model_keys import trying
from konstruct.model_keys.keeping import Candidate
from konstruct.models import Access
from konstruct.ports import ChatMessage
from konstruct.settings import Settings
from konstruct.source_ports import McpServer
from konstruct.tables.base import utc_now
from konstruct.tools.http import request
from konstruct.tools.http_definition import HttpToolDefinition

Open = Callable[[], httpx2.AsyncClient]
Asks = Callable[[Open, str], Awaitable[object]]


async def page(open_: Open, url: str) -> object:
    async with open_() as client:
        task = Task(new_id(), url, None, utc_now(), None, None, None)
        return await Visit(SafeWeb(client), pause=0, waits=()).page(task)


async def sitemap(open_: Open, url: str) -> object:
    async with open_() as client:
        return await Visit(SafeWeb(client), pause=0, waits=()).listing(url)


async def http_tool(open_: Open, url: str) -> object:
    parameters: JsonValue = {"type": "object", "properties": {}}
    made = request(HttpToolDefinition.parse({"url": url, "parameters": parameters}), {}, None, "key-1")
    async with open_() as client:
        return await SafeWeb(client).request(made, time_limit=10, most_bytes=1_000)


async def tool_server(open_: Open, url: str) -> object:
    return await HttpMcp(open_).tools(McpServer(url), time_limit=10)


async def own_model(open_: Open, url: str, *, name: str = "openai/gpt-4o-mini") -> object:
    """A model at an address of the tenant's."""
    own: dict[str, Access] = {
        name.partition("/")[0]: Access(url, SecretStr("key-of-the-tenant"), is_own=True, is_guarded=True)
    }
    [link] = models.chain([name], Settings(), own)
    async with open_() as client:
        model = LiteLLMChatModel(partial(guarded_http.lent, client))
        return [piece.text async for piece in model.stream(link, [ChatMessage("user", "Hello")], max_tokens=10)]


async def key_on_trial(open_: Open, url: str) -> object:
    candidate = Candidate("openai", SecretStr("key-of-the-tenant"), base_url=url)
    async with open_() as client:
        web = SafeWeb(client)
        return await trying.try_out(candidate, Settings(), web, web)


ALL: Final[dict[str, Asks]] = {
    "page": page,
    "sitemap": sitemap,
    "http tool": http_tool,
    "tool server": tool_server,
    "model": own_model,
    "ollama": partial(own_model, name="ollama/llama3.2"),
    "key on trial": key_on_trial,
}
