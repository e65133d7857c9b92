"""WhatsApp numbers in a manifest."""

import secrets

import pytest
from sqlmodel import select

from konstruct import connections, manifest, tenants
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict
from konstruct.identity import ConnectionId
from konstruct.tables import Connection
from konstruct.vault import Vault

SECRETS = {"TOKEN": "EAA-canary", "APP": "app-canary"}


class Shop:
    def __init__(self, database: Database, vault: Vault) -> None:
        self.database, self.vault = database, vault
        self.slug, self.number = f"shop-{secrets.token_hex(6)}", str(secrets.randbelow(10**15) + 10**15)
        self.connection = f"""\
    kind: whatsapp
    phone_number_id: "{self.number}"
    waba_id: "419561257915477"
    access_token: ${{TOKEN}}
    functions: [orders and repairs of bicycles]
    employee: ada
"""

    async def apply(self, more: str = "", **environ: str) -> list[str]:
        text = f"""\
tenant: {self.slug}
name: Shop
employees: {{ada: {{name: Ada, role: Front desk, system_prompt: Be brief.}}}}
connections:
  main:
{self.connection}{more}"""
        read = manifest.parse(text, "tenant.yaml", SECRETS | environ)
        return [str(change) for change in await tenants.apply(self.database, self.vault, read)]

    async def account(self) -> tuple[dict[str, str], dict[str, str]]:
        found = await connections.find(self.database, "whatsapp", self.number)
        assert found
        async with self.database.tenant_session(found.tenant_id) as session:
            row = (await session.scalars(select(Connection))).one()
            account = await connections.open_account(session, self.vault, ConnectionId(row.id))
        external = {name: value for name, value in account.external.items() if value is not None}
        return external, {name: secret.get_secret_value() for name, secret in account.secrets.items()}


@pytest.fixture
def shop(database: Database, vault: Vault) -> Shop:
    return Shop(database, vault)


async def test_a_number_is_connected_and_applied_again_nothing_is_written(shop: Shop) -> None:
    assert any("connection" in change and "whatsapp" in change for change in await shop.apply())
    external, kept = await shop.account()

    assert external == {"phone_number_id": shop.number, "waba_id": "419561257915477"}
    assert kept == {"access_token": "EAA-canary"}
    assert await shop.apply() == []


async def test_template_and_secret_of_an_own_app_come_and_go_with_the_file(shop: Shop) -> None:
    more = """\
    app_secret: ${APP}
    display_phone_number: "+1 555 078 3881"
    reengage_template: {name: we_have_an_answer, language: en}
"""
    await shop.apply(more)
    external, kept = await shop.account()
    assert external["reengage_template"] == "we_have_an_answer"
    assert external["reengage_language"] == "en"
    assert kept == {"access_token": "EAA-canary", "app_secret": "app-canary"}

    assert len(await shop.apply()) == 1
    external, kept = await shop.account()
    assert "reengage_template" not in external
    assert kept == {"access_token": "EAA-canary"}


async def test_one_number_never_serves_two_tenants(shop: Shop, database: Database, vault: Vault) -> None:
    await shop.apply()
    other = Shop(database, vault)
    other.connection = shop.connection

    with pytest.raises(Conflict, match="already connected elsewhere"):
        await other.apply()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('waba_id: "419561257915477"', "waba_id: 419561257915477", "must be text"),
        ('waba_id: "419561257915477"', "waba_id: mine", "must be the digits"),
        ("    access_token: ${TOKEN}\n", "", r"access_token: is missing"),
        ("    functions: [orders and repairs of bicycles]\n", "", r"functions: is missing"),
        ("[orders and repairs of bicycles]", "[]", r"functions: needs at least one"),
        ("access_token: ${TOKEN}", "access_token: ${NOBODY}", "environment variable NOBODY is not set"),
        ("kind: whatsapp", "kind: whatsap", "must be one of slack, whatsapp, console"),
        ("employee: ada", "employee: ada\n    channels: {}", "unknown field"),
        ("employee: ada", "employee: ada\n    reengage_template: {name: Hi there, language: en}", "template's name"),
        ("employee: ada", "employee: ada\n    reengage_template: {name: hi, lang: en}", "unknown field"),
    ],
)
async def test_what_is_wrong_is_told_with_its_line(shop: Shop, old: str, new: str, says: str) -> None:
    assert old in shop.connection
    shop.connection = shop.connection.replace(old, new)

    with pytest.raises(BadInput, match=says):
        await shop.apply()
