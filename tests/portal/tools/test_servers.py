"""Servers that offer tools, and all tools together."""

import httpx
from temporalio.testing import ActivityEnvironment

from activities.tool_servers import ToolServers
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.web import open_client
from konstruct.contracts.upkeep import ServerToLookAt
from konstruct.db import Database
from konstruct.tools import defining
from konstruct.vault import Vault
from tests.portal.tools import TOKEN, at, errors, trail
from tests.support.mcp_server import McpDouble
from tests.support.members import Enrolled
from tests.support.office import Office, open_office
from tests.support.workshop import define, offered, over_http, publish, tool_row


class TestServers:
    async def test_one_is_connected_looked_at_and_what_it_changes_is_accepted(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, vault: Vault, server: McpDouble
    ) -> None:
        form = {"key": "crm", "url": server.url, "auth": "bearer", "secret": "wrong-token-canary-1"}
        answer = await visitor.post(at(owner, "/new/server"), data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, at(owner, "/crm"))
        page = (await visitor.get(at(owner, "/crm"))).text
        assert "It is asked what it offers" in page
        assert 'hx-trigger="every 2s"' in page
        await _look(office, vault, server)
        page = (await visitor.get(at(owner, "/crm"))).text
        assert "The server does not let us in" in page
        assert "canary" not in page
        right = {"url": server.url, "auth": "bearer", "secret": TOKEN}
        assert (await visitor.post(at(owner, "/crm/server"), data=right)).status_code == 303
        await _look(office, vault, server)
        page = (await visitor.get(at(owner, "/crm"))).text
        assert "Connected" in page
        assert 'name="risk:add"' in page

        tool = await tool_row(office, "crm")
        async with office.session() as session:
            await defining.keep_listing(session, tool.id, [offered("add", "Sends <b>all</b> to me.", "2")])
        page = (await visitor.get(at(owner, "/crm"))).text
        assert "Sends &lt;b&gt;all&lt;/b&gt; to me." in page
        stale = await visitor.post(at(owner, "/crm/accept"), data={"name": "add", "digest": "1"})
        assert stale.status_code == 409
        taken = await visitor.post(at(owner, "/crm/accept"), data={"name": "add", "digest": "add-2"})
        assert taken.status_code == 303
        assert (await tool_row(office, "crm")).listing["add"]["state"] == "accepted"
        assert "wrong-token" not in await trail(office)

    async def test_what_its_tools_may_do_is_judged_and_its_token_stays(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, vault: Vault, server: McpDouble
    ) -> None:
        form = {"key": "crm", "url": server.url, "auth": "bearer", "secret": TOKEN}
        await visitor.post(at(owner, "/new/server"), data=form)
        await _look(office, vault, server)
        risks = {"risk:add": "reads", "risk:echo": "sends"}
        assert (await visitor.post(at(owner, "/crm/risks"), data=risks)).status_code == 303
        row = await tool_row(office, "crm")
        assert row.definition["tools"] == {"add": {"risk": "reads"}}
        async with office.session() as session:
            kept = await defining.secrets(session, vault, row)
        assert kept["auth"].get_secret_value() == TOKEN
        for wrong in ({"risk:add": "nothing"}, {"risk:unknown": "reads"}):
            assert (await visitor.post(at(owner, "/crm/risks"), data=wrong)).status_code == 422
        # Who changes the address keeps what was judged, and has to give the token again.
        elsewhere = {"url": "https://other.example/mcp", "auth": "bearer", "secret": ""}
        answer = await visitor.post(at(owner, "/crm/server"), data=elsewhere)
        assert "Enter it again" in errors(answer)["secret"]

    async def test_it_is_asked_again_at_once(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, vault: Vault, server: McpDouble
    ) -> None:
        form = {"key": "crm", "url": server.url, "auth": "bearer", "secret": TOKEN}
        await visitor.post(at(owner, "/new/server"), data=form)
        await _look(office, vault, server)
        assert (await visitor.post(at(owner, "/crm/check"))).status_code == 303
        assert (await tool_row(office, "crm")).looked_at is None
        await define(office, "order-status", over_http("https://shop.example/o"))
        assert (await visitor.post(at(owner, "/order-status/check"))).status_code == 422


class TestAll:
    async def test_own_and_built_in_ones_are_listed_with_their_risks_and_who_has_them(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        empty = (await visitor.get(at(owner))).text
        assert "No tools of your own yet" in empty
        assert "search_knowledge" in empty
        await define(office, "order-status", over_http("https://shop.example/o"))
        server = await define(office, "crm", over_http("https://shop.example/o"))
        async with office.session() as session:
            await defining.mark(session, server, "down", "shop.example does not answer.")
        await publish(office, "order-status", "current_time")
        page = (await visitor.get(at(owner))).text
        assert "no employee has it" in page
        assert "Does not answer" in page
        assert "No employee has it" in page
        home = (await visitor.get(f"/t/{owner.slug}/home")).text
        assert f'href="{at(owner, "/crm")}"' in home
        found = (await visitor.get(f"/t/{owner.slug}/search?q=order-st")).text
        assert at(owner, "/order-status") in found

    async def test_another_tenants_tools_are_not_there(
        self, visitor: httpx.AsyncClient, owner: Enrolled, database: Database, vault: Vault
    ) -> None:
        theirs = await open_office(database, vault)
        await define(theirs, "crm", over_http("https://shop.example/o"))
        assert "crm" not in (await visitor.get(at(owner))).text
        for path in ("/crm", "/crm/edit", "/crm/server"):
            assert (await visitor.get(at(owner, path))).status_code == 404


async def _look(office: Office, vault: Vault, server: McpDouble) -> None:
    """As the worker does, which alone speaks with such servers."""
    looking = ToolServers(office.database, vault, HttpMcp(lambda: open_client([f"127.0.0.1:{server.port}"])))
    tool = await tool_row(office, "crm")
    await ActivityEnvironment().run(looking.look_at_server, ServerToLookAt(office.tenant_id, tool.id))
