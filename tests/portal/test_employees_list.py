"""The list of employees while what it shows changes."""

import asyncio

import asyncpg
import httpx
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.vault import Vault
from tests.support.members import COOKIE, enrolled
from tests.support.office import open_office
from tests.support.processes import until

LIMIT = 30.0


async def test_a_channel_that_is_disconnected_while_the_list_is_read_is_not_shown(
    database: Database, vault: Vault, portal: httpx.AsyncClient, owner_url: SecretStr
) -> None:
    office = await open_office(database, vault)
    who = await enrolled(database, vault, "admin", office.tenant_id)
    portal.cookies.set(COOKIE, who.cookie)
    page = f"/t/{who.slug}/employees"
    assert "Serves no channel" not in (await portal.get(page)).text
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    try:
        async with administrator.transaction():
            # The list has read which connections there are by the time at which it wants to know of their channels.
            await administrator.execute("lock table employee_bindings")
            reading = asyncio.create_task(portal.get(page))

            async def is_in_the_midst() -> bool:
                waiting = "select exists (select from pg_locks where not granted and relation = $1::regclass)"
                return bool(await administrator.fetchval(waiting, "employee_bindings"))

            await until(is_in_the_midst, LIMIT)
            await administrator.execute(
                "update connections set status = 'disconnected' where id = $1", office.connection_id
            )
        shown = await reading
    finally:
        await administrator.close()
    assert (shown.status_code, "Serves no channel" in shown.text) == (200, True)
