"""Whatever takes an address from somebody: none of it leads to where only this machine and its neighbours get."""

from collections.abc import Sequence
from functools import partial

import pytest

from konstruct.adapters.web import open_client
from konstruct.adapters.web_addresses import system_resolver
from konstruct.errors import BadInput, WebRefused
from tests.support.asking import Asks, http_tool, page, sitemap, tool_server
from tests.support.streets import INSIDE

HOSTS = (
    *("127.0.0.1", "127.1", "0x7f.1", "0177.1", "2130706433", "0.0.0.0", "localhost", "127。0。0。1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]"),
    "inside.example",
)
OTHERS = ("file:///etc/passwd", "gopher://inside.example/", "https://user@inside.example/", "http://inside.example/")


async def resolve(host: str, port: int) -> Sequence[str]:
    return [INSIDE] if host == "inside.example" else await system_resolver(host, port)


@pytest.mark.parametrize("url", [*(f"https://{host}/" for host in HOSTS), *OTHERS])
@pytest.mark.parametrize("feature", [page, sitemap, http_tool, tool_server])
async def test_no_feature_leads_inside(feature: Asks, url: str) -> None:
    # Had it been tried, it would not be a refusal: nobody answers there.
    with pytest.raises((WebRefused, BadInput)):
        await feature(partial(open_client, resolve=resolve), url)
