"""A business with a program of its own, which may do whatever a program may."""

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.office import Office, open_office


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault)


@pytest.fixture
async def program(api: str, office: Office) -> Program:
    return await program_of(office, api)
