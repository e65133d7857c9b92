"""A tenant, its owner in a browser, and a site that has something to read."""

from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.portal.knowledge import RETURNS
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.website import Website, open_website


@pytest.fixture
async def owner(database: Database, vault: Vault, office: Office) -> Enrolled:
    return await enrolled(database, vault, tenant=office.tenant_id)


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    async with open_website() as opened:
        opened.publish({"/": "Home", "/returns": RETURNS})
        yield opened


@pytest.fixture
async def visitor(settings: Settings, owner: Enrolled, site: Website) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(settings.model_copy(update={"web_allowed": (site.host,)})) as client:
        client.cookies.update(owner.cookies)
        yield client
