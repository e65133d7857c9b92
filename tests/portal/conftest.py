"""The portal as a browser sees it, without a server between."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from konstruct.adapters.redis import connect
from konstruct.settings import Settings
from portal.app import build
from tests.support.ports import free_ports

_ROW = re.compile(r'<h3>(.+)</h3>\s*<span class="badge"[^>]*><span class="dot"[^>]*></span>(.+)</span>')
_HEADLINE = re.compile(r"<h1>(.+)</h1>")


def rows(page: httpx.Response) -> dict[str, str]:
    """The state of each part, as it is written on the page."""
    return dict(_ROW.findall(page.text))


def headline(page: httpx.Response) -> str:
    [found] = _HEADLINE.findall(page.text)
    assert isinstance(found, str)
    return found


@asynccontextmanager
async def browser(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Visits a portal of these settings, whose forms and cookies it takes as a browser on this machine would."""
    guard = build(settings)
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    said = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=said) as visitor:
        yield visitor
    await guard.services.close()


@pytest.fixture(autouse=True)
async def uncounted(redis_url: str) -> None:
    """All tests come from one network, which may try to sign in so often a day."""
    redis = connect(redis_url, time_limit=timedelta(seconds=30))
    await redis.flushall()
    await redis.aclose()


@pytest.fixture
async def portal(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of a portal that has all it needs."""
    async with browser(settings) as visitor:
        yield visitor


@pytest.fixture(scope="session")
def nothing() -> Settings:
    """A deployment where nothing is set and nothing runs."""
    ports = free_ports("gateway_port", "portal_port")
    return Settings(
        gateway_port=ports["gateway_port"],
        portal_port=ports["portal_port"],
        database_url=None,
        redis_url=None,
        temporal_address=None,
        local_model_base_url=None,
        encryption_keys=(),
    )
