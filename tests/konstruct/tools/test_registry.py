"""Which tools an employee has, by which names, and with which rules."""

import re
from collections.abc import Sequence

import pytest

from konstruct.inbox import Accepted
from konstruct.tools import defining, registry
from konstruct.tools.builtin import BUILTINS, CHOOSABLE
from konstruct.tools.registry import Tool, model_name
from tests.support import library
from tests.support.office import Office
from tests.support.workshop import at_server, define, offered, over_http, publish, tool_row, toolbox

SHOP = "https://shop.example.com/orders"


async def has(office: Office, asked: Accepted, *tools: object, knowledge: Sequence[str] = ()) -> dict[str, Tool]:
    await publish(office, *tools, knowledge=knowledge)
    return await toolbox(office, asked)


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say()


def test_builtin_tools_are_such_as_every_provider_takes() -> None:
    for name, builtin in BUILTINS.items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
        assert len(builtin.spec.description) <= 1_024
    assert set(BUILTINS) - {"read_result", "send_reply"} == CHOOSABLE


@pytest.mark.parametrize("name", ["find customer", "a.b", "état", "x" * 80, "a/b", "__", "a_b"])
def test_any_name_becomes_one_of_its_own(name: str) -> None:
    made = model_name("crm", name)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made)
    assert made.startswith("crm__")
    others = ["find_customer", "find-customer", "a b", "a_b_", "x" * 81, "x" * 79]
    assert made not in {model_name("crm", other) for other in others}


def test_a_plain_name_stays_as_it_is() -> None:
    assert model_name("crm", "find_customer") == "crm__find_customer"


def test_servers_with_long_names_do_not_share_a_tool() -> None:
    assert model_name("a" * 62 + "b", "find") != model_name("a" * 62 + "c", "find")


async def test_an_employee_has_what_it_is_given_and_nothing_else(office: Office, asked: Accepted) -> None:
    await define(office, "order-status", over_http(SHOP))
    assert await toolbox(office, asked) == {}
    assert set(await has(office, asked, "current_time", "hand_off")) == {"current_time", "hand_off"}
    assert set(await has(office, asked, "order-status", "order-none")) == {"order-status", "read_result"}
    assert await has(office, asked, "read_result") == {}


async def test_knowledge_is_searched_where_there_is_some(office: Office, asked: Accepted) -> None:
    assert await has(office, asked, "search_knowledge") == {}
    await library.add(office, "handbook")
    found = await has(office, asked, "search_knowledge", knowledge=["handbook"])
    assert set(found) == {"search_knowledge", "read_result"}


async def test_risk_and_approval_are_the_operators(office: Office, asked: Accepted) -> None:
    await define(office, "look", over_http(SHOP))
    await define(office, "wipe", over_http(SHOP, "DELETE", "irreversible"))
    await define(office, "pay", over_http(SHOP, "POST", "changes"))
    found = await has(
        office,
        asked,
        {"name": "look", "approval": "always"},
        {"name": "wipe", "approval": "never"},
        {"name": "pay", "approval": "after_untrusted"},
        {"name": "remember", "approval": "always"},
    )
    assert {name: (tool.risk, tool.approval) for name, tool in found.items() if name != "read_result"} == {
        "look": ("reads", "always"),
        # A version that was published before the risk was raised.
        "wipe": ("irreversible", "always"),
        "pay": ("changes", "after_untrusted"),
        "remember": ("memory", "always"),
    }
    usual = await has(office, asked, "look", "wipe", "pay", "remember")
    assert [usual[name].approval for name in ("look", "wipe", "pay", "remember")] == [
        *("never", "always", "always", "never")
    ]


async def test_a_tool_of_ones_own_is_as_its_definition_says(office: Office, asked: Accepted) -> None:
    parameters = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
    tool_id = await define(office, "look", over_http(f"{SHOP}/{{order}}", parameters=parameters, timeout_seconds=7.5))
    await define(office, "pay", over_http(SHOP, "POST", "changes"))
    await define(office, "pay-once", over_http(SHOP, "POST", "changes", sends_idempotency_key=True))
    await define(office, "get-paid", over_http(SHOP, "GET", "irreversible"))
    found = await has(office, asked, "look", "pay", "pay-once", "get-paid")
    look = found["look"]
    assert (look.kind, look.tool_id, look.timeout, look.is_untrusted) == ("http", tool_id, 7.5, True)
    assert (look.spec.description, look.spec.parameters) == ("Asks GET.", parameters)
    assert [found[name].is_repeatable for name in ("look", "pay", "pay-once", "get-paid")] == [
        *(True, False, True, False)
    ]


