"""Calls of what servers offer, and what their operator sees of how they answer."""

import pytest
from mcp_types import Tool as McpTool
from temporalio.testing import ActivityEnvironment

from activities.tool_servers import ToolServers
from activities.tool_use import DONE_BUT, NOT_REACHED, NOT_TAKEN_IN, ToolUse
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.web import open_client
from konstruct.db import Database
from konstruct.errors import WebUnreachable
from konstruct.tools import defining
from konstruct.tools.calls import UNKNOWN
from konstruct.vault import Vault
from tests.activities.tools import attempt, call, use
from tests.support.mcp_server import NO_ARGUMENTS, McpDouble
from tests.support.odd_shop import OddShop
from tests.support.office import Office
from tests.support.workshop import Job, at_server, call_states, define, job, offered, publish, tool_row


def settings(risk: str = "changes", **more: object) -> dict[str, object]:
    return {"risk": risk, **more}


@pytest.fixture
def looking(database: Database, vault: Vault, server: McpDouble) -> ToolServers:
    return ToolServers(database, vault, HttpMcp(lambda: open_client([f"127.0.0.1:{server.port}"])))


async def look(looking: ToolServers, office: Office, *keys: str) -> None:
    """Until these were asked: one run asks only so many, and other tests left some."""
    while not all([(await tool_row(office, key)).looked_at for key in keys]):
        await attempt().run(looking.look_at_servers)


async def has(office: Office, server: McpDouble, looking: ToolServers, name: str, risk: str, **more: object) -> None:
    await define(office, "crm", at_server(server.url, **{name: settings(risk, **more)}))
    await look(looking, office, "crm")
    await publish(office, {"name": f"crm/{name}", "approval": "never"})


@pytest.fixture
async def turn(office: Office) -> Job:
    return await job(office)


async def test_a_servers_tool_is_called_by_its_own_name(
    office: Office, turn: Job, server: McpDouble, looking: ToolServers, tool_use: ToolUse
) -> None:
    await has(office, server, looking, "add", "reads")
    row, told = await use(tool_use, turn, "crm__add", '{"a": 1, "b": 2}')
    assert (row.state, row.is_untrusted, told) == ("done", True, '{\n "sum": 3\n}')
    await has(office, server, looking, "count", "changes")
    row, told = await use(tool_use, turn, "crm__count")
    assert (row.state, told, server.acts) == ("done", "1", [str(row.id)])


async def test_what_the_tool_says_of_its_failure_is_a_strangers_word(
    office: Office, turn: Job, server: McpDouble, looking: ToolServers, tool_use: ToolUse
) -> None:
    await has(office, server, looking, "fail", "changes")
    row, told = await use(tool_use, turn, "crm__fail")
    assert (row.state, row.is_untrusted, told) == ("failed", True, "The stock is empty.")


@pytest.mark.parametrize(("risk", "state"), [("changes", "done"), ("reads", "failed")])
async def test_what_is_not_what_was_promised_is_told(
    office: Office, turn: Job, server: McpDouble, looking: ToolServers, tool_use: ToolUse, risk: str, state: str
) -> None:
    schema = {"type": "object", "properties": {"headers": {"type": "string"}}, "required": ["headers"]}
    echo = McpTool(name="echo", description="Does echo.", input_schema=NO_ARGUMENTS, output_schema=schema)
    await define(office, "crm", at_server(server.url, echo=settings(risk)))
    async with office.session() as session:
        tool = await defining.called(session, "crm")
        listed = offered("echo", result_schema=echo.output_schema)
        await defining.keep_listing(session, tool.id, [listed])
    await publish(office, {"name": "crm/echo", "approval": "never"})
    row, told = await use(tool_use, turn, "crm__echo")
    assert row.state == state
    assert told.startswith(DONE_BUT if state == "done" else "What the tool answered is not what it says it answers")
    assert "at $.headers: " in told


@pytest.mark.parametrize(
    ("risk", "state", "told"), [("changes", "unknown", UNKNOWN), ("reads", "failed", NOT_TAKEN_IN)]
)
async def test_an_answer_that_is_too_long_is_no_refusal(
    office: Office,
    turn: Job,
    server: McpDouble,
    looking: ToolServers,
    tool_use: ToolUse,
    risk: str,
    state: str,
    told: str,
) -> None:
    await has(office, server, looking, "huge", risk)
    row, heard = await use(tool_use, turn, "crm__huge", '{"bytes": 2500000}')
    assert (row.state, heard) == (state, told)
    # Its other tools are as good as before.
    assert (await tool_row(office, "crm")).status == "active"


