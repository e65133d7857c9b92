"""What balancers and monitors ask."""

import aiohttp
import pytest


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_it_is_told_with_a_body_and_without(api: str, path: str) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{api}{path}") as whole,
        client.head(f"{api}{path}") as short,
    ):
        assert (whole.status, short.status) == (200, 200)
        assert await whole.json()
        assert await short.read() == b""
