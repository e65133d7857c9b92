"""What becomes of a subscription in the Stripe double: trials, renewals, changes, failed payments and ends."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe as sdk

from tests.support.stripe_double import Rules, StripeDouble, stripe_double
from tests.support_tests.stripe_shop import YEAR, a_price, a_session, kinds, subscribed

DAY = 86_400


async def look(stripe: StripeDouble, held: dict[str, Any]) -> Any:
    return await stripe.client().v1.subscriptions.retrieve_async(held["id"], {"expand": ["latest_invoice"]})


async def test_a_trial_ends_in_a_paid_month(stripe: StripeDouble) -> None:
    held = await subscribed(stripe, (await a_price(stripe)).id, trial_period_days=14)
    assert held["status"] == "trialing"
    assert held["trial_end"] == stripe.clock.now + 14 * DAY
    assert (await look(stripe, held)).latest_invoice.amount_due == 0
    stripe.clock.advance(days=11)
    assert kinds(stripe)[-1] == "customer.subscription.trial_will_end"
    stripe.clock.advance(days=3)
    # The invoice is a draft for an hour.
    found = await look(stripe, held)
    assert (found.status, found.latest_invoice.status) == ("active", "draft")
    stripe.clock.advance(hours=1)
    found = await look(stripe, held)
    assert (found.status, found.latest_invoice.status, found.latest_invoice.amount_paid) == ("active", "paid", 4900)
    assert found.latest_invoice.parent.subscription_details.subscription == held["id"]
    assert found.latest_invoice.billing_reason == "subscription_cycle"


async def test_months_keep_the_day_they_began_on(stripe: StripeDouble) -> None:
    stripe.clock.freeze(int(datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp()))
    held = await subscribed(stripe, (await a_price(stripe)).id)
    ends = []
    for _ in range(3):
        [item] = stripe.get(held["id"])["items"]["data"]
        ends.append(datetime.fromtimestamp(item["current_period_end"], UTC).strftime("%m-%d %H"))
        stripe.clock.advance_past_period(held["id"])
    assert ends == ["02-28 12", "03-31 12", "04-30 12"]


async def test_an_upgrade_is_prorated_to_the_second_as_its_preview_said(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe, 4900)).id)
    dear = await a_price(stripe, 19900)
    [item] = held["items"]["data"]
    length = item["current_period_end"] - item["current_period_start"]
    moment = stripe.clock.advance(seconds=length // 4)
    items: Any = [{"id": item["id"], "price": dear.id}]
    preview = await client.v1.invoices.create_preview_async(
        {
            "subscription": held["id"],
            "subscription_details": {
                "items": items,
                "proration_behavior": "always_invoice",
                "proration_date": moment,
            },
        }
    )
    assert [line.amount for line in preview.lines.data] == [-3675, 14925]
    assert preview.amount_due == 11250
    found = await client.v1.subscriptions.update_async(
        held["id"],
        {
            "items": items,
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
            "proration_date": moment,
            "expand": ["latest_invoice"],
        },
    )
    assert found["items"].data[0].price.id == dear.id
    assert found.latest_invoice.amount_paid == 11250  # type: ignore[union-attr]
    assert found.latest_invoice.billing_reason == "subscription_update"  # type: ignore[union-attr]


async def test_a_change_that_is_not_paid_stays_pending_until_it_is(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (cheap := await a_price(stripe, 4900)).id)
    dear = await a_price(stripe, 19900)
    stripe.clock.advance(days=10)
    stripe.decline(held["customer"])
    change: Any = {
        "items": [{"id": held["items"]["data"][0]["id"], "price": dear.id}],
        "payment_behavior": "pending_if_incomplete",
        "proration_behavior": "always_invoice",
    }
    found = await client.v1.subscriptions.update_async(held["id"], change)
    assert found["items"].data[0].price.id == cheap.id
    assert found.status == "active"
    assert found.pending_update is not None
    invoice: Any = found.latest_invoice
    with pytest.raises(sdk.CardError):
        await client.v1.invoices.pay_async(invoice)
    stripe.accept(held["customer"])
    await client.v1.invoices.pay_async(invoice)
    found = await look(stripe, held)
    assert found["items"].data[0].price.id == dear.id
    assert found.pending_update is None
    with pytest.raises(sdk.InvalidRequestError, match="already paid"):
        await client.v1.invoices.pay_async(invoice)


async def test_a_pending_change_is_gone_after_23_hours(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (cheap := await a_price(stripe, 4900)).id)
    dear = await a_price(stripe, 19900)
    stripe.decline(held["customer"])
    stripe.clock.advance(days=1)
    change: Any = {
        "items": [{"id": held["items"]["data"][0]["id"], "price": dear.id}],
        "payment_behavior": "pending_if_incomplete",
        "proration_behavior": "always_invoice",
    }
    invoice: Any = (await client.v1.subscriptions.update_async(held["id"], change)).latest_invoice
    stripe.clock.advance(hours=23)
    found = await look(stripe, held)
    assert found.pending_update is None
    assert found["items"].data[0].price.id == cheap.id
    assert stripe.get(invoice)["status"] == "void"
    with pytest.raises(sdk.InvalidRequestError, match="does not support it"):
        await client.v1.subscriptions.update_async(held["id"], change | {"metadata": {"a": "b"}})


async def test_another_interval_begins_a_new_period(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe, 4900)).id)
    yearly = await a_price(stripe, 49000, YEAR)
    moment = stripe.clock.advance(days=10)
    found = await client.v1.subscriptions.update_async(
        held["id"],
        {"items": [{"id": held["items"]["data"][0]["id"], "price": yearly.id}], "expand": ["latest_invoice"]},
    )
    item = found["items"].data[0]
    assert (item.current_period_start, item.current_period_end) == (moment, moment + 365 * DAY)
    assert found.billing_cycle_anchor == moment
    amounts = [line.amount for line in found.latest_invoice.lines.data]  # type: ignore[union-attr]
    assert amounts[0] < 0
    assert amounts[1:] == [49000]


async def test_a_failed_renewal_is_tried_again_and_then_given_up(stripe: StripeDouble) -> None:
    held = await subscribed(stripe, (await a_price(stripe)).id)
    stripe.decline(held["customer"])
    stripe.clock.advance_past_period(held["id"])
    found = await look(stripe, held)
    assert (found.status, found.latest_invoice.status, found.latest_invoice.attempt_count) == ("past_due", "open", 1)
    assert kinds(stripe).count("invoice.payment_failed") == 1
    stripe.clock.advance(days=3)
    assert (await look(stripe, held)).latest_invoice.attempt_count == 2
    stripe.clock.advance(days=12)
    found = await look(stripe, held)
    assert (found.status, found.cancellation_details.reason) == ("canceled", "payment_failed")
    assert kinds(stripe)[-1] == "customer.subscription.deleted"


async def test_paying_makes_it_active_again(stripe: StripeDouble) -> None:
    held = await subscribed(stripe, (await a_price(stripe)).id, card="4000000000000341", trial_period_days=7)
    stripe.clock.advance_past_period(held["id"])
    assert (await look(stripe, held)).status == "past_due"
    stripe.give_card(held["customer"])
    assert (await look(stripe, held)).status == "past_due"
    stripe.clock.advance(days=3)
    found = await look(stripe, held)
    assert (found.status, found.latest_invoice.status) == ("active", "paid")


async def test_after_the_retries_it_may_be_unpaid() -> None:
    async with stripe_double(rules=Rules(after_retries="unpaid", retry_days=(1,))) as stripe:
        held = await subscribed(stripe, (await a_price(stripe)).id)
        stripe.decline(held["customer"])
        stripe.clock.advance_past_period(held["id"])
        stripe.clock.advance(days=2)
        assert stripe.get(held["id"])["status"] == "unpaid"
        stripe.clock.advance_past_period(held["id"])
        found = await look(stripe, held)
        assert (found.status, found.latest_invoice.status) == ("unpaid", "draft")
        stripe.accept(held["customer"])
        await stripe.client().v1.invoices.pay_async(found.latest_invoice.id)
        assert stripe.get(held["id"])["status"] == "active"


@pytest.mark.parametrize(
    ("choice", "status"), [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")]
)
async def test_a_trial_without_a_card_ends_as_it_was_set(stripe: StripeDouble, choice: str, status: str) -> None:
    data = {"trial_period_days": 7, "trial_settings": {"end_behavior": {"missing_payment_method": choice}}}
    price = await a_price(stripe)
    session = await a_session(stripe, price.id, payment_method_collection="if_required", subscription_data=data)
    held = stripe.complete_checkout(session.id)
    assert held["default_payment_method"] is None
    stripe.clock.advance_past_period(held["id"])
    assert stripe.get(held["id"])["status"] == status
    if status == "paused":
        stripe.give_card(held["customer"])
        found = await stripe.client().v1.subscriptions.resume_async(held["id"])
        assert found.status == "active"


async def test_it_ends_with_its_period_unless_that_is_taken_back(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe)).id)
    found = await client.v1.subscriptions.update_async(held["id"], {"cancel_at_period_end": True})
    assert found.cancel_at == found["items"].data[0].current_period_end
    found = await client.v1.subscriptions.update_async(held["id"], {"cancel_at_period_end": False})
    assert (found.cancel_at, found.canceled_at) == (None, None)
    await client.v1.subscriptions.update_async(held["id"], {"cancel_at": "max_period_end"})
    stripe.clock.advance_past_period(held["id"])
    found = await look(stripe, held)
    assert (found.status, found.ended_at) == ("canceled", held["items"]["data"][0]["current_period_end"])
    assert (await client.v1.subscriptions.list_async({"customer": held["customer"]})).data == []
    assert len((await client.v1.subscriptions.list_async({"customer": held["customer"], "status": "all"})).data) == 1
    with pytest.raises(sdk.InvalidRequestError):
        await client.v1.subscriptions.update_async(held["id"], {"cancel_at_period_end": False})


async def test_a_schedule_changes_the_price_at_the_end_of_the_period(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (dear := await a_price(stripe, 19900)).id)
    cheap = await a_price(stripe, 4900)
    schedule = await client.v1.subscription_schedules.create_async({"from_subscription": held["id"]})
    phase = schedule.phases[0]
    await client.v1.subscription_schedules.update_async(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [{"price": dear.id, "quantity": 1}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {"items": [{"price": cheap.id, "quantity": 1}], "proration_behavior": "none"},
            ],
        },
    )
    assert stripe.get(held["id"])["schedule"] == schedule.id
    with pytest.raises(sdk.InvalidRequestError, match="managed by the subscription schedule"):
        await client.v1.subscriptions.update_async(held["id"], {"cancel_at_period_end": True})
    stripe.clock.advance_past_period(held["id"])
    found = await look(stripe, held)
    assert found["items"].data[0].price.id == cheap.id
    assert found.latest_invoice.amount_paid == 4900
    stripe.clock.advance_past_period(held["id"])
    assert stripe.get(held["id"])["schedule"] is None
    assert stripe.get(schedule.id)["status"] == "released"


async def test_use_is_on_the_invoice_after_its_period(stripe: StripeDouble) -> None:
    client = stripe.client()
    meter = await client.v1.billing.meters.create_async(
        {"display_name": "Cost", "event_name": "cost", "default_aggregation": {"formula": "sum"}}
    )
    metered: Any = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    use = await a_price(stripe, 2, metered)
    base = await a_price(stripe, 1000)
    lines: Any = [{"price": base.id, "quantity": 1}, {"price": use.id}]
    session = await a_session(stripe, base.id, line_items=lines)
    held = stripe.complete_checkout(session.id)
    stripe.clock.advance(days=5)
    for number in range(3):
        await client.v1.billing.meter_events.create_async(
            {
                "event_name": "cost",
                "identifier": str(number),
                "payload": {"stripe_customer_id": held["customer"], "value": "100"},
            }
        )
    preview = await client.v1.invoices.create_preview_async({"subscription": held["id"]})
    assert preview.amount_due == 1600
    stripe.clock.advance_past_period(held["id"])
    assert (await look(stripe, held)).latest_invoice.amount_paid == 1600


async def test_a_test_clock_moves_its_own_customers_alone(stripe: StripeDouble) -> None:
    client = stripe.client()
    price = await a_price(stripe)
    clock = await client.v1.test_helpers.test_clocks.create_async({"frozen_time": 1_700_000_000})
    customer = await client.v1.customers.create_async(
        {"test_clock": clock.id, "payment_method": "pm_card_visa", "email": "eve@example.com"}
    )
    [card] = (await client.v1.customers.payment_methods.list_async(customer.id)).data
    await client.v1.customers.update_async(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    made = await client.v1.subscriptions.create_async({"customer": customer.id, "items": [{"price": price.id}]})
    other = await subscribed(stripe, price.id)
    assert (made.status, made.start_date) == ("active", 1_700_000_000)
    ends = made["items"].data[0].current_period_end
    advancing = await client.v1.test_helpers.test_clocks.advance_async(clock.id, {"frozen_time": ends + 3600})
    assert advancing.status == "advancing"
    assert (await client.v1.test_helpers.test_clocks.retrieve_async(clock.id)).status == "ready"
    assert len(stripe.all("invoice", customer=customer.id)) == 2
    assert len(stripe.all("invoice", customer=other["customer"])) == 1
    for _ in range(2):
        await client.v1.customers.create_async({"test_clock": clock.id})
    with pytest.raises(sdk.InvalidRequestError, match="at most 3 customers"):
        await client.v1.customers.create_async({"test_clock": clock.id})
    for wrong in (ends, ends + 100 * DAY):
        with pytest.raises(sdk.InvalidRequestError):
            await client.v1.test_helpers.test_clocks.advance_async(clock.id, {"frozen_time": wrong})


async def test_more_given_back_than_charged_is_credit(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe, 19900)).id)
    cheap = await a_price(stripe, 4900)
    items: Any = [{"id": held["items"]["data"][0]["id"], "price": cheap.id}]
    await client.v1.subscriptions.update_async(held["id"], {"items": items, "proration_behavior": "always_invoice"})
    assert stripe.get(held["customer"])["balance"] == -15000
    stripe.clock.advance_past_period(held["id"])
    assert (await look(stripe, held)).latest_invoice.amount_due == 0
    assert stripe.get(held["customer"])["balance"] == -10100


@pytest.mark.parametrize(("behavior", "status"), [("void", "void"), ("keep_as_draft", "draft")])
async def test_while_collection_is_paused_nothing_is_charged(stripe: StripeDouble, behavior: Any, status: str) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe)).id)
    [item] = held["items"]["data"]
    resumes = item["current_period_end"] + 10 * DAY
    await client.v1.subscriptions.update_async(
        held["id"], {"pause_collection": {"behavior": behavior, "resumes_at": resumes}}
    )
    stripe.clock.advance_past_period(held["id"])
    found = await look(stripe, held)
    assert (found.status, found.latest_invoice.status) == ("active", status)
    stripe.clock.advance_past_period(held["id"])
    found = await look(stripe, held)
    assert (found.pause_collection, found.latest_invoice.status) == (None, "paid")


async def test_a_first_payment_that_fails_leaves_it_incomplete_for_a_day(stripe: StripeDouble) -> None:
    client = stripe.client()
    price = await a_price(stripe)
    customer = await client.v1.customers.create_async({"payment_method": "pm_card_chargeCustomerFail"})
    [card] = (await client.v1.customers.payment_methods.list_async(customer.id)).data
    wanted: Any = {"customer": customer.id, "items": [{"price": price.id}], "default_payment_method": card.id}
    with pytest.raises(sdk.CardError) as refused:
        await client.v1.subscriptions.create_async(wanted | {"payment_behavior": "error_if_incomplete"})
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    made = await client.v1.subscriptions.create_async(wanted)
    assert made.status == "incomplete"
    stripe.clock.advance(hours=23)
    assert stripe.get(made.id)["status"] == "incomplete_expired"


async def test_prorations_may_wait_for_the_next_invoice(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe, 4900)).id)
    dear = await a_price(stripe, 19900)
    [item] = held["items"]["data"]
    half = (item["current_period_end"] - item["current_period_start"]) // 2
    stripe.clock.advance(seconds=half)
    await client.v1.subscriptions.update_async(held["id"], {"items": [{"id": item["id"], "price": dear.id}]})
    assert len(stripe.all("invoice")) == 1
    preview = await client.v1.invoices.create_preview_async({"subscription": held["id"]})
    stripe.clock.advance_past_period(held["id"])
    found = await look(stripe, held)
    assert [line.amount for line in found.latest_invoice.lines.data] == [-2450, 9950, 19900]
    assert preview.amount_due == found.latest_invoice.amount_paid == 27400


async def test_there_is_no_next_invoice_of_what_ends(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe)).id)
    assert (await client.v1.invoices.create_preview_async({"subscription": held["id"]})).amount_due == 4900
    await client.v1.subscriptions.update_async(held["id"], {"cancel_at_period_end": True})
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.invoices.create_preview_async({"subscription": held["id"]})
    assert refused.value.code == "invoice_upcoming_none"


async def test_a_canceled_subscription_stays_so(stripe: StripeDouble) -> None:
    client = stripe.client()
    held = await subscribed(stripe, (await a_price(stripe)).id)
    assert (await client.v1.subscriptions.cancel_async(held["id"])).status == "canceled"
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.subscriptions.cancel_async(held["id"])
    assert refused.value.code == "resource_missing"
    stripe.clock.advance(days=100)
    assert len(stripe.all("invoice")) == 1
