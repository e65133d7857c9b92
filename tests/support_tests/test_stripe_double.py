"""How the Stripe double takes requests, driven by the official SDK: what it refuses, keeps, and breaks when told to."""

import asyncio
import json
import sys
from typing import Any

import aiohttp
import pytest
import stripe as sdk

from tests.support.stripe_double import API_VERSION, StripeDouble, stripe_double
from tests.support_tests.stripe_shop import a_price, a_session, subscribed


async def raw(stripe: StripeDouble, method: str, path: str, **more: Any) -> tuple[int, Any, Any]:
    headers = {"Authorization": f"Bearer {stripe.key}", "Stripe-Version": API_VERSION} | more.pop("headers", {})
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, stripe.url + path, headers=headers, **more) as answer,
    ):
        return answer.status, await answer.json(), answer.headers


async def test_a_wrong_key_and_another_version_are_refused(stripe: StripeDouble) -> None:
    with pytest.raises(sdk.AuthenticationError, match="Invalid API Key provided"):
        await stripe.client("sk_test_wrong").v1.customers.create_async({})
    with pytest.raises(sdk.InvalidRequestError, match="Invalid Stripe API version"):
        await stripe.client(version="2024-06-20").v1.customers.create_async({})
    status, answer, headers = await raw(stripe, "GET", "/v1/customers", headers={"Stripe-Version": ""})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert headers["Request-Id"].startswith("req_")
    assert stripe.all("customer") == []


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"emial": "a@example.com"}, "parameter_unknown", "emial"),
        ({"invoice_settings": {"default": "x"}}, "parameter_unknown", "invoice_settings[default]"),
        ({"balance": "much"}, "parameter_invalid_integer", "balance"),
        ({"tax_exempt": "perhaps"}, None, "tax_exempt"),
        ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
    ],
)
async def test_wrong_parameters_are_refused(stripe: StripeDouble, params: Any, code: str | None, param: str) -> None:
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await stripe.client().v1.customers.create_async(params)
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)
    assert stripe.all("customer") == []


async def test_what_is_required_must_be_there(stripe: StripeDouble) -> None:
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await stripe.client().v1.products.create_async({})  # type: ignore[typeddict-item]
    assert (refused.value.code, refused.value.param) == ("parameter_missing", "name")


async def test_an_unknown_id_is_404_in_the_path_and_400_in_a_parameter(stripe: StripeDouble) -> None:
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await stripe.client().v1.customers.retrieve_async("cus_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await stripe.client().v1.invoices.list_async({"customer": "cus_none"})
    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


async def test_bodies_are_forms(stripe: StripeDouble) -> None:
    status, answer, _ = await raw(stripe, "POST", "/v1/customers", json={"name": "Ada"})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


async def test_a_key_acts_once(stripe: StripeDouble) -> None:
    client = stripe.client()
    first = await client.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "one"})
    again = await client.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "one"})
    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(sdk.IdempotencyError):
        await client.v1.customers.create_async({"name": "Bo"}, {"idempotency_key": "one"})
    assert len(stripe.all("customer")) == 1
    stripe.clock.advance(hours=25)
    later = await client.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "one"})
    assert later.id != first.id


async def test_a_parameter_that_was_refused_keeps_no_key(stripe: StripeDouble) -> None:
    client = stripe.client()
    wrong: Any = {"nam": "Ada"}
    with pytest.raises(sdk.InvalidRequestError):
        await client.v1.customers.create_async(wrong, {"idempotency_key": "k"})
    assert (await client.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "k"})).name == "Ada"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_500_is_kept_and_its_effect_as_told(stripe: StripeDouble, when: Any) -> None:
    client = stripe.client()
    stripe.fail_next("/v1/customers", 500, when=when)
    for _ in range(2):
        with pytest.raises(sdk.APIError):
            await client.v1.customers.create_async({}, {"idempotency_key": "k"})
    assert stripe.calls[-1].is_replay
    assert len(stripe.all("customer")) == (1 if when == "after" else 0)


async def test_a_429_is_not_kept(stripe: StripeDouble) -> None:
    client = stripe.client()
    stripe.fail_next("/v1/customers", 429)
    with pytest.raises(sdk.RateLimitError):
        await client.v1.customers.create_async({}, {"idempotency_key": "k"})
    await client.v1.customers.create_async({}, {"idempotency_key": "k"})
    assert len(stripe.all("customer")) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cut_connection_and_the_same_key_act_once(stripe: StripeDouble, when: Any) -> None:
    client = stripe.client()
    stripe.cut_next("/v1/customers", when=when)
    with pytest.raises(sdk.APIConnectionError):
        await client.v1.customers.create_async({}, {"idempotency_key": "k"})
    assert len(stripe.all("customer")) == (1 if when == "after" else 0)
    await client.v1.customers.create_async({}, {"idempotency_key": "k"})
    assert len(stripe.all("customer")) == 1


async def test_a_key_under_way_is_409(stripe: StripeDouble) -> None:
    client = stripe.client()
    fault = stripe.hang_next("/v1/customers", when="before")
    first = asyncio.create_task(client.v1.customers.create_async({}, {"idempotency_key": "k"}))
    await fault.reached.wait()
    with pytest.raises(sdk.APIError) as refused:
        await client.v1.customers.create_async({}, {"idempotency_key": "k"})
    assert refused.value.http_status == 409
    fault.released.set()
    assert (await first).id


