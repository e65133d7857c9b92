"""A business at a till of its own."""

from collections.abc import AsyncIterator

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe


@pytest.fixture
async def till(database: Database, vault: Vault) -> AsyncIterator[Till]:
    async with stocked_stripe(database) as stripe, open_payments(stripe) as payments:
        yield Till(stripe, payments, database, await billed_tenant(database, vault))
