"""Tools that are one request: written as forms and held to their rules, tried for real."""

from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tools import defining
from konstruct.vault import Vault
from portal.pages.tools import http_form
from tests.portal.conftest import browser
from tests.portal.tools import SECRET, at, errors, order_status, refund, trail
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.service_double import ServiceDouble
from tests.support.workshop import define, over_http, publish, tool_row


class TestHttp:
    async def test_one_is_written_as_a_form_and_its_secret_never_comes_back(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, shop: ServiceDouble
    ) -> None:
        answer = await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))

        assert (answer.status_code, answer.headers["location"]) == (303, at(owner, "/order-status"))
        row = await tool_row(office, "order-status")
        assert row.definition["request"] == {
            "url": f"{shop.url}/orders/{{order}}",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "string", "description": "Its number"}},
                "required": ["order"],
                "additionalProperties": False,
            },
            "auth": {"kind": "bearer"},
            "result": {"state": "order.state"},
            "timeout_seconds": 5.0,
        }
        for path in ("", "/order-status", "/order-status/edit"):
            page = (await visitor.get(at(owner, path))).text
            assert "canary" not in page
        assert "…4321" in (await visitor.get(at(owner, "/order-status"))).text
        assert SECRET not in await trail(office)
        [event] = await office.events("tool.created")
        assert event.actor == owner.actor

    @pytest.mark.parametrize(
        ("changed", "field", "says"),
        [
            ({"key": "Order Status"}, "key", "lower-case letters"),
            ({"key": "search-knowledge"}, "key", "built-in"),
            ({"url": "https://shop.example/orders?x=1"}, "url", "query"),
            ({"url": "https://shop.example/{who}"}, "url", "{who} is none of the parameters"),
            ({"row.required": []}, "url", "must be among the parameters"),
            ({"url": "https://user:pass@shop.example/{order}"}, "url", "without a user"),
            ({"description": ""}, "description", "This is empty."),
            ({"risk": "harmful"}, "risk", "must be"),
            ({"query": "q: {order}"}, "query", "one a line"),
            ({"query": "q = {who}"}, "query", "{who} is none"),
            ({"headers": "Host: elsewhere"}, "headers", "Host"),
            ({"headers": "Authorization: Bearer x"}, "headers", "is written by auth"),
            ({"body": "{not json"}, "body", "no JSON"),
            ({"body": '{"a": 1}'}, "body", "A GET request has none."),
            ({"auth": "header"}, "auth.name", "header"),
            ({"result": "state[[["}, "result", "JMESPath"),
            ({"timeout_seconds": "600"}, "timeout_seconds", "at most 120"),
            ({"timeout_seconds": "soon"}, "timeout_seconds", "number of seconds"),
            ({"secret": ""}, "secret", "Enter the secret"),
            ({"result_schema": "[]"}, "result_schema", "one JSON object"),
        ],
    )
    async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays_but_for_the_secret(
        self,
        visitor: httpx.AsyncClient,
        owner: Enrolled,
        office: Office,
        changed: dict[str, Any],
        field: str,
        says: str,
    ) -> None:
        answer = await visitor.post(at(owner, "/new/http"), data=order_status("https://shop.example", **changed))
        assert answer.status_code == 422
        told = errors(answer)
        if field == "auth.name" and field not in told:
            field = "auth"
        assert says in told.get(field, ""), told
        assert "Its number" in answer.text
        assert "canary" not in answer.text
        async with office.session() as session:
            assert await defining.listing(session) == []

    async def test_a_name_is_taken_once(self, visitor: httpx.AsyncClient, owner: Enrolled, shop: ServiceDouble) -> None:
        assert (await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))).status_code == 303
        again = await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))
        assert "There is a tool of this name already" in errors(again)["key"]

    async def test_rows_come_and_go_before_anything_is_saved(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, shop: ServiceDouble
    ) -> None:
        form = order_status(shop.url)
        for edit, count in (("rows.add", 2), ("rows.remove.0", 0), ("refresh", 1)):
            page = await visitor.post(at(owner, "/new/http/edit"), data=form | {"edit": edit})
            assert page.status_code == 200
            assert page.text.count('class="argument-row"') == count
            assert "canary" not in page.text
        written = await visitor.post(at(owner, "/new/http/edit"), data=form | {"edit": "schema.write"})
        assert "&#34;additionalProperties&#34;: false" in written.text
        schema = '{"type": "object", "properties": {"order": {"type": "array"}}}'
        stays = await visitor.post(at(owner, "/new/http/edit"), data=form | {"edit": "schema.rows", "schema": schema})
        assert "Rows cannot say all of this" in stays.text
        async with office.session() as session:
            assert await defining.listing(session) == []

    async def test_a_kept_secret_goes_to_no_other_host(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, shop: ServiceDouble
    ) -> None:
        await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))
        same = order_status(shop.url, secret="", description="Says more.", url=f"{shop.url}/v2/orders/{{order}}")
        assert (await visitor.post(at(owner, "/order-status/edit"), data=same)).status_code == 303
        elsewhere = order_status("https://thief.example", secret="")
        answer = await visitor.post(at(owner, "/order-status/edit"), data=elsewhere)
        assert f"Enter it again: the one that is kept was given for {shop.url}." in errors(answer)["secret"]
        row = await tool_row(office, "order-status")
        assert (row.definition["description"], row.definition["request"]["url"]) == (
            "Says more.",
            f"{shop.url}/v2/orders/{{order}}",
        )
        none = order_status("https://thief.example", secret="", auth="none")
        assert (await visitor.post(at(owner, "/order-status/edit"), data=none)).status_code == 303
        assert (await tool_row(office, "order-status")).sealed_secrets is None

    async def test_a_tool_of_a_manifest_that_rows_cannot_say_stays_as_it_was_written(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        parameters = {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "string"}}}}
        known = over_http(
            *("https://shop.example/search", "POST", "changes"),
            parameters=parameters,
            body={"ids": "{ids}", "deep": [1, {"x": "{ids}"}]},
            result="items[*].name",
            headers={"X-Shop": "acme"},
            query={"limit": "5"},
        )
        await define(office, "search-items", known)
        before = (await tool_row(office, "search-items")).definition
        typed = http_form.of(await tool_row(office, "search-items"))
        assert typed.rows == ()
        form = {
            **{name: getattr(typed, name) for name in ("description", "method", "url", "risk", "schema", "query")},
            **{name: getattr(typed, name) for name in ("headers", "body", "result", "timeout_seconds", "auth")},
        }
        assert (await visitor.post(at(owner, "/search-items/edit"), data=form)).status_code == 303
        assert (await tool_row(office, "search-items")).definition == before

    async def test_it_is_removed_by_who_types_its_name_and_says_who_goes_without(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, shop: ServiceDouble
    ) -> None:
        await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))
        await publish(office, "order-status")
        assert "will go without it" in (await visitor.get(at(owner, "/order-status"))).text
        here = at(owner, "/order-status/remove")
        assert (await visitor.post(here, data={"confirmation": "yes"})).status_code == 422
        assert (await visitor.post(here, data={"confirmation": "order-status"})).status_code == 303
        assert (await visitor.get(at(owner, "/order-status"))).status_code == 404
        row = await tool_row(office, "order-status")
        assert (row.status, row.sealed_secrets) == ("removed", None)

    async def test_who_may_not_edit_sees_what_it_is_and_nothing_to_press(
        self, settings: Settings, database: Database, vault: Vault, office: Office
    ) -> None:
        await define(office, "order-status", over_http("https://shop.example/o"))
        viewer = await enrolled(database, vault, "viewer", office.tenant_id)
        async with browser(settings) as client:
            client.cookies.update(viewer.cookies)
            page = (await client.get(at(viewer, "/order-status"))).text
            assert "https://shop.example/o" in page
            assert "try-form" not in page
            assert (await client.post(at(viewer, "/order-status/try"))).status_code == 403
            assert (await client.get(at(viewer, "/new/http"))).status_code == 403


