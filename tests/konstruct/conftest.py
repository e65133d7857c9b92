"""A tenant for each test."""

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.support.office import Office, open_office


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault)
