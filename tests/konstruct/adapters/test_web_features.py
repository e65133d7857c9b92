"""Whatever takes an address from somebody: none of it leads to where only this machine and its neighbours get."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import httpx2
import pytest
from pydantic import JsonValue

from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.adapters.web_addresses import system_resolver
from konstruct.errors import BadInput, WebRefused
from konstruct.identity import new_id
from konstruct.knowledge.pages import Visit
from konstruct.knowledge.syncs import Task
from konstruct.source_ports import McpServer
from konstruct.tables.base import utc_now
from konstruct.tools.http import request
from konstruct.tools.http_definition import HttpToolDefinition
from tests.support.streets import INSIDE

HOSTS = (
    *("127.0.0.1", "127.1", "0x7f.1", "0177.1", "2130706433", "0.0.0.0", "localhost", "127。0。0。1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]"),
    "inside.example",
)
OTHERS = ("file:///etc/passwd", "gopher://inside.example/", "https://user@inside.example/", "http://inside.example/")

Open = Callable[[], httpx2.AsyncClient]


async def resolve(host: str, port: int) -> Sequence[str]:
    return [INSIDE] if host == "inside.example" else await system_resolver(host, port)


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


@pytest.mark.parametrize("url", [*(f"https://{host}/" for host in HOSTS), *OTHERS])
@pytest.mark.parametrize("feature", [page, sitemap, http_tool, tool_server])
async def test_no_feature_leads_inside(feature: Callable[[Open, str], Awaitable[object]], url: str) -> None:
    # Had it been tried, it would not be a refusal: nobody answers there.
    with pytest.raises((WebRefused, BadInput)):
        await feature(partial(open_client, resolve=resolve), url)
