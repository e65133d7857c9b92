"""The audit of the catalogue: nothing is found as migrated, and every deliberate mistake is."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from konstruct import db
from tests.tenancy.catalogue import findings
from tests.tenancy.mistakes import MISTAKES, SECURED, is_found


@pytest.fixture(scope="module")
async def bare(owner_url: SecretStr, administrator: Any) -> AsyncIterator[Any]:
    """A database of its own without any rows, which could stand in the way of a mistake."""
    await administrator.execute("create database konstruct_bare")
    url = make_url(owner_url.get_secret_value()).set(database="konstruct_bare").render_as_string(hide_password=False)
    await db.migrate(SecretStr(url))
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
    await administrator.execute("drop database konstruct_bare")


async def test_the_migrated_database_has_no_hole(administrator: Any) -> None:
    assert await findings(administrator) == []


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_found(bare: Any, mistake: str) -> None:
    assert await is_found(bare, mistake)


async def test_a_table_made_as_it_should_be_is_no_finding(bare: Any) -> None:
    transaction = bare.transaction()
    await transaction.start()
    try:
        await bare.execute(
            "create table notes (tenant_id uuid, id uuid, primary key (tenant_id, id));" + SECURED.format("notes")
        )
        assert await findings(bare) == []
    finally:
        await transaction.rollback()
