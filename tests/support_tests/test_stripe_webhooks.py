"""What the Stripe double posts: signed events, and everything a test can do to their order and number."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe as sdk
from aiohttp import web

from tests.support.http import serve
from tests.support.stripe_double import API_VERSION, StripeDouble, body_of
from tests.support_tests.stripe_shop import a_price, subscribed


@dataclass
class Shop:
    """Takes webhooks as a shop would, checking them with the SDK."""

    secret: str
    url: str = ""
    taken: list[Any] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """The next statuses; 200 after those."""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            event = sdk.Webhook.construct_event(body, request.headers["Stripe-Signature"], self.secret)
        except sdk.SignatureVerificationError as problem:
            self.refused.append(str(problem))
            return web.Response(status=400)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.taken.append(event)
        return web.Response(status=status)

    @property
    def kinds(self) -> list[str]:
        return [event.type for event in self.taken]


@pytest.fixture
async def shop(stripe: StripeDouble) -> AsyncIterator[Shop]:
    held = Shop(stripe.webhook_secret)
    app = web.Application()
    app.router.add_post("/hook", held.take)
    async with serve(app) as url:
        stripe.webhook_url = held.url = f"{url}/hook"
        yield held
        await stripe.webhooks.settled()


async def test_events_come_signed_with_what_changed(stripe: StripeDouble, shop: Shop) -> None:
    held = await subscribed(stripe, (await a_price(stripe)).id, trial_period_days=14)
    await stripe.client().v1.subscriptions.update_async(held["id"], {"metadata": {"a": "b"}})
    await stripe.webhooks.settled()
    assert shop.refused == []
    assert [event.id for event in shop.taken] == [event["id"] for event in stripe.events]
    assert "checkout.session.completed" in shop.kinds
    last = shop.taken[-1]
    assert (last.type, last.api_version, last.livemode) == ("customer.subscription.updated", API_VERSION, False)
    assert last.data.previous_attributes.to_dict() == {"metadata": {}}
    assert last.data.object.metadata.to_dict() == {"a": "b"}
    assert last.request.id.startswith("req_")


async def test_held_events_come_in_the_order_that_is_asked_for(stripe: StripeDouble, shop: Shop) -> None:
    stripe.webhooks.hold()
    await subscribed(stripe, (await a_price(stripe)).id)
    await stripe.webhooks.settled()
    assert shop.taken == []
    await stripe.webhooks.release(lambda waiting: [*reversed(waiting), waiting[0]])
    ids = [event["id"] for event in stripe.events]
    assert [event.id for event in shop.taken] == [*reversed(ids), ids[0]]


async def test_events_of_a_kind_are_held_dropped_and_doubled(stripe: StripeDouble, shop: Shop) -> None:
    stripe.webhooks.hold("invoice.paid")
    stripe.webhooks.drop("customer.created")
    stripe.webhooks.copies = 2
    await subscribed(stripe, (await a_price(stripe)).id)
    await stripe.webhooks.settled()
    assert "invoice.paid" not in shop.kinds
    assert "customer.created" not in shop.kinds
    assert shop.kinds.count("customer.subscription.created") == 2
    await stripe.webhooks.release()
    assert shop.kinds.count("invoice.paid") == 1


async def test_what_was_not_taken_comes_again(stripe: StripeDouble, shop: Shop) -> None:
    stripe.webhooks.retries = 2
    shop.answers = [500, 503]
    await stripe.client().v1.customers.create_async({})
    await stripe.webhooks.settled()
    assert [attempt.status for attempt in stripe.webhooks.attempts] == [500, 503, 200]
    assert shop.kinds == ["customer.created"]


async def test_old_and_forged_ones_are_refused_by_whoever_checks(stripe: StripeDouble, shop: Shop) -> None:
    await stripe.client().v1.customers.create_async({})
    await stripe.webhooks.settled()
    [event] = stripe.events
    assert await stripe.webhooks.send(event) == [200]
    assert await stripe.webhooks.send(event, secret="whsec_other") == [400]
    assert await stripe.webhooks.send(event, at=1_700_000_000) == [400]
    assert await stripe.webhooks.send(event, body=body_of(event | {"type": "x"}), signed=body_of(event)) == [400]
    assert len(shop.refused) == 3
    assert len(shop.taken) == 2


async def test_nobody_who_listens_is_a_failure_that_is_noted(stripe: StripeDouble, shop: Shop) -> None:
    stripe.webhook_url = "http://127.0.0.1:9/hook"
    await stripe.client().v1.customers.create_async({})
    await stripe.webhooks.settled()
    [attempt] = stripe.webhooks.attempts
    assert attempt.status is None
    assert attempt.failure is not None


async def test_endpoints_of_the_api_have_their_own_secret_and_kinds(stripe: StripeDouble, shop: Shop) -> None:
    client = stripe.client()
    stripe.webhook_url = None
    made = await client.v1.webhook_endpoints.create_async({"url": shop.url, "enabled_events": ["product.created"]})
    shop.secret = made.secret or ""
    await a_price(stripe)
    await stripe.webhooks.settled()
    assert shop.kinds == ["product.created"]
    await client.v1.webhook_endpoints.delete_async(made.id)
    await a_price(stripe)
    await stripe.webhooks.settled()
    assert shop.kinds == ["product.created"]


async def test_events_can_be_looked_up_again(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe)).id)
    found = await client.v1.events.list_async({"types": ["customer.subscription.created", "invoice.paid"]})
    assert [event.type for event in found.data] == ["invoice.paid", "customer.subscription.created"]
    first = await client.v1.events.retrieve_async(found.data[-1].id)
    assert first.data.object["id"] == held["id"]
    # It is kept as it was.
    assert first.data.object["status"] == "incomplete"
    assert (await client.v1.subscriptions.retrieve_async(held["id"])).status == "active"


async def test_time_that_passes_tells_in_its_order(stripe: StripeDouble, shop: Shop) -> None:
    held = await subscribed(stripe, (await a_price(stripe)).id, trial_period_days=14)
    stripe.decline(held["customer"])
    already = len(stripe.events)
    stripe.clock.advance_past_period(held["id"])
    async with asyncio.timeout(40):
        await stripe.webhooks.settled()
    moments = [event["created"] for event in stripe.events[already:]]
    assert moments == sorted(moments)
    assert shop.kinds[already:] == [
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "customer.updated",
        "invoice.updated",
        "invoice.payment_failed",
        "customer.updated",
        "customer.subscription.updated",
    ]
