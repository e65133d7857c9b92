"""What happens to subscriptions over months, at the double and, where a test key is set, at Stripe itself.

The same steps at both: what the double answers is what Stripe answers, as far as the row depends on it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
import stripe as sdk
from pydantic import SecretStr

from konstruct.adapters.stripe import StripePayments
from konstruct.adapters.stripe_calls import API_VERSION, STRIPE, StripeCalls
from konstruct.adapters.stripe_catalog import StripeCatalog
from konstruct.billing import changing, checking_out, plans, subscriptions
from konstruct.billing.plans import Plan
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.stripe_double import stripe_double
from tests.support.till import BUYER, HOME, URLS, billed_tenant

KEY = os.environ.get("KONSTRUCT_TEST_STRIPE_KEY", "")
DAY = 86_400


@dataclass(frozen=True)
class Place:
    """An account at Stripe, or at what passes for it."""

    client: sdk.StripeClient
    calls: StripeCalls
    payments: StripePayments
    offered: list[Plan]
    database: Database
    tenant_id: UUID

    async def price(self, plan: str) -> str:
        [key] = [each.prices["month"].lookup_key for each in self.offered if each.key == plan]
        return (await self.client.v1.prices.list_async({"lookup_keys": [key]})).data[0].id

    async def sync(self) -> BillingAccount:
        return subscriptions.billed(await subscriptions.sync(self.database, self.payments, self.tenant_id))


@dataclass(frozen=True)
class Life:
    """A customer who lives by a clock of their own."""

    place: Place
    clock: str
    customer: str
    subscription: str

    async def go_on(self, *, days: int) -> BillingAccount:
        clocks = self.place.client.v1.test_helpers.test_clocks
        now = (await clocks.retrieve_async(self.clock)).frozen_time
        await clocks.advance_async(self.clock, {"frozen_time": now + days * DAY})
        # Stripe takes its time, and tells when it is done by an event, which does not come here.
        deadline = time.monotonic() + 110
        while (await clocks.retrieve_async(self.clock)).status != "ready":
            assert time.monotonic() < deadline, "the test clock does not get there"
            await asyncio.sleep(1)
        return await self.place.sync()

    async def pay_with(self, card: str) -> None:
        method = await self.place.client.v1.payment_methods.attach_async(card, {"customer": self.customer})
        await self.place.client.v1.customers.update_async(
            self.customer, {"invoice_settings": {"default_payment_method": method.id}}
        )


@pytest.fixture(params=["double", pytest.param("stripe", marks=pytest.mark.live_stripe)])
async def place(request: pytest.FixtureRequest, database: Database, vault: Vault) -> AsyncIterator[Place]:
    async with stripe_double() as double:
        key, url = (double.key, double.url) if request.param == "double" else (KEY, STRIPE)
        assert not key.startswith(("sk_live", "rk_live")), "KONSTRUCT_TEST_STRIPE_KEY must be a key of the test mode"
        http = sdk.HTTPXClient()
        client = sdk.StripeClient(key, stripe_version=API_VERSION, base_addresses={"api": url}, http_client=http)
        calls = StripeCalls(SecretStr(key), url)
        async with database.system_session() as session:
            offered = await plans.listed(session)
        await StripeCatalog(calls).sync(offered, is_check=False)
        yield Place(client, calls, StripePayments(calls), offered, database, await billed_tenant(database, vault))
        await calls.close()
        await http.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def life(place: Place) -> AsyncIterator[Life]:
    """On trial for the starter plan."""
    clock = await place.client.v1.test_helpers.test_clocks.create_async({"frozen_time": int(time.time())})
    customer = await place.client.v1.customers.create_async({"test_clock": clock.id, "email": BUYER.email})
    async with place.database.tenant_session(place.tenant_id) as session:
        subscriptions.billed(await subscriptions.locked(session)).customer_id = customer.id
    begun = Life(place, clock.id, customer.id, "")
    await begun.pay_with("pm_card_visa")
    made = await place.client.v1.subscriptions.create_async(
        {"customer": customer.id, "items": [{"price": await place.price("starter")}], "trial_period_days": 14}
    )
    yield Life(place, clock.id, customer.id, made.id)
    await place.client.v1.test_helpers.test_clocks.delete_async(clock.id)


@pytest.mark.timeout(600)
async def test_trial_paid_upgraded_canceled_and_ended(life: Life) -> None:
    place = life.place
    trial = await place.sync()
    paid = await life.go_on(days=15)
    later = await life.go_on(days=10)
    assert (trial.status, trial.plan, trial.had_trial) == ("trialing", "starter", True)
    assert (paid.status, paid.detail["invoice"]["amount_paid"]) == ("active", 4_900)
    assert paid.detail["card"] == {"brand": "visa", "last4": "4242"}

    assert later.period_end is not None
    at = later.period_end - timedelta(days=20)
    shown = await changing.preview(place.database, place.payments, place.tenant_id, "pro", "month", now=at)
    following = await changing.next_invoice(place.database, place.payments, place.tenant_id)
    assert shown.due == sum(line.amount for line in shown.lines) > 0
    assert following is not None
    assert (following.due, following.at) == (4_900, later.period_end)
    [item] = (await place.client.v1.subscriptions.retrieve_async(life.subscription)).items.data
    await place.client.v1.subscriptions.update_async(
        life.subscription,
        {
            "items": [{"id": item.id, "price": await place.price("pro")}],
            "proration_behavior": "always_invoice",
            "proration_date": int(at.timestamp()),
        },
    )
    upgraded = await place.sync()
    assert (upgraded.plan, upgraded.detail["invoice"]["amount_paid"]) == ("pro", shown.due)

    await place.client.v1.subscriptions.update_async(life.subscription, {"cancel_at_period_end": True})
    ending = await place.sync()
    resumed = await changing.resume(place.database, place.payments, place.tenant_id, actor="user:ada")
    await place.client.v1.subscriptions.update_async(life.subscription, {"cancel_at": "max_period_end"})
    again = await place.sync()
    ended = await life.go_on(days=25)
    assert (ending.status, ending.ends_at, resumed.ends_at, again.ends_at) == (
        "active",
        upgraded.period_end,
        None,
        upgraded.period_end,
    )
    assert (ended.status, ended.plan) == ("canceled", "pro")


@pytest.mark.timeout(600)
async def test_a_payment_fails_and_is_made_good(life: Life) -> None:
    await life.go_on(days=15)
    await life.pay_with("pm_card_chargeCustomerFail")
    failed = await life.go_on(days=32)
    assert (failed.status, failed.detail["invoice"]["status"]) == ("past_due", "open")
    assert failed.past_due_since == failed.period_start

    await life.pay_with("pm_card_visa")
    await life.place.client.v1.invoices.pay_async(failed.detail["invoice"]["id"])
    healed = await life.place.sync()
    assert (healed.status, healed.past_due_since) == ("active", None)
    assert [each.status for each in await life.place.payments.invoices(life.customer)] == ["paid"] * 3


@pytest.mark.timeout(600)
async def test_pages_are_opened_and_closed(place: Place) -> None:
    earlier = await checking_out.open(place.database, place.payments, place.tenant_id, "starter", "month", BUYER, URLS)
    later = await checking_out.open(place.database, place.payments, place.tenant_id, "pro", "year", BUYER, URLS)
    states = [(await place.payments.checkout(each.id)).status for each in (earlier, later)]
    assert states == ["expired", "open"]
    assert earlier.url.startswith("http")
    home = await changing.portal(
        place.database, place.payments, place.tenant_id, "card", actor="user:ada", return_url=HOME
    )
    assert home.url.startswith("http")


@pytest.mark.timeout(600)
async def test_the_portal_takes_somebody_to_a_change(life: Life) -> None:
    place = life.place
    await place.sync()
    for kind, plan in (("change", "pro"), ("cancel", None), ("home", None)):
        opened = await changing.portal(
            *(place.database, place.payments, place.tenant_id, kind),  # type: ignore[arg-type]
            actor="user:ada",
            return_url=HOME,
            plan_key=plan,
            every="month",
        )
        assert opened.url.startswith("http")


@pytest.mark.timeout(600)
async def test_use_that_stripe_has_counted_counts_as_sent(place: Place) -> None:
    name = "konstruct_test_models"
    meters = place.client.v1.billing.meters
    if not [each async for each in (await meters.list_async({})).auto_paging_iter() if each.event_name == name]:
        await meters.create_async(
            {"display_name": "Tests", "event_name": name, "default_aggregation": {"formula": "sum"}}
        )
    customer = await place.client.v1.customers.create_async({"email": BUYER.email})
    identifier, now = new_id(), utc_now()
    await place.payments.meter(name, customer.id, 120, identifier=identifier, at=now)
    await place.payments.meter(name, customer.id, 120, identifier=identifier, at=now)
    # Not a replay of ours: Stripe itself refuses the identifier, and that counts as sent.
    await place.payments.meter(name, customer.id, 120, identifier=identifier, at=now - timedelta(seconds=5))
    await place.client.v1.customers.delete_async(customer.id)


@pytest.mark.timeout(600)
async def test_the_catalog_is_as_the_plans_say(place: Place) -> None:
    differences = await StripeCatalog(place.calls).sync(place.offered, is_check=True)
    assert {each.sign for each in differences} == {"="}
