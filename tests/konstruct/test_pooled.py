"""What a pooler that lends connections by the transaction has to put up with, as Postgres sees it.

No package brings one that the tests could run. docs/deploying.md says with which it was tried by hand.
"""

import re
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.vault import Vault
from tests.architecture.test_readme import CHECKOUT
from tests.support.office import open_office

GUIDE = (CHECKOUT / "docs" / "deploying.md").read_text()
TRACKED = {"application_name", "client_encoding"}
"""Poolers know these by themselves, and set them anew for each client."""
LEFT_BEHIND = {
    # The driver sets `jit` while it looks types up, and then to what it was.
    "settings": "select count(*) from pg_settings where source = 'session' and setting <> reset_val",
    "a role": "select count(*) where current_user <> session_user",
    "locks": "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    "ears": "select count(*) from pg_listening_channels()",
    "cursors": "select count(*) from pg_cursors where is_holdable",
    "tables": "select count(*) where pg_my_temp_schema() <> 0",
}


@pytest.fixture
async def single(postgres: Postgres, owner_url: SecretStr) -> AsyncIterator[Database]:
    """With one connection, on which all that is done comes one after the other."""
    opened = Database(SecretStr(postgres.app_url), pool_size=1)
    yield opened
    await opened.close()


async def test_what_is_asked_for_at_connecting_is_what_the_guide_has_a_pooler_ignore(single: Database) -> None:
    async with single.system_session() as session:
        asked = set(await session.scalars(text("select name from pg_settings where source = 'client'")))
    ignored = re.search(r"^ignore_startup_parameters = (.+)$", GUIDE, re.MULTILINE)
    assert ignored is not None
    assert asked - TRACKED == set(re.split(r",\s*", ignored[1]))


async def test_a_transaction_leaves_nothing_on_its_connection_but_statements(single: Database, vault: Vault) -> None:
    office = await open_office(single, vault)
    for number in range(3):
        await office.say(f"message {number}", root=f"{number}.0")
    async with single._engine.connect() as connection:
        left = {what: (await connection.execute(text(asking))).scalar_one() for what, asking in LEFT_BEHIND.items()}
        statements = await connection.execute(text("select count(*) from pg_prepared_statements where not from_sql"))
        # By name, and so a pooler has to know them.
        assert statements.scalar_one() > 10
    assert left == dict.fromkeys(LEFT_BEHIND, 0)