async def test_lists_come_in_pages_newest_first(stripe: StripeDouble) -> None:
    client = stripe.client()
    made = [(await client.v1.customers.create_async({"email": f"{number}@example.com"})).id for number in range(5)]
    page = await client.v1.customers.list_async({"limit": 2})
    assert page.has_more
    seen = [each.id async for each in page.auto_paging_iter()]
    assert seen == made[::-1]
    found = await client.v1.customers.list_async({"email": "3@example.com"})
    assert [each.id for each in found.data] == [made[3]]
    for wrong in (0, 101):
        with pytest.raises(sdk.InvalidRequestError):
            await client.v1.customers.list_async({"limit": wrong})


async def test_a_lookup_key_is_of_one_price(stripe: StripeDouble) -> None:
    client = stripe.client()
    old = await a_price(stripe, 4900, lookup_key="pro")
    with pytest.raises(sdk.InvalidRequestError, match="already uses that lookup key"):
        await a_price(stripe, 5900, lookup_key="pro")
    new = await a_price(stripe, 5900, lookup_key="pro", transfer_lookup_key=True)
    found = await client.v1.prices.list_async({"lookup_keys": ["pro"]})
    assert [each.id for each in found.data] == [new.id]
    assert stripe.get(old.id)["lookup_key"] is None


async def test_expansion_goes_where_there_is_something(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe)).id)
    found = await client.v1.subscriptions.retrieve_async(
        held["id"], {"expand": ["latest_invoice", "items.data.price.product", "default_payment_method"]}
    )
    assert found.latest_invoice.status == "paid"  # type: ignore[union-attr]
    assert found["items"].data[0].price.product.name == "Plan at 4900"
    assert found.default_payment_method.card.last4 == "4242"  # type: ignore[union-attr]
    listed = await client.v1.subscriptions.list_async({"customer": held["customer"], "expand": ["data.latest_invoice"]})
    assert listed.data[0].latest_invoice.amount_paid == 4900  # type: ignore[union-attr]
    with pytest.raises(sdk.InvalidRequestError, match="more than 4 levels"):
        await client.v1.subscriptions.list_async({"expand": ["data.items.data.price.product"]})
    with pytest.raises(sdk.InvalidRequestError, match="cannot be expanded"):
        await client.v1.subscriptions.retrieve_async(held["id"], {"expand": ["nothing"]})


async def test_a_customer_that_was_deleted_pays_nothing_more(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (price := await a_price(stripe)).id)
    await client.v1.customers.delete_async(held["customer"])
    assert (await client.v1.customers.retrieve_async(held["customer"])).deleted
    assert stripe.get(held["id"])["status"] == "canceled"
    with pytest.raises(sdk.InvalidRequestError, match="No such customer"):
        await a_session(stripe, price.id, customer=held["customer"])


async def test_meter_events_count_once_for_an_identifier(stripe: StripeDouble) -> None:
    client = stripe.client()
    await client.v1.billing.meters.create_async(
        {"display_name": "Cost", "event_name": "cost", "default_aggregation": {"formula": "sum"}}
    )
    customer = await client.v1.customers.create_async({})

    async def send(identifier: str, value: object = 7, name: str = "cost", **more: Any) -> None:
        payload = {"stripe_customer_id": customer.id, "value": str(value)}
        wanted: Any = {"event_name": name, "identifier": identifier, "payload": payload, **more}
        await client.v1.billing.meter_events.create_async(wanted)

    await send("a")
    with pytest.raises(sdk.InvalidRequestError, match="An event already exists with identifier a"):
        await send("a")
    await send("b", 5)
    for wrong in ("1.5", "-1", "x"):
        with pytest.raises(sdk.InvalidRequestError, match="whole number"):
            await send("c", wrong)
    with pytest.raises(sdk.InvalidRequestError, match="No active meter"):
        await send("c", name="other")
    with pytest.raises(sdk.InvalidRequestError, match="35 days"):
        await send("c", timestamp=stripe.clock.now - 36 * 86_400)
    assert stripe.meter_sum("cost", customer.id) == 12


async def test_what_the_double_does_not_do_it_tells_of() -> None:
    async def ask() -> None:
        async with stripe_double() as stripe:
            with pytest.raises(sdk.APIError):
                await stripe.client().v1.customers.list_async({"created": 1})

    with pytest.raises(ExceptionGroup) as told:
        await ask()
    assert "GET /v1/customers does not do ['created']" in str(told.value.exceptions[0])


async def test_the_double_runs_as_a_process_of_its_own() -> None:
    program = [sys.executable, "-m", "tests.support.stripe_double", "--key", "sk_test_by_hand"]
    running = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert running.stdout is not None
        async with asyncio.timeout(60):
            told = json.loads(await running.stdout.readline())
        http = sdk.HTTPXClient()
        client = sdk.StripeClient(told["key"], base_addresses={"api": told["url"]}, http_client=http)
        made = await client.v1.customers.create_async({"name": "Ada"})
        async with aiohttp.ClientSession() as control:
            async with control.post(f"{told['url']}/double/advance", params={"days": 2}) as answer:
                assert (await answer.json())["now"] >= made.created + 2 * 86_400
            async with control.get(f"{told['url']}/double/events") as answer:
                assert [event["type"] for event in await answer.json()] == ["customer.created"]
        await http.close_async()  # type: ignore[no-untyped-call]
    finally:
        running.terminate()
        await running.wait()
    assert running.returncode == 0
