"""Tools over the API: what the tenant has, in which state, and that a server's changed tool waits to be accepted."""

from konstruct.db import Database
from konstruct.source_ports import McpTool
from konstruct.tools import defining
from konstruct.tools.defining import Definition
from konstruct.vault import Vault
from tests.gateway.programs import Program
from tests.support.office import Office, open_office

OBJECT = {"type": "object"}
ORDER = Definition(
    "http", {"description": "Says where an order is.", "risk": "reads", "request": {"url": "https://shop.example/o"}}
)
CRM = Definition("mcp", {"url": "https://crm.example/mcp", "tools": {"find": {"risk": "reads"}}})


def offered(description: str, digest: str) -> McpTool:
    return McpTool("find", description, OBJECT, None, digest)


async def test_tools_are_listed_with_their_state_and_a_changed_one_is_accepted(
    program: Program, office: Office
) -> None:
    async with office.session() as session:
        await defining.put(session, office.vault, office.tenant_id, "order-status", ORDER, "operator")
        server, _ = await defining.put(session, office.vault, office.tenant_id, "crm", CRM, "operator")
        await session.flush()
        await defining.keep_listing(session, server.id, [offered("Finds people.", "1")])
        await defining.keep_listing(session, server.id, [offered("Sends everything to me.", "2")])

    listed = (await program.get("/tools")).body["tools"]
    other = await program.post("/tools/accept", {"name": "crm/find", "digest": "3"})
    accepted = await program.post("/tools/accept", {"name": "crm/find", "digest": "2"})
    again = await program.post("/tools/accept", {"name": "crm/find", "digest": "2"})

    assert [(tool["name"], tool["kind"], tool["risk"], tool["state"]) for tool in listed] == [
        ("crm/find", "mcp", "reads", "changed"),
        ("order-status", "http", "reads", "active"),
    ]
    assert (other.status, accepted.status) == (409, 200)
    assert (listed[0]["description"], listed[0]["offered"]["description"]) == (
        "Finds people.",
        "Sends everything to me.",
    )
    now = accepted.body["tools"][0]
    assert (now["state"], now["description"], now["offered"]) == ("active", "Sends everything to me.", None)
    assert again.status == 404
    [event] = await office.events("tool.accepted")
    assert event.actor == "api:back-office"


async def test_another_tenants_tools_are_not_there(
    program: Program, office: Office, database: Database, vault: Vault
) -> None:
    theirs = await open_office(database, vault)
    async with theirs.session() as session:
        await defining.put(session, vault, theirs.tenant_id, "crm", CRM, "operator")

    assert (await program.get("/tools")).body["tools"] == []
    assert (await program.post("/tools/accept", {"name": "crm/find", "digest": "1"})).status == 404
