"""Tools over the API: defined, tried for real, judged and removed, with secrets that go in and never come out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import app as gateway_app
from konstruct.db import Database
from konstruct.designs import listing
from konstruct.settings import Settings
from konstruct.tables import AuditEvent
from konstruct.tools import defining
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.http import serve
from tests.support.office import Office, open_office
from tests.support.service_double import ServiceDouble
from tests.support.workshop import define, offered, over_http, publish, tool_row

SECRET = "sk-shop-canary-4321"
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "string"}},
    "required": ["order"],
    "additionalProperties": False,
}


@pytest.fixture
async def shop() -> AsyncIterator[ServiceDouble]:
    service = ServiceDouble(key=SECRET)
    async with service.running():
        yield service


@pytest.fixture
async def program(settings: Settings, office: Office, shop: ServiceDouble) -> AsyncIterator[Program]:
    """Of a gateway that may ask the shop, which is on this machine."""
    async with serve(gateway_app.build(settings.model_copy(update={"web_allowed": (shop.place,)}))) as url:
        yield await program_of(office, url)


def order_status(shop: ServiceDouble, **more: Any) -> dict[str, Any]:
    definition = {
        "description": "Says where an order is.",
        "url": f"{shop.url}/orders/{{order}}",
        "parameters": PARAMETERS,
        "auth": {"kind": "bearer"},
        "result": "order.state",
    }
    return {"kind": "http", "definition": definition | more}


async def test_a_tool_is_defined_altered_and_removed_and_its_secret_stays_inside(
    program: Program, office: Office, shop: ServiceDouble
) -> None:
    made = await program.call("PUT", "/tools/order-status", order_status(shop) | {"secret": SECRET})
    altered = await program.call("PUT", "/tools/order-status", order_status(shop, description="Says more."))
    await publish(office, "order-status")
    shown = await program.get("/tools/order-status")

    assert (made.status, made.body["secret_ends_in"], made.body["status"]) == (200, "4321", "active")
    assert altered.body["definition"]["description"] == "Says more."
    assert (shown.body["secret_ends_in"], shown.body["employees"]) == ("4321", [await _employee(office)])
    assert "canary" not in f"{made.body}{altered.body}{shown.body}"
    assert SECRET not in str([event.payload for event in await office.rows(AuditEvent)])
    [event] = await office.events("tool.changed")
    assert event.actor == "api:back-office"
    assert (await program.call("DELETE", "/tools/order-status")).status == 204
    assert (await program.get("/tools/order-status")).status == 404


async def test_what_cannot_be_a_tool_is_refused_field_by_field(
    program: Program, office: Office, shop: ServiceDouble
) -> None:
    wrong = order_status(shop, url="https://shop.example/{who}", headers={"Host": "x"})
    answer = await program.call("PUT", "/tools/order-status", wrong | {"secret": SECRET})
    assert answer.status == 422
    assert set(answer.body["fields"]) == {"headers"}
    without = await program.call("PUT", "/tools/order-status", order_status(shop))
    assert "Enter the secret" in without.body["fields"]["secret"]
    await program.call("PUT", "/tools/order-status", order_status(shop) | {"secret": SECRET})
    elsewhere = order_status(shop, url="https://thief.example/{order}")
    answer = await program.call("PUT", "/tools/order-status", elsewhere)
    assert "Enter it again" in answer.body["fields"]["secret"]
    built_in = await program.call("PUT", "/tools/search-knowledge", order_status(shop) | {"secret": SECRET})
    assert built_in.status == 422


async def test_a_tool_is_tried_for_real_and_what_acts_needs_a_word_for_it(
    program: Program, office: Office, shop: ServiceDouble
) -> None:
    await program.call("PUT", "/tools/order-status", order_status(shop) | {"secret": SECRET})
    body = {"kind": "http", "definition": {"description": "Pays back.", "method": "POST", "url": f"{shop.url}/refunds"}}
    await program.call("PUT", "/tools/refund", body)

    tried = await program.post("/tools/order-status/try", {"arguments": {"order": "A-17"}})
    unfit = await program.post("/tools/order-status/try", {"arguments": {"number": 1}})
    unconfirmed = await program.post("/tools/refund/try", {})

    assert tried.body["complaint"] == ""
    assert (tried.status, tried.body["status"], tried.body["result"]) == (200, 200, "shipped")
    assert ["Authorization", "Bearer [secret]"] in tried.body["headers"]
    assert "canary" not in str(tried.body)
    assert (unfit.status, unconfirmed.status) == (422, 409)
    assert shop.requests == [("GET", "/orders/A-17")]
    assert len(await office.events("tool.tried")) == 1


async def test_a_server_is_looked_at_again_and_what_its_tools_may_do_is_judged(
    program: Program, office: Office
) -> None:
    body = {
        "kind": "mcp",
        "definition": {"url": "https://crm.example/mcp", "auth": {"kind": "bearer"}},
        "secret": "t" * 20,
    }
    made = await program.call("PUT", "/tools/crm", body)
    assert (made.status, made.body["looked_at"], made.body["kind"]) == (200, None, "mcp")
    tool = await tool_row(office, "crm")
    async with office.session() as session:
        await defining.keep_listing(session, tool.id, [offered("find")])
        await defining.note_looked(session, tool.id)
    judged = await program.post("/tools/crm/risks", {"risks": {"find": "reads"}})
    assert judged.body["definition"]["tools"] == {"find": {"risk": "reads"}}
    assert (await program.post("/tools/crm/risks", {"risks": {"find": "nothing"}})).status == 422
    assert (await program.post("/tools/crm/risks", {"risks": {"lost": "reads"}})).status == 422
    # As the changed definition is looked at anew, it is asked again by itself, too.
    assert (await program.post("/tools/crm/check")).status == 202
    assert (await tool_row(office, "crm")).looked_at is None
    other = await program.call(
        "PUT", "/tools/crm", {"kind": "http", "definition": {"description": "x", "url": "https://a.example/"}}
    )
    assert "remove it first" in other.body["fields"]["key"]


async def test_reading_needs_less_than_writing_and_nothing_is_anothers(
    program: Program, office: Office, shop: ServiceDouble, database: Database, vault: Vault
) -> None:
    reader = await program_of(office, program.url, "tools:read", name="reader")
    for method, path in (("PUT", ""), ("DELETE", ""), ("POST", "/try"), ("POST", "/check"), ("POST", "/risks")):
        assert (await reader.call(method, f"/tools/crm{path}", {})).status == 403
    theirs = await open_office(database, vault)
    await define(theirs, "crm", over_http("https://shop.example/o"))
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/try"), ("POST", "/check")):
        assert (await program.call(method, f"/tools/crm{path}", {} if path == "/try" else None)).status == 404
    built_in = (await reader.get("/tools")).body["built_in"]
    assert "search_knowledge" in {each["name"] for each in built_in}


async def _employee(office: Office) -> str:
    async with office.session() as session:
        [found] = await listing.employees(session)
    return found.key
