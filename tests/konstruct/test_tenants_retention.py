"""How long things are kept, applied from a manifest."""

import pytest

from konstruct import retention
from konstruct.db import Database
from konstruct.errors import BadInput
from konstruct.retention import Periods
from konstruct.vault import Vault
from tests.konstruct.test_tenants import Acme


async def periods(acme: Acme) -> Periods:
    async with acme.database.tenant_session(await acme.id()) as session:
        return await retention.settings(session)


async def test_a_file_that_says_nothing_of_it_leaves_it_as_it_is(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    await acme.apply()
    assert await periods(acme) == Periods()
    acme.text += "\nretention: {messages: 90, files: 30}\n"
    assert await acme.apply() == [f"~ tenant {acme.slug}: retention"]
    assert await periods(acme) == Periods(messages=90, files=30)
    acme.change("\nretention: {messages: 90, files: 30}\n", "")
    assert await acme.apply() == []
    assert await periods(acme) == Periods(messages=90, files=30)


async def test_what_is_no_number_of_days_is_refused(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    acme.text += "\nretention: {messages: 0}\n"
    with pytest.raises(BadInput, match="must be at least 1"):
        await acme.apply()
