"""The Stripe double's hosted pages in a real Chromium without scripts: Checkout, the Billing Portal, an invoice."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.checking import DESK, TELEPHONE
from tests.support.stripe_double import StripeDouble, stripe_double
from tests.support_tests.stripe_shop import a_price, a_session, subscribed
from tests.support_tests.test_stripe_portal import a_configuration


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    async with stripe_double() as double:
        double.clock.freeze(1_800_000_000)
        yield double


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(java_script_enabled=False, viewport=DESK)
    context.set_default_timeout(15_000)
    yield await context.new_page()
    await context.close()


async def fill_card(page: Page, number: str) -> None:
    await page.get_by_label("Card number").fill(number)
    await page.get_by_label("Expiration").fill("12 / 40")
    await page.get_by_label("CVC").fill("123")
    await page.get_by_label("Cardholder name").fill("Ada Lovelace")


async def portal_of(stripe: StripeDouble, held: dict[str, Any], **more: Any) -> str:
    wanted: Any = {"customer": held["customer"], "return_url": f"{stripe.url}/double/back", **more}
    return (await stripe.client().v1.billing_portal.sessions.create_async(wanted)).url


async def test_somebody_subscribes_after_two_cards_that_do_not_work(stripe: StripeDouble, visitor: Page) -> None:
    price = await a_price(stripe)
    session = await a_session(stripe, price.id, subscription_data={"trial_period_days": 14})
    await visitor.goto(session.url or "")
    await expect(visitor.get_by_text("14 days free")).to_be_visible()
    await expect(visitor.get_by_text("Total due today $0.00")).to_be_visible()
    await expect(visitor.get_by_label("Email")).to_have_value("ada@example.com")
    for number, told in (
        ("4242 4242 4242 4241", "Your card number is invalid."),
        ("4000 0000 0000 0002", "Your card was declined."),
    ):
        await fill_card(visitor, number)
        await visitor.get_by_role("button", name="Start trial").click()
        await expect(visitor.get_by_role("alert")).to_have_text(told)
    assert stripe.all("subscription") == []
    assert stripe.all("payment_method") == []
    await fill_card(visitor, "4242 4242 4242 4242")
    await visitor.get_by_role("button", name="Start trial").click()
    await visitor.wait_for_url(f"{stripe.url}/double/done?session={session.id}")
    [held] = stripe.all("subscription")
    assert held["status"] == "trialing"
    found = await stripe.client().v1.checkout.sessions.retrieve_async(session.id, {"expand": ["subscription"]})
    assert (found.status, found.subscription.id, found.url) == ("complete", held["id"], None)  # type: ignore[union-attr]
    await visitor.goto(f"{stripe.url}/c/pay/{session.id}")
    await expect(visitor.get_by_role("heading", name="You're all done here")).to_be_visible()


async def test_back_leads_back_and_nothing_happened(stripe: StripeDouble, visitor: Page) -> None:
    session = await a_session(stripe, (await a_price(stripe)).id)
    await visitor.goto(session.url or "")
    await visitor.get_by_role("link", name="Back").click()
    await visitor.wait_for_url(f"{stripe.url}/double/back")
    assert stripe.get(session.id)["status"] == "open"
    gone = await a_session(stripe, (await a_price(stripe)).id)
    await stripe.client().v1.customers.delete_async(str(gone.customer))
    await visitor.goto(gone.url or "")
    await visitor.get_by_label("Email").fill("ada@example.com")
    await fill_card(visitor, "4242424242424242")
    await visitor.get_by_role("button", name="Subscribe").click()
    await expect(visitor.get_by_role("alert")).to_contain_text("No such customer")
    await stripe.client().v1.checkout.sessions.expire_async(session.id)
    await visitor.goto(session.url or "")
    await expect(visitor.get_by_text("has expired")).to_be_visible()
    await visitor.set_viewport_size(TELEPHONE)
    assert stripe.all("subscription") == []


async def test_a_card_that_fails_later_is_replaced_and_what_is_open_paid(stripe: StripeDouble, visitor: Page) -> None:
    held = await subscribed(stripe, (price := await a_price(stripe)).id, card="4000000000000341", trial_period_days=7)
    await a_configuration(stripe, price)
    stripe.clock.advance_past_period(held["id"])
    await visitor.goto(await portal_of(stripe, held))
    await expect(visitor.get_by_text("past_due")).to_be_visible()
    await expect(visitor.get_by_text("•••• 0341")).to_be_visible()
    await visitor.get_by_role("button", name="Pay now").click()
    await expect(visitor.get_by_role("alert")).to_have_text("Your card was declined.")
    await visitor.get_by_role("link", name="Back to billing").click()
    await visitor.get_by_role("link", name="Update payment method").click()
    await fill_card(visitor, "5555555555554444")
    await visitor.get_by_role("button", name="Save").click()
    await expect(visitor.get_by_text("Mastercard •••• 4444")).to_be_visible()
    await visitor.get_by_role("button", name="Pay now").click()
    await expect(visitor.get_by_role("button", name="Pay now")).to_have_count(0)
    assert stripe.get(held["id"])["status"] == "active"
    await visitor.get_by_role("link", name="Return to the shop").click()
    await visitor.wait_for_url(f"{stripe.url}/double/back")


async def test_an_upgrade_is_confirmed_with_what_is_due_now(stripe: StripeDouble, visitor: Page) -> None:
    held = await subscribed(stripe, (cheap := await a_price(stripe, 4900)).id)
    dear = await a_price(stripe, 19900)
    await a_configuration(stripe, cheap, dear)
    [item] = held["items"]["data"]
    stripe.clock.advance(seconds=(item["current_period_end"] - item["current_period_start"]) // 4)
    flow = {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": {
            "subscription": held["id"],
            "items": [{"id": item["id"], "price": dear.id, "quantity": 1}],
        },
        "after_completion": {"type": "redirect", "redirect": {"return_url": f"{stripe.url}/double/upgraded"}},
    }
    url = await portal_of(stripe, held, flow_data=flow)
    stripe.decline(held["customer"])
    await visitor.goto(url)
    await expect(visitor.get_by_text("Amount due today $112.50")).to_be_visible()
    await visitor.get_by_role("button", name="Confirm").click()
    await expect(visitor.get_by_role("alert")).to_have_text("Your card was declined.")
    assert stripe.get(held["id"])["items"]["data"][0]["price"]["id"] == cheap.id
    stripe.accept(held["customer"])
    await visitor.get_by_role("button", name="Confirm").click()
    await visitor.wait_for_url(f"{stripe.url}/double/upgraded")
    after = stripe.get(held["id"])
    assert after["items"]["data"][0]["price"]["id"] == dear.id
    assert stripe.get(after["latest_invoice"])["amount_paid"] == 11250


async def test_a_downgrade_waits_for_the_end_of_the_period(stripe: StripeDouble, visitor: Page) -> None:
    cheap, dear = await a_price(stripe, 4900), await a_price(stripe, 19900)
    held = await subscribed(stripe, dear.id)
    await a_configuration(stripe, cheap, dear)

    async def choose() -> None:
        await visitor.get_by_role("link", name="Update subscription").click()
        await expect(visitor.get_by_label("Plan at 19900, $199.00 per month (current plan)")).to_be_disabled()
        await visitor.get_by_label("Plan at 4900, $49.00 per month").check()
        await visitor.get_by_role("button", name="Continue").click()
        await expect(visitor.get_by_text("Nothing is due today")).to_be_visible()
        await visitor.get_by_role("button", name="Confirm").click()
        await expect(visitor.get_by_text("Changes to Plan at 4900 on")).to_be_visible()

    await visitor.goto(await portal_of(stripe, held))
    await choose()
    await visitor.get_by_role("button", name="Keep current plan").click()
    await expect(visitor.get_by_text("Changes to")).to_have_count(0)
    assert stripe.get(held["id"])["schedule"] is None
    await choose()
    stripe.clock.advance_past_period(held["id"])
    after = stripe.get(held["id"])
    assert after["items"]["data"][0]["price"]["id"] == cheap.id
    assert stripe.get(after["latest_invoice"])["amount_paid"] == 4900


@pytest.mark.parametrize("mode", ["flexible", "classic"])
async def test_a_cancellation_is_for_the_end_and_can_be_taken_back(
    stripe: StripeDouble, visitor: Page, mode: str
) -> None:
    stripe.rules.billing_mode = mode
    held = await subscribed(stripe, (price := await a_price(stripe)).id)
    await a_configuration(stripe, price)
    flow = {"type": "subscription_cancel", "subscription_cancel": {"subscription": held["id"]}}
    await visitor.goto(await portal_of(stripe, held, flow_data=flow))
    await visitor.get_by_role("button", name="Cancel subscription").click()
    await expect(visitor.get_by_text("Cancels on")).to_be_visible()
    after = stripe.get(held["id"])
    assert after["cancel_at"] == held["items"]["data"][0]["current_period_end"]
    # In flexible mode Stripe's portal sets the moment alone.
    assert after["cancel_at_period_end"] is (mode == "classic")
    await visitor.get_by_role("button", name="Don't cancel subscription").click()
    await expect(visitor.get_by_role("link", name="Cancel subscription")).to_be_visible()
    assert stripe.get(held["id"])["cancel_at"] is None
    await visitor.get_by_role("link", name="Cancel subscription").click()
    await visitor.get_by_role("button", name="Cancel subscription").click()
    stripe.clock.advance_past_period(held["id"])
    assert stripe.get(held["id"])["status"] == "canceled"


async def test_an_invoice_is_paid_on_its_own_page(stripe: StripeDouble, visitor: Page) -> None:
    held = await subscribed(stripe, (await a_price(stripe)).id, card="4000000000000341", trial_period_days=7)
    stripe.clock.advance_past_period(held["id"])
    invoice = stripe.get(stripe.get(held["id"])["latest_invoice"])
    await visitor.goto(invoice["hosted_invoice_url"])
    await fill_card(visitor, "4242424242424242")
    await visitor.get_by_role("button", name="Pay").click()
    await expect(visitor.get_by_text("Paid")).to_be_visible()
    assert stripe.get(held["id"])["status"] == "active"


async def test_the_link_of_one_customer_shows_nothing_of_another(stripe: StripeDouble, visitor: Page) -> None:
    price = await a_price(stripe)
    one, other = await subscribed(stripe, price.id), await subscribed(stripe, price.id)
    await a_configuration(stripe, price)
    url = await portal_of(stripe, one)
    answer = await visitor.goto(f"{url}/subscriptions/{other['id']}/cancel")
    assert answer is not None
    assert answer.status == 404
    answer = await visitor.goto(f"{url}/invoices/{other['latest_invoice']}/pay")
    assert answer is not None
    assert answer.status == 404


async def test_a_change_in_the_portal_ends_the_trial(stripe: StripeDouble, visitor: Page) -> None:
    held = await subscribed(stripe, (cheap := await a_price(stripe, 4900)).id, trial_period_days=14)
    dear = await a_price(stripe, 19900)
    await a_configuration(stripe, cheap, dear)
    stripe.clock.advance(days=2)
    await visitor.goto(await portal_of(stripe, held))
    await visitor.get_by_role("link", name="Update subscription").click()
    await visitor.get_by_label("Plan at 19900").check()
    await visitor.get_by_role("button", name="Continue").click()
    await expect(visitor.get_by_text("Amount due today $199.00")).to_be_visible()
    await visitor.get_by_role("button", name="Confirm").click()
    await expect(visitor.get_by_text("active")).to_be_visible()
    after = stripe.get(held["id"])
    assert (after["status"], after["trial_end"]) == ("active", stripe.clock.now)
    assert stripe.get(after["latest_invoice"])["amount_paid"] == 19900


async def test_a_second_flow_to_a_cheaper_plan_is_put_behind_the_first(stripe: StripeDouble, visitor: Page) -> None:
    least, cheap, dear = [await a_price(stripe, amount) for amount in (900, 4900, 19900)]
    held = await subscribed(stripe, dear.id)
    await a_configuration(stripe, least, cheap, dear)
    for price in (cheap, least):
        items = [{"id": held["items"]["data"][0]["id"], "price": price.id, "quantity": 1}]
        flow = {
            "type": "subscription_update_confirm",
            "subscription_update_confirm": {"subscription": held["id"], "items": items},
        }
        await visitor.goto(await portal_of(stripe, held, flow_data=flow))
        await visitor.get_by_role("button", name="Confirm").click()
        await expect(visitor.get_by_text("Changes to Plan at 4900 on")).to_be_visible()
    # Its home offers to keep the plan, and nothing else, while a change is to come.
    await expect(visitor.get_by_role("link", name="Update subscription")).to_have_count(0)
    paid = []
    for _ in range(3):
        stripe.clock.advance_past_period(held["id"])
        paid.append(stripe.get(stripe.get(held["id"])["latest_invoice"])["amount_paid"])
    assert paid == [4900, 900, 900]
    assert stripe.get(held["id"])["schedule"] is None
