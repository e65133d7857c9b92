"""The portal as a browser sees it, without a server between."""

import re

import httpx
import pytest

from konstruct.settings import Settings
from portal.app import build
from tests.support.ports import free_ports

_ROW = re.compile(r'<h3>(.+)</h3>\s*<span class="state \w+">(.+)</span>')
_HEADLINE = re.compile(r"<h1>(.+)</h1>")


def rows(page: httpx.Response) -> dict[str, str]:
    """The state of each part, as it is written on the page."""
    return dict(_ROW.findall(page.text))


def headline(page: httpx.Response) -> str:
    [found] = _HEADLINE.findall(page.text)
    assert isinstance(found, str)
    return found


def browser(settings: Settings) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build(settings), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=settings.portal_url)


@pytest.fixture
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
