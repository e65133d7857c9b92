"""How Stripe is called: whom a key is shown to, what is done once, and what each failure means."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from aiohttp import web
from pydantic import SecretStr

from konstruct.adapters import stripe as adapter
from konstruct.adapters.stripe import StripePayments
from konstruct.adapters.stripe_calls import API_VERSION, STRIPE, StripeCalls
from konstruct.errors import Misconfigured, PaymentsRefused, PaymentsUnavailable
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.tables.base import utc_now
from tests.support.http import serve
from tests.support.stripe_double import StripeDouble, stripe_double
from tests.support.till import open_payments

TENANT = UUID(int=7)


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    async with stripe_double() as double:
        yield double


@pytest.fixture
async def payments(stripe: StripeDouble) -> AsyncIterator[StripePayments]:
    async with open_payments(stripe) as opened:
        yield opened


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc"])
@pytest.mark.parametrize("url", ["https://stripe.example", "http://127.0.0.1:1", "https://api.stripe.com.evil.example"])
def test_a_live_key_is_sent_to_stripe_alone(key: str, url: str) -> None:
    with pytest.raises(Misconfigured, match="to Stripe alone") as refused:
        StripeCalls(SecretStr(key), url)
    assert key not in str(refused.value)


@pytest.mark.parametrize("url", ["http://api.stripe.com", "http://stripe.example", "ftp://127.0.0.1.example", "x"])
def test_no_key_is_sent_in_the_clear(url: str) -> None:
    with pytest.raises(Misconfigured, match="https://"):
        StripeCalls(SecretStr("sk_test_abc"), url)


async def test_a_deployment_without_a_key_bills_nobody() -> None:
    assert adapter.opened(Settings(stripe_secret_key=None)) is None
    opened = adapter.opened(Settings(stripe_secret_key=SecretStr("sk_live_abc"), stripe_api_url=STRIPE + "/"))
    assert opened is not None
    await opened.close()


async def test_the_version_is_pinned_and_nothing_is_retried_behind_our_back(
    stripe: StripeDouble, payments: StripePayments
) -> None:
    assert API_VERSION == "2026-10-28.endive"
    stripe.fail_next("/v1/customers", 503, headers={"Stripe-Should-Retry": "true"})
    with pytest.raises(PaymentsUnavailable):
        await payments.make_customer(TENANT, "Acme", "a@example.com", attempt="x")
    assert len(stripe.calls_of("/v1/customers")) == 1


async def test_the_same_attempt_is_one_customer(stripe: StripeDouble, payments: StripePayments) -> None:
    ids = [await payments.make_customer(TENANT, "Acme", "a@example.com", attempt="x") for _ in range(3)]
    other = await payments.make_customer(TENANT, "Acme", "b@example.com", attempt="x")
    assert len(set(ids)) == 1
    assert other not in ids
    assert all(call.idempotency_key for call in stripe.calls_of("/v1/customers"))


async def test_the_same_attempt_at_once_is_one_customer(stripe: StripeDouble, payments: StripePayments) -> None:
    fault = stripe.hang_next("/v1/customers", when="before")
    first = asyncio.create_task(payments.make_customer(TENANT, "Acme", "a@example.com", attempt="x"))
    await fault.reached.wait()
    with pytest.raises(PaymentsUnavailable, match="being done"):
        await payments.make_customer(TENANT, "Acme", "a@example.com", attempt="x")
    fault.released.set()
    made = await first
    assert [each["id"] for each in stripe.all("customer")] == [made]


async def test_a_failure_that_is_kept_is_passed_by_with_another_key(
    stripe: StripeDouble, payments: StripePayments
) -> None:
    stripe.fail_next("/v1/customers", 500, when="after")
    with pytest.raises(PaymentsUnavailable, match="HTTP 500"):
        await payments.make_customer(TENANT, "Acme", "a@example.com", attempt="x")
    made = await payments.make_customer(TENANT, "Acme", "a@example.com", attempt="x")
    assert made in {each["id"] for each in stripe.all("customer")}


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "does not accept this deployment's key"),
        (403, "does not accept this deployment's key"),
        (409, "being done at Stripe"),
        (429, "called less often"),
        (500, "HTTP 500"),
        (503, "HTTP 503"),
    ],
)
async def test_what_passes_is_unavailable(
    stripe: StripeDouble, payments: StripePayments, status: int, sentence: str
) -> None:
    stripe.fail_next("/v1/checkout/sessions/cs_1", status, method="GET")
    with pytest.raises(PaymentsUnavailable, match=sentence):
        await payments.checkout("cs_1")


async def test_what_does_not_pass_is_refused_with_stripes_code(payments: StripePayments) -> None:
    with pytest.raises(PaymentsRefused, match="No such") as refused:
        await payments.checkout("cs_none")
    assert refused.value.code == "resource_missing"


async def test_a_key_that_is_not_accepted_is_not_repeated(stripe: StripeDouble) -> None:
    payments = StripePayments(StripeCalls(SecretStr("sk_test_wrong_one"), stripe.url))
    with pytest.raises(PaymentsUnavailable) as refused:
        await payments.look("cus_1")
    await payments.close()
    assert "wrong_one" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b"{}", b'{"error": "x"}'])
async def test_an_answer_that_is_none_of_stripes_is_unavailable(body: bytes) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serve(app) as url:
        payments = StripePayments(StripeCalls(SecretStr("sk_test_abc"), url))
        with pytest.raises(PaymentsUnavailable):
            await payments.look("cus_1")
        with pytest.raises(PaymentsUnavailable):
            await payments.checkout("cs_1")
        with pytest.raises(PaymentsUnavailable):
            await payments.invoices("cus_1")
        await payments.close()


async def test_stripe_is_told_nothing_of_this_machine() -> None:
    told: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        told.append(str(dict(request.headers)))
        return web.json_response({"error": {"type": "api_error"}}, status=500, headers={"Request-Id": "req_1"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serve(app) as url:
        payments = StripePayments(StripeCalls(SecretStr("sk_test_abc"), url))
        for _ in range(2):
            with pytest.raises(PaymentsUnavailable):
                await payments.look("cus_1")
        await payments.close()
    assert len(told) == 2
    assert not any(word in "".join(told) for word in ("Telemetry", "telemetry_id", "platform"))


async def test_it_is_not_waited_for_ever(stripe: StripeDouble) -> None:
    payments = StripePayments(StripeCalls(SecretStr(stripe.key), stripe.url, longest=timedelta(milliseconds=300)))
    fault = stripe.hang_next("/v1/customers/cus_1", method="GET")
    with pytest.raises(PaymentsUnavailable):
        await payments.look("cus_1")
    fault.released.set()
    await payments.close()


async def test_an_event_of_a_meter_counts_once(stripe: StripeDouble, payments: StripePayments) -> None:
    client = stripe.client()
    customer = (await client.v1.customers.create_async({})).id
    await client.v1.billing.meters.create_async(
        {"display_name": "Models", "event_name": "models", "default_aggregation": {"formula": "sum"}}
    )
    identifier, now = new_id(), utc_now()
    stripe.cut_next("/v1/billing/meter_events", when="after")
    with pytest.raises(PaymentsUnavailable):
        await payments.meter("models", customer, 120, identifier=identifier, at=now)
    await payments.meter("models", customer, 120, identifier=identifier, at=now)
    # Under another idempotency key, Stripe refuses the identifier.
    await payments.meter("models", customer, 120, identifier=identifier, at=now + timedelta(seconds=1))
    await payments.meter("models", customer, 1, identifier=new_id(), at=now)
    assert stripe.meter_sum("models", customer) == 121

    with pytest.raises(PaymentsRefused, match="No active meter"):
        await payments.meter("others", customer, 1, identifier=new_id(), at=now)
    with pytest.raises(PaymentsRefused):
        await payments.meter("models", customer, 1, identifier=new_id(), at=now - timedelta(days=36))
