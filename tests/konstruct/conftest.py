"""A tenant for each test, and its audit trail."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.vault import Vault
from tests.support.office import Office, open_office
from tests.support.trail import Trail, open_trail


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault)


@pytest.fixture
async def trail(office: Office, owner_url: SecretStr, tmp_path: Path) -> AsyncIterator[Trail]:
    async with open_trail(office, owner_url, tmp_path) as trail:
        yield trail
