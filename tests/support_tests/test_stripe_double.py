"""The Stripe double itself, driven by the official SDK: what it refuses, what it keeps, what it tells."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import stripe as sdk

from tests.support.stripe_double import StripeDouble, stripe_double


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    async with stripe_double() as double:
        double.clock.freeze(1_800_000_000)
        yield double


async def a_price(stripe: StripeDouble, amount: int = 4900, **more: Any) -> sdk.Price:
    client = stripe.client()
    product = await client.v1.products.create_async({"name": f"Plan at {amount}"})
    recurring: Any = more.pop("recurring", {"interval": "month"})
    return await client.v1.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount": amount, "recurring": recurring, **more}
    )


async def subscribed(stripe: StripeDouble, price: str, **data: Any) -> dict[str, Any]:
    client = stripe.client()
    customer = await client.v1.customers.create_async({"email": "ada@example.com"})
    session = await client.v1.checkout.sessions.create_async(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
            "subscription_data": data,
        }
    )
    return stripe.complete_checkout(session.id)


async def test_first(stripe: StripeDouble) -> None:
    price = await a_price(stripe)
    held = await subscribed(stripe, price.id, trial_period_days=14)
    assert held["status"] == "trialing"
    again = await stripe.client().v1.subscriptions.retrieve_async(held["id"], {"expand": ["latest_invoice"]})
    assert again.latest_invoice.amount_due == 0
    stripe.clock.advance_past_period(held["id"])
    again = await stripe.client().v1.subscriptions.retrieve_async(held["id"], {"expand": ["latest_invoice"]})
    assert again.status == "active"
    assert again.latest_invoice.amount_paid == 4900