class TestTrying:
    async def test_the_request_is_made_and_shown_without_its_secret(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, shop: ServiceDouble
    ) -> None:
        shop.orders["A-17"]["echo"] = f"your key is {SECRET}"
        await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))
        page = await visitor.post(at(owner, "/order-status/try"), data={"arg.order": "A-17"})
        assert shop.requests == [("GET", "/orders/A-17")]
        text = unescape(page.text)
        assert '<code>{\n "state": "shipped"\n}</code>' in text
        assert '"carrier": "Hermes"' in text
        assert "Authorization: Bearer [secret]" in text
        assert "your key is [secret]" in text
        assert "canary" not in text
        missing = await visitor.post(at(owner, "/order-status/try"), data={"arg.order": "B-1"})
        assert "404" in missing.text
        assert "An employee is told" in missing.text
        [first, _] = await office.events("tool.tried")
        assert first.actor == owner.actor
        assert SECRET not in await trail(office)

    async def test_arguments_that_do_not_fit_are_told_and_nothing_is_sent(
        self, visitor: httpx.AsyncClient, owner: Enrolled, shop: ServiceDouble
    ) -> None:
        await visitor.post(at(owner, "/new/http"), data=order_status(shop.url))
        await visitor.post(at(owner, "/new/http"), data=refund(shop.url))
        none = await visitor.post(at(owner, "/order-status/try"), data={"arg.order": ""})
        assert (none.status_code, "&#39;order&#39; is a required property" in none.text) == (422, True)
        wrong = {"arg.order": "A-17", "arg.amount": "many", "may_act": "true"}
        text = (await visitor.post(at(owner, "/refund-order/try"), data=wrong)).text
        assert "amount must be a whole number." in text
        assert 'value="many"' in text
        dots = await visitor.post(at(owner, "/order-status/try"), data={"arg.order": ".."})
        assert "makes no part of an address" in dots.text
        assert shop.requests == []

    async def test_what_acts_is_confirmed_and_a_form_that_is_sent_twice_acts_once(
        self, visitor: httpx.AsyncClient, owner: Enrolled, shop: ServiceDouble
    ) -> None:
        await visitor.post(at(owner, "/new/http"), data=refund(shop.url))
        attempt = str(uuid4())
        form = {"arg.order": "A-17", "arg.amount": "5", "attempt": attempt}
        asked = await visitor.post(at(owner, "/refund-order/try"), data=form)
        assert (asked.status_code, "confirm that it is to be done" in asked.text) == (409, True)
        form = form | {"attempt": str(uuid4()), "may_act": "true"}
        done = await visitor.post(at(owner, "/refund-order/try"), data=form)
        again = await visitor.post(at(owner, "/refund-order/try"), data=form)
        assert done.status_code == 200
        assert (again.status_code, "This was sent already." in again.text) == (429, True)
        assert list(shop.refunds) == [form["attempt"]]

    async def test_private_addresses_are_not_asked(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await define(office, "inside", over_http("https://10.0.0.1/admin"))
        page = await visitor.post(at(owner, "/inside/try"), data={})
        assert page.status_code == 200
        assert "No answer" in page.text
        assert "10.0.0.1" in page.text
        assert "KONSTRUCT_WEB_ALLOWED" in page.text
