"""A tenant, its owner in a browser, a service to ask and a server that offers tools."""

from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.portal.tools import SECRET
from tests.support.mcp_server import McpDouble
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.service_double import ServiceDouble


@pytest.fixture
async def owner(database: Database, vault: Vault, office: Office) -> Enrolled:
    return await enrolled(database, vault, tenant=office.tenant_id)


@pytest.fixture
async def shop() -> AsyncIterator[ServiceDouble]:
    service = ServiceDouble(key=SECRET)
    async with service.running():
        yield service


@pytest.fixture
async def server() -> AsyncIterator[McpDouble]:
    double = McpDouble()
    async with double.running():
        yield double


@pytest.fixture
async def visitor(settings: Settings, owner: Enrolled, shop: ServiceDouble) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(settings.model_copy(update={"web_allowed": (shop.place,)})) as client:
        client.cookies.update(owner.cookies)
        yield client