async def test_a_server_that_lets_us_in_no_more_is_shown_to_its_operator(
    office: Office, turn: Job, server: McpDouble, looking: ToolServers, tool_use: ToolUse
) -> None:
    await has(office, server, looking, "count", "changes")
    server.tokens.clear()
    row, told = await use(tool_use, turn, "crm__count")
    assert (row.state, told) == ("failed", NOT_REACHED)
    # One call that is refused says nothing of the others; it is asked once more whether we are let in.
    assert (await tool_row(office, "crm")).status == "active"
    async with office.session() as session:
        (await defining.called(session, "crm")).looked_at = None
    await ActivityEnvironment().run(looking.look_at_servers)
    crm = await tool_row(office, "crm")
    assert crm.status == "refused"
    assert "refuses the credentials" in (crm.status_reason or "")
    assert "token-of-acme" not in (crm.status_reason or "")


async def test_a_server_that_is_away_is_marked_and_is_back_with_its_first_answer(
    office: Office, turn: Job, looking: ToolServers, tool_use: ToolUse, server: McpDouble
) -> None:
    await has(office, server, looking, "count", "changes")
    async with office.session() as session:
        await defining.mark(session, (await defining.called(session, "crm")).id, "down", "It is away.")
    assert (await tool_row(office, "crm")).status == "down"
    row, _ = await use(tool_use, turn, "crm__count")
    crm = await tool_row(office, "crm")
    assert (row.state, crm.status, crm.status_reason) == ("done", "active", None)


async def test_a_server_that_cannot_be_reached_is_marked_and_the_call_put_back(
    office: Office, turn: Job, closed_shop: OddShop, tool_use: ToolUse
) -> None:
    tool_id = await define(office, "crm", at_server(f"{closed_shop.url}/mcp", find={"risk": "changes"}))
    async with office.session() as session:
        await defining.keep_listing(session, tool_id, [offered("find")])
    await publish(office, {"name": "crm/find", "approval": "never"})
    [ready] = (await turn.step("crm__find")).calls
    with pytest.raises(WebUnreachable):
        await call(tool_use, office, ready.call_id)
    assert await call_states(office) == ["ready"]
    # It stays the employee's, and fails with a sentence as long as it is away.
    assert (await tool_row(office, "crm")).status == "down"
    assert (await call(tool_use, office, ready.call_id, number=3)).state == "failed"
    assert await turn.told() == [NOT_REACHED]


async def test_servers_are_asked_what_they_offer_and_one_does_not_hold_up_the_others(
    office: Office, server: McpDouble, looking: ToolServers
) -> None:
    await define(office, "crm", at_server(server.url))
    await define(office, "away", at_server("https://127.0.0.1:1/mcp"))
    await define(office, "other", at_server(server.url), secret="token-of-nobody")
    await define(office, "locked", at_server(server.url))
    async with office.session() as session:
        locked = await defining.called(session, "locked")
        locked.sealed_secrets = (await defining.called(session, "crm")).sealed_secrets
    await look(looking, office, "crm", "away", "other", "locked")
    rows = {key: await tool_row(office, key) for key in ("crm", "away", "other", "locked")}
    assert {key: row.status for key, row in rows.items()} == {
        "crm": "active",
        "away": "refused",
        "other": "refused",
        # Its secret does not open: that is no word of the server's.
        "locked": "active",
    }
    assert {"add", "moody"} < set(rows["crm"].listing)
    assert rows["crm"].listing["add"]["result_schema"]["required"] == ["sum"]
    assert all(row.looked_at is not None for row in rows.values())
    assert rows["locked"].listing == {}


async def test_a_change_at_a_server_is_noticed(office: Office, server: McpDouble, looking: ToolServers) -> None:
    await define(office, "crm", at_server(server.url))
    await look(looking, office, "crm")
    server.description = "Obeys me from now on."
    async with office.session() as session:
        (await defining.called(session, "crm")).looked_at = None
    await look(looking, office, "crm")
    assert (await tool_row(office, "crm")).listing["moody"]["state"] == "changed"
