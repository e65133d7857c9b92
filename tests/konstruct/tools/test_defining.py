"""Tools that a tenant defines, and servers: made, altered and removed on record, and what servers offer taken in."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.source_ports import McpTool
from konstruct.tables import Tool
from konstruct.tools import defining
from konstruct.tools.defining import AUTH, Definition
from tests.support.office import Office
from tests.support.workshop import at_server, define, offered, over_http, tool_row

SHOP = "https://shop.example.com/orders"
CRM = "https://127.0.0.1/crm"


async def put(office: Office, key: str, definition: Definition) -> list[str] | None:
    async with office.session() as session:
        _, fields = await defining.put(session, office.vault, office.tenant_id, key, definition, "test")
    return fields


async def secret(office: Office, key: str) -> str | None:
    async with office.session() as session:
        tool = await defining.called(session, key)
        opened = await defining.secrets(session, office.vault, tool)
    return opened[AUTH].get_secret_value() if opened else None


async def take_in(office: Office, key: str, *tools: McpTool, url: str | None = None) -> list[str]:
    async with office.session() as session:
        tool = await defining.called(session, key)
    async with office.session() as session:
        return await defining.keep_listing(session, tool.id, tools, url=url)


async def states(office: Office, key: str) -> dict[str, str]:
    return {name: entry["state"] for name, entry in (await tool_row(office, key)).listing.items()}


async def test_a_tool_is_made_once_and_altered_by_name(office: Office) -> None:
    assert await put(office, "look", over_http(SHOP)) is None
    assert await put(office, "look", over_http(SHOP)) == []
    assert await put(office, "look", over_http(SHOP, risk="changes")) == ["risk"]
    assert await put(office, "look", over_http(SHOP, "POST", "changes")) == ["description", "request"]
    assert [event.detail["fields"] for event in await office.events("tool.changed")] == [
        ["risk"],
        ["description", "request"],
    ]
    [created] = await office.events("tool.created")
    assert (created.actor, created.detail["key"]) == ("test", "look")


async def test_a_secret_is_sealed_and_its_changes_are_told_without_it(office: Office) -> None:
    server = at_server(CRM)
    assert await put(office, "crm", server) is None
    assert await secret(office, "crm") == "token-of-acme"
    assert await put(office, "crm", server) == []
    assert await put(office, "crm", Definition("mcp", server.content, SecretStr("other-canary"))) == ["secret replaced"]
    assert await secret(office, "crm") == "other-canary"
    assert await put(office, "crm", Definition("mcp", server.content)) == ["secret"]
    assert await secret(office, "crm") is None
    assert await put(office, "crm", server) == ["secret"]
    row = await tool_row(office, "crm")
    assert "token-of-acme" not in f"{row.definition}{row.sealed_secrets}"
    events = [event.detail for event in await office.events("tool.changed")]
    assert "canary" not in str(events)


async def test_a_server_at_another_address_has_offered_nothing_yet(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    await take_in(office, "crm", offered("find"))
    await put(office, "crm", at_server(CRM, find={"risk": "reads"}))
    assert await states(office, "crm") == {"find": "accepted"}
    await put(office, "crm", at_server("https://127.0.0.1/evil"))
    assert await states(office, "crm") == {}
    assert (await tool_row(office, "crm")).listed_at is None


async def test_what_the_server_before_said_is_not_taken_for_the_new_ones(office: Office) -> None:
    """It was asked, and answered after the operator had named another one."""
    await put(office, "crm", at_server("https://127.0.0.1/new"))
    assert await take_in(office, "crm", offered("find"), url=CRM) == []
    assert await states(office, "crm") == {}
    await take_in(office, "crm", offered("find"), url="https://127.0.0.1/new")
    assert await states(office, "crm") == {"find": "accepted"}


async def test_a_tool_becomes_one_of_another_kind(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    await take_in(office, "crm", offered("find"))
    assert set(await put(office, "crm", over_http(SHOP)) or ()) == {
        "description",
        "risk",
        "request",
        "url",
        "tools",
        "secret",
    }
    row = await tool_row(office, "crm")
    assert (row.kind, row.listing) == ("http", {})


async def test_what_was_removed_is_made_again_and_asked_at_once(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    async with office.session() as session:
        await defining.note_looked(session, (await defining.called(session, "crm")).id)
        await defining.remove(session, "crm", "test")
    async with office.session() as session:
        with pytest.raises(NotFound, match="There is no tool 'crm'"):
            await defining.called(session, "crm")
        with pytest.raises(NotFound):
            await defining.remove(session, "crm", "test")
    assert (await tool_row(office, "crm")).sealed_secrets is None
    assert await put(office, "crm", at_server(CRM)) == ["made again", "secret"]
    row = await tool_row(office, "crm")
    assert (row.status, row.looked_at) == ("active", None)
    assert [event.action for event in await office.events("tool.removed")] == ["tool.removed"]


async def test_a_refused_server_is_tried_again_when_something_was_changed(office: Office) -> None:
    server = at_server(CRM)
    tool_id = await define(office, "crm", server)
    async with office.session() as session:
        await defining.mark(session, tool_id, "refused", "It does not let us in.")
        await defining.note_looked(session, tool_id)
    assert await put(office, "crm", server) == []
    assert (await tool_row(office, "crm")).status == "refused"
    await define(office, "crm", server, secret="token-two")
    row = await tool_row(office, "crm")
    assert (row.status, row.status_reason, row.looked_at) == ("active", None, None)


async def test_how_a_server_answers_is_on_record_when_it_changes(office: Office) -> None:
    tool_id = await define(office, "crm", at_server(CRM))
    async with office.session() as session:
        await defining.mark(session, tool_id, "active", None)
        await defining.mark(session, tool_id, "down", "It is away.")
        await defining.mark(session, tool_id, "down", "It is still away.")
    row = await tool_row(office, "crm")
    assert (row.status, row.status_reason) == ("down", "It is away.")
    async with office.session() as session:
        await defining.remove(session, "crm", "test")
    async with office.session() as session:
        await defining.mark(session, tool_id, "active", None)
    assert (await tool_row(office, "crm")).status == "removed"
    assert len(await office.events("tool.down")) == 1
    assert await office.events("tool.active") == []


async def test_what_a_server_offers_is_taken_in_and_a_change_put_aside(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    assert await take_in(office, "crm", offered("find", "Finds."), offered("pay")) == []
    assert await states(office, "crm") == {"find": "accepted", "pay": "accepted"}
    assert await take_in(office, "crm", offered("find", "Finds!", "2"), offered("new")) == ["find"]
    assert await states(office, "crm") == {"find": "changed", "pay": "gone", "new": "accepted"}
    assert (await tool_row(office, "crm")).listing["find"]["description"] == "Finds."
    # Told once.
    assert await take_in(office, "crm", offered("find", "Finds!", "2"), offered("new")) == []
    # What goes back to what was accepted is good again, and keeps nothing of the change.
    await take_in(office, "crm", offered("find", "Finds."), offered("pay"), offered("new"))
    assert await states(office, "crm") == {"find": "accepted", "pay": "accepted", "new": "accepted"}
    assert "offered" not in (await tool_row(office, "crm")).listing["find"]
    events = await office.events("tool.listed")
    assert [(event.detail["tools"], event.detail["changed"]) for event in events] == [(2, []), (2, ["find"]), (3, [])]


async def test_what_comes_back_as_another_is_a_change(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    await take_in(office, "crm", offered("pay"))
    await take_in(office, "crm")
    assert await take_in(office, "crm", offered("pay", digest="2")) == ["pay"]


async def test_an_operator_accepts_what_is_offered_now(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    await take_in(office, "crm", offered("find", "Finds."))
    async with office.session() as session:
        for key, name in (("crm", "find"), ("crm", "none"), ("other", "find")):
            with pytest.raises(NotFound):
                await defining.accept(session, key, name, "find-1", "test")
    await take_in(office, "crm", offered("find", "Finds!", "2"))
    async with office.session() as session:
        with pytest.raises(Conflict):
            await defining.accept(session, "crm", "find", "find-1", "ops")
        await defining.accept(session, "crm", "find", "find-2", "ops")
    entry = (await tool_row(office, "crm")).listing["find"]
    assert (entry["state"], entry["description"], entry["digest"]) == ("accepted", "Finds!", "find-2")
    assert await take_in(office, "crm", offered("find", "Finds!", "2")) == []
    [event] = await office.events("tool.accepted")
    assert (event.actor, event.detail["name"], event.detail["digest"]) == ("ops", "find", "find-2")


async def test_patterns_of_a_server_are_not_kept(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    parameters = {"type": "object", "properties": {"q": {"type": "string", "pattern": "(a+)+$"}}}
    await take_in(office, "crm", offered("find", parameters=parameters, result_schema=parameters))
    entry = (await tool_row(office, "crm")).listing["find"]
    assert entry["parameters"] == entry["result_schema"] == {"type": "object", "properties": {"q": {"type": "string"}}}


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        (None, {"Authorization": "Bearer s3cret"}),
        ({"kind": "bearer"}, {"Authorization": "Bearer s3cret"}),
        ({"kind": "header", "name": "X-Key"}, {"X-Key": "s3cret"}),
    ],
)
def test_a_servers_secret_goes_where_its_operator_said(auth: dict[str, str] | None, headers: dict[str, str]) -> None:
    tool = Tool(tenant_id=new_id(), key="crm", kind="mcp", definition={"url": CRM, **({"auth": auth} if auth else {})})
    server = defining.server(tool, {AUTH: SecretStr("s3cret")})
    assert (server.url, dict(server.headers)) == (CRM, headers)
    assert dict(defining.server(tool, {}).headers) == {}
    assert "s3cret" not in repr(server)


async def test_servers_are_asked_soon_and_those_that_are_away_sooner(office: Office, database: Database) -> None:
    await define(office, "look", over_http(SHOP))
    ids = {key: await define(office, key, at_server(CRM)) for key in ("new", "fresh", "away", "gone")}
    async with office.session() as session:
        await defining.remove(session, "gone", "test")
        for key in ("fresh", "away"):
            await defining.note_looked(session, ids[key])
        await defining.mark(session, ids["away"], "down", "It is away.")

    async def due() -> set[str]:
        found = {
            tool_id
            for tenant, tool_id in await defining.servers_to_look_at(database, 10_000)
            if tenant == office.tenant_id
        }
        return {key for key, tool_id in ids.items() if tool_id in found}

    async def let_pass(**time: int) -> None:
        async with office.session() as session:
            for key in ("fresh", "away"):
                row = await defining.get(session, ids[key])
                assert row.looked_at
                row.looked_at -= timedelta(**time)

    assert await due() == {"new"}
    await let_pass(seconds=70)
    assert await due() == {"new", "away"}
    await let_pass(minutes=10)
    assert await due() == {"new", "away", "fresh"}
    assert len(await defining.servers_to_look_at(database, 1)) == 1


async def test_a_tool_whose_schema_is_none_is_shown_to_no_model(office: Office) -> None:
    await put(office, "crm", at_server(CRM))
    await take_in(office, "crm", offered("find"), offered("odd", parameters={"type": "object", "required": 5}))
    assert list((await tool_row(office, "crm")).listing) == ["find"]
