"""What somebody is in the middle of proving is found by their browser's token alone, for minutes, and taken once."""

import asyncio

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.accounts import ceremonies
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.vault import Vault


async def begun(database: Database, vault: Vault) -> str:
    return (await ceremonies.begin(database, vault, "passkey", {"challenge": "canary"})).get_secret_value()


async def test_it_is_looked_at_until_it_is_taken(database: Database, vault: Vault) -> None:
    token = await begun(database, vault)
    assert await ceremonies.look(database, vault, "passkey", token) == {"challenge": "canary"}
    assert await ceremonies.look(database, vault, "factor", token) is None
    assert await ceremonies.take(database, vault, "passkey", token) == {"challenge": "canary"}
    assert await ceremonies.take(database, vault, "passkey", token) is None


async def test_of_those_who_come_at_once_one_gets_it(database: Database, vault: Vault) -> None:
    token = await begun(database, vault)
    taken = await asyncio.gather(*(ceremonies.take(database, vault, "passkey", token) for _ in range(5)))
    assert sorted(each is not None for each in taken) == [False, False, False, False, True]


async def test_it_is_over_after_a_while_and_swept_away(database: Database, vault: Vault, owner_url: SecretStr) -> None:
    token = await begun(database, vault)
    owner = await asyncpg.connect(owner_url.get_secret_value())
    try:
        await owner.execute("update ceremonies set expires_at = now() - interval '1 second'")
        assert await ceremonies.take(database, vault, "passkey", token) is None
        await begun(database, vault)
        assert await owner.fetchval("select count(*) from ceremonies where expires_at < now()") == 0
        assert "canary" not in str(await owner.fetch("select * from ceremonies"))
    finally:
        await owner.close()


async def test_nobody_reads_them_otherwise(database: Database, vault: Vault) -> None:
    await begun(database, vault)
    with pytest.raises((KonstructError, Exception), match="permission denied"):
        async with database.system_session() as session:
            await session.execute(text("select * from ceremonies"))


@pytest.mark.parametrize("token", ["", "ünïcode", "\0", "x" * 10_000])
async def test_what_is_no_token_finds_nothing(database: Database, vault: Vault, token: str) -> None:
    assert await ceremonies.take(database, vault, "passkey", token) is None
