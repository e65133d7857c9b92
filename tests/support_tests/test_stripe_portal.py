"""Configurations and sessions of the Stripe double's Billing Portal, by the API."""

from typing import Any

import pytest
import stripe as sdk

from tests.support.stripe_double import StripeDouble
from tests.support_tests.stripe_shop import a_price, a_session, subscribed


async def a_configuration(stripe: StripeDouble, *prices: sdk.Price, **more: Any) -> sdk.billing_portal.Configuration:
    features: Any = {
        "customer_update": {"enabled": True, "allowed_updates": ["email"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "subscription_update": {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": price.product, "prices": [price.id]} for price in prices],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
        },
    }
    wanted: Any = {"features": features | more}
    return await stripe.client().v1.billing_portal.configurations.create_async(wanted)


async def test_a_configuration_offers_prices_of_its_products(stripe: StripeDouble) -> None:
    client = stripe.client()
    one, other = await a_price(stripe, 100), await a_price(stripe, 200)
    plans: Any = [{"product": one.product, "prices": [other.id]}]
    with pytest.raises(sdk.InvalidRequestError, match="not one of the product"):
        await a_configuration(
            stripe,
            subscription_update={"enabled": True, "default_allowed_updates": ["price"], "products": plans},
        )
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await a_configuration(stripe, subscription_update={"enabled": True, "default_allowed_updates": ["price"]})
    assert refused.value.code == "parameter_missing"
    assert stripe.all("billing_portal.configuration") == []
    made = await a_configuration(stripe, one, other)
    assert made.is_default
    updated = await client.v1.billing_portal.configurations.update_async(
        made.id, {"features": {"invoice_history": {"enabled": False}}, "metadata": {"version": "2"}}
    )
    assert not updated.features.invoice_history.enabled
    assert updated.features.subscription_update.enabled
    listed = await client.v1.billing_portal.configurations.list_async({"active": True})
    assert [each.id for each in listed.data] == [made.id]


async def test_a_session_needs_a_configuration_and_a_customer(stripe: StripeDouble) -> None:
    client = stripe.client()
    customer = await client.v1.customers.create_async({})
    with pytest.raises(sdk.InvalidRequestError, match="No configuration provided"):
        await client.v1.billing_portal.sessions.create_async({"customer": customer.id})
    await a_configuration(stripe, await a_price(stripe))
    with pytest.raises(sdk.InvalidRequestError, match="No such customer"):
        await client.v1.billing_portal.sessions.create_async({"customer": "cus_none"})
    with pytest.raises(sdk.InvalidRequestError, match="Not a valid URL"):
        await client.v1.billing_portal.sessions.create_async(
            {"customer": customer.id, "return_url": "javascript:alert(1)"}
        )
    made = await client.v1.billing_portal.sessions.create_async(
        {"customer": customer.id, "return_url": "https://shop.example/billing"}
    )
    assert made.url.startswith(f"{stripe.url}/p/session/")
    assert made.flow is None


async def test_flows_are_for_that_customers_subscription_and_what_is_offered(stripe: StripeDouble) -> None:
    client = stripe.client()
    cheap, dear, hidden = await a_price(stripe, 100), await a_price(stripe, 200), await a_price(stripe, 300)
    held, other = await subscribed(stripe, cheap.id), await subscribed(stripe, cheap.id)
    await a_configuration(stripe, cheap, dear)

    async def confirm(subscription: dict[str, Any], price: str) -> Any:
        items = [{"id": subscription["items"]["data"][0]["id"], "price": price, "quantity": 1}]
        flow: Any = {
            "type": "subscription_update_confirm",
            "subscription_update_confirm": {"subscription": subscription["id"], "items": items},
        }
        return await client.v1.billing_portal.sessions.create_async({"customer": held["customer"], "flow_data": flow})

    assert (await confirm(held, dear.id)).flow.type == "subscription_update_confirm"
    with pytest.raises(sdk.InvalidRequestError, match="does not belong"):
        await confirm(other, dear.id)
    with pytest.raises(sdk.InvalidRequestError, match="cannot be chosen"):
        await confirm(held, hidden.id)
    with pytest.raises(sdk.InvalidRequestError, match="same as the current"):
        await confirm(held, cheap.id)
    wrong: Any = {"type": "subscription_cancel"}
    with pytest.raises(sdk.InvalidRequestError, match="needed by it"):
        await client.v1.billing_portal.sessions.create_async({"customer": held["customer"], "flow_data": wrong})


async def test_a_flow_of_a_feature_that_is_off_is_refused(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (price := await a_price(stripe)).id)
    await a_configuration(stripe, price, subscription_cancel={"enabled": False})
    flow: Any = {"type": "subscription_cancel", "subscription_cancel": {"subscription": held["id"]}}
    with pytest.raises(sdk.InvalidRequestError, match="disabled in your portal configuration"):
        await client.v1.billing_portal.sessions.create_async({"customer": held["customer"], "flow_data": flow})


async def test_plans_can_be_changed_only_where_cards_can(stripe: StripeDouble) -> None:
    price = await a_price(stripe)
    with pytest.raises(sdk.InvalidRequestError, match="while payment method update is disabled"):
        await a_configuration(stripe, price, payment_method_update={"enabled": False})


async def test_what_has_several_products_can_only_be_canceled_there(stripe: StripeDouble) -> None:
    client = stripe.client()
    meter = await client.v1.billing.meters.create_async(
        {"display_name": "Cost", "event_name": "cost", "default_aggregation": {"formula": "sum"}}
    )
    use = await a_price(stripe, 1, {"interval": "month", "usage_type": "metered", "meter": meter.id})
    base, dear = await a_price(stripe, 1000), await a_price(stripe, 2000)
    await a_configuration(stripe, base, dear)
    session = await a_session(stripe, base.id, line_items=[{"price": base.id, "quantity": 1}, {"price": use.id}])
    held = stripe.complete_checkout(session.id)
    items = [{"id": held["items"]["data"][0]["id"], "price": dear.id, "quantity": 1}]
    change: Any = {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": {"subscription": held["id"], "items": items},
    }
    with pytest.raises(sdk.InvalidRequestError, match="contains multiple products"):
        await client.v1.billing_portal.sessions.create_async({"customer": held["customer"], "flow_data": change})
    end: Any = {"type": "subscription_cancel", "subscription_cancel": {"subscription": held["id"]}}
    await client.v1.billing_portal.sessions.create_async({"customer": held["customer"], "flow_data": end})
