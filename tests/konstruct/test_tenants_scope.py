"""What a connection is for, applied from a manifest."""

from konstruct import connections
from konstruct.db import Database
from konstruct.identity import ConnectionId
from konstruct.vault import Vault
from tests.konstruct.test_tenants import Acme


async def test_what_a_connection_is_for_is_kept_and_changed(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    await acme.apply()
    assert (await acme.connection()).functions == []

    acme.change("    channels: {C1: bert}", "    channels: {C1: bert}\n    functions: [repairs, orders]")
    assert await acme.apply() == ["~ connection main-slack: functions"]
    assert await acme.apply() == []
    connection = await acme.connection()
    assert connection.functions == ["repairs", "orders"]
    async with acme.database.tenant_session(await acme.id()) as session:
        account = await connections.open_account(session, acme.vault, ConnectionId(connection.id))
    assert account.functions == ("repairs", "orders")

    acme.change("\n    functions: [repairs, orders]", "")
    assert await acme.apply() == ["~ connection main-slack: functions"]
    assert (await acme.connection()).functions == []
