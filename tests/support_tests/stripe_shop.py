"""What the tests of the Stripe double begin with: prices, and somebody who subscribed."""

from typing import Any

import stripe as sdk

from tests.support.stripe_double import Json, StripeDouble

MONTH = {"interval": "month"}
YEAR = {"interval": "year"}


async def a_price(stripe: StripeDouble, amount: int = 4900, recurring: Any = MONTH, **more: Any) -> sdk.Price:
    client = stripe.client()
    product = await client.v1.products.create_async({"name": f"Plan at {amount}"})
    wanted: Any = {"product": product.id, "currency": "usd", "unit_amount": amount, "recurring": recurring, **more}
    return await client.v1.prices.create_async(wanted)


async def a_session(stripe: StripeDouble, price: str, **more: Any) -> sdk.checkout.Session:
    client = stripe.client()
    customer = more.pop("customer", None)
    if customer is None:
        customer = (await client.v1.customers.create_async({"email": "ada@example.com"})).id
    wanted: Any = {
        "mode": "subscription",
        "customer": customer,
        "line_items": [{"price": price, "quantity": 1}],
        "success_url": f"{stripe.url}/double/done?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{stripe.url}/double/back",
        **more,
    }
    return await client.v1.checkout.sessions.create_async(wanted)


async def subscribed(stripe: StripeDouble, price: str, *, card: str = "4242424242424242", **data: Any) -> Json:
    session = await a_session(stripe, price, subscription_data=data)
    return stripe.complete_checkout(session.id, card=card)


def kinds(stripe: StripeDouble, since: int = 0) -> list[str]:
    return [event["type"] for event in stripe.events[since:]]