async def test_another_definition_is_another_tool(office: Office, asked: Accepted) -> None:
    await define(office, "look", over_http(SHOP), secret="one")
    before = (await has(office, asked, "look"))["look"]
    await define(office, "look", over_http(SHOP), secret="two")
    assert (await toolbox(office, asked))["look"].digest == before.digest
    await define(office, "look", over_http(SHOP, risk="changes"))
    changed = (await toolbox(office, asked))["look"]
    assert (changed.tool_id, changed.risk) == (before.tool_id, "changes")
    assert changed.digest != before.digest


async def test_a_tool_that_was_removed_is_not_had(office: Office, asked: Accepted) -> None:
    await define(office, "look", over_http(SHOP))
    assert "look" in await has(office, asked, "look")
    async with office.session() as session:
        await defining.remove(session, "look", "test")
    assert await toolbox(office, asked) == {}


async def test_of_a_server_is_had_what_it_offers_as_it_was_accepted(office: Office, asked: Accepted) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "number"}}}
    tool_id = await define(
        office, "crm", at_server("https://127.0.0.1/crm", find={"risk": "reads"}, pay={"repeatable": True})
    )
    async with office.session() as session:
        await defining.keep_listing(
            session, tool_id, [offered("find"), offered("pay"), offered("send it", result_schema=schema)]
        )
    found = await has(office, asked, "crm/find", "crm/pay", "crm/send it", "crm/none", "crm")
    sent = model_name("crm", "send it")
    assert set(found) == {"crm__find", "crm__pay", sent, "read_result"}
    assert [(found[name].risk, found[name].is_repeatable) for name in ("crm__find", "crm__pay", sent)] == [
        ("reads", True),
        ("sends", True),
        ("sends", False),
    ]
    assert (found[sent].remote_name, found[sent].tool_id, found[sent].result_schema) == ("send it", tool_id, schema)
    assert all(found[name].is_untrusted for name in ("crm__find", "crm__pay", sent))

    async with office.session() as session:
        await defining.keep_listing(session, tool_id, [offered("find", digest="2"), offered("send it")])
    assert set(await toolbox(office, asked)) == {sent, "read_result"}
    async with office.session() as session:
        await defining.accept(session, "crm", "find", "find-2", "test")
    assert (await toolbox(office, asked))["crm__find"].digest != found["crm__find"].digest


@pytest.mark.parametrize(("status", "is_had"), [("down", True), ("refused", False), ("active", True)])
async def test_tools_of_a_server_that_lets_nobody_in_are_not_had(
    office: Office, asked: Accepted, status: str, is_had: bool
) -> None:
    tool_id = await define(office, "crm", at_server("https://127.0.0.1/crm"))
    async with office.session() as session:
        await defining.keep_listing(session, tool_id, [offered("find")])
        await defining.mark(session, tool_id, status, "So it is.")
    assert ("crm__find" in await has(office, asked, "crm/find")) is is_had


async def test_operators_are_shown_all_tools_with_how_they_stand(office: Office) -> None:
    await define(office, "look", over_http(SHOP))
    crm = await define(office, "crm", at_server("https://127.0.0.1/crm", find={"risk": "reads"}))
    await define(office, "new", at_server("https://127.0.0.1/new"))
    async with office.session() as session:
        await defining.keep_listing(session, crm, [offered("find"), offered("pay")])
        await defining.keep_listing(session, crm, [offered("find", digest="2")])
        await defining.mark(session, crm, "down", "It is away.")
        await defining.remove(session, "look", "test")
        listed = await registry.listing(session)
    assert [(each.name, each.kind, each.risk, each.state, each.reason) for each in listed] == [
        ("crm/find", "mcp", "reads", "changed", "It is away."),
        ("crm/pay", "mcp", "sends", "gone", "It is away."),
        ("look", "http", "reads", "removed", None),
        ("new", "mcp", "", "active", None),
    ]
    assert (await tool_row(office, "look")).sealed_secrets is None
