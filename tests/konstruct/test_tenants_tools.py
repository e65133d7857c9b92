"""Applying a manifest's tools, knowledge and approvals: told once, changed by name, secrets by no value."""

import pytest
from sqlmodel import select

from konstruct import approvals, manifest, tenants
from konstruct.db import Database
from konstruct.tables import KnowledgeSource, Tool
from konstruct.tools import defining
from konstruct.vault import Vault
from tests.konstruct.test_tenants import Acme

SECTIONS = """\
time_zone: Europe/Vienna
approvals: {connection: main-slack, channel: C024BE91L, deciders: [U024BE7LH], expires_after: 2 days}
tools:
  look:
    kind: http
    description: Looks.
    url: https://shop.example.com/orders
    auth: {kind: bearer}
    secret: ${KEY}
  crm:
    kind: mcp
    url: https://127.0.0.1/crm
    tools: {find: {risk: reads}}
knowledge:
  handbook: {kind: files, title: Handbook}
"""


class Shop(Acme):
    def __init__(self, database: Database, vault: Vault) -> None:
        super().__init__(database, vault)
        self.text += SECTIONS
        self.change("    system_prompt: Be brief.\n", "    system_prompt: Be brief.\n    tools: [look, crm/find]\n")

    async def equip(self, key: str = "first-canary") -> list[str]:
        """What is told of it, but for employees and connections, whose tests are elsewhere."""
        read = manifest.parse(self.text, "tenant.yaml", {"TOKEN": "xoxb-1", "KEY": key})
        changes = [str(change) for change in await tenants.apply(self.database, self.vault, read, "tester")]
        return [each for each in changes if each.split()[1] in ("tool", "knowledge", "tenant", "employee")]

    async def secret(self, key: str = "look") -> str | None:
        async with self.database.tenant_session(await self.id()) as session:
            opened = await defining.secrets(session, self.vault, await defining.called(session, key))
        return opened[defining.AUTH].get_secret_value() if opened else None


@pytest.fixture
def shop(database: Database, vault: Vault) -> Shop:
    return Shop(database, vault)


async def test_all_that_the_file_names_is_made_and_the_second_time_nothing_changes(shop: Shop) -> None:
    assert await shop.equip() == [
        f"+ tenant {shop.slug}",
        "+ employee ada: version 1",
        "+ employee bert: version 1",
        "+ tool look: http",
        "+ tool crm: mcp",
        "+ knowledge handbook: files",
    ]
    assert await shop.secret() == "first-canary"
    async with shop.database.tenant_session(await shop.id()) as session:
        chosen = await approvals.settings(session)
        rows = {row.key: row for row in await session.scalars(select(Tool))}
        [source] = await session.scalars(select(KnowledgeSource))
    assert (chosen.connection_key, chosen.channel, chosen.deciders) == ("main-slack", "C024BE91L", ("U024BE7LH",))
    assert (chosen.expires_after.days, source.key, source.title) == (2, "handbook", "Handbook")
    assert rows["look"].definition["risk"] == "reads"
    assert rows["crm"].definition["tools"] == {"find": {"risk": "reads"}}
    [ada] = await shop.versions("ada")
    assert ada.tools == [{"name": "look"}, {"name": "crm/find"}]

    before = len(await shop.audit())
    assert await shop.equip() == []
    assert len(await shop.audit()) == before


async def test_a_changed_secret_is_told_as_replaced_and_by_no_value(shop: Shop) -> None:
    await shop.equip()
    told = await shop.equip("second-canary")
    assert told == ["~ tool look: secret replaced"]
    assert await shop.secret() == "second-canary"
    [event] = [event for event in await shop.audit() if event.action == "tool.changed"]
    assert (event.actor, event.detail["fields"]) == ("tester", ["secret replaced"])
    assert "canary" not in str([event.detail for event in await shop.audit()])


async def test_a_change_is_told_by_the_names_of_what_changed(shop: Shop) -> None:
    await shop.equip()
    shop.change("shop.example.com/orders", "shop.example.com/v2/orders")
    shop.change("{find: {risk: reads}}", "{find: {risk: changes}}")
    shop.change("title: Handbook", "title: Staff handbook")
    shop.change("Europe/Vienna", "Europe/Berlin")
    shop.change("2 days", "1 day")
    assert await shop.equip() == [
        f"~ tenant {shop.slug}: time_zone, approvals",
        "~ tool look: request",
        "~ tool crm: tools",
        "~ knowledge handbook: title",
    ]
    # What a tool is called stays, so no employee is published anew.
    assert len(await shop.versions("ada")) == 1


async def test_an_employee_with_other_tools_is_a_new_version(shop: Shop) -> None:
    await shop.equip()
    shop.change("tools: [look, crm/find]", "tools: [{name: look, approval: always}]\n    knowledge: [handbook]")
    assert await shop.equip() == ["~ employee ada: version 2 (tools, knowledge)"]


async def test_what_the_file_leaves_out_is_left_and_named(shop: Shop) -> None:
    await shop.equip()
    shop.change(SECTIONS, "")
    shop.change("    tools: [look, crm/find]\n", "")
    assert await shop.equip() == [
        f"~ tenant {shop.slug}: time_zone, approvals",
        "~ employee ada: version 2 (tools)",
        "= tool crm: not in the file, left as it is",
        "= tool look: not in the file, left as it is",
        "= knowledge handbook: not in the file, left as it is",
    ]
    assert await shop.secret() == "first-canary"
