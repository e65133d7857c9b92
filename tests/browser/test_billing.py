"""A business from its founding to the end of what it paid for, in a real browser, at a Stripe that checks what Stripe
checks: its webhooks arrive at a real gateway, and a real worker looks there."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import select, update
from temporalio.client import Client

from activities.billing import Billing
from gateway import app as gateway_app
from konstruct import temporal
from konstruct.contracts.billing import workflow_id
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from portal.app import build
from tests.browser.checking import DESK, check_page, listen
from tests.browser.test_accounts import link_to
from tests.support.http import serve
from tests.support.members import PASSWORD
from tests.support.ports import free_ports
from tests.support.stripe_double import StripeDouble
from tests.support.till import open_payments, stocked_stripe
from tests.support.workers import polling
from workflows.queues import billing_worker

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@dataclass
class Journey:
    page: Page
    stripe: StripeDouble
    client: Client
    database: Database
    vault: Vault
    base: str = ""
    """Of the business's pages."""
    tenant_id: UUID | None = None

    async def sign_up(self) -> None:
        page, address = self.page, f"nora-{secrets.token_hex(5)}@example.com"
        await page.goto("/sign-up")
        await page.get_by_label("Your name").fill("Nora Lind")
        await page.get_by_label("Work e-mail").fill(address)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_label("Business").fill("Lind Bikes")
        await page.get_by_role("button", name="Sign up").click()
        await expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
        await page.goto(await link_to(self.database, self.vault, address))
        await page.get_by_role("button", name="Open my account").click()
        await expect(page).to_have_url(re.compile(r"/t/lind-bikes[-0-9a-f]*/"))
        found = re.search(r"/t/([^/]+)", page.url)
        assert found
        self.base = f"/t/{found[1]}"
        async with self.database.system_session() as session:
            self.tenant_id = await session.scalar(text("select find_tenant(:slug)"), {"slug": found[1]})

    async def open(self, path: str = "/billing") -> None:
        await self.page.goto(self.base + path)

    async def click(self, name: str, role: str = "button") -> None:
        await self.page.get_by_role("link" if role == "link" else "button", name=name, exact=True).first.click()

    async def fill_in_card(self) -> None:
        await self.page.get_by_label("Card number").fill("4242 4242 4242 4242")
        await self.page.get_by_label("Expiration").fill("12 / 40")
        await self.page.get_by_label("CVC").fill("123")
        await self.page.get_by_label("Cardholder name").fill("Nora Lind")

    async def hire(self, name: str) -> None:
        await self.open("/employees/new")
        await self.page.get_by_role("textbox", name="Name").fill(name)
        await self.click("Create draft")

    async def is_hired(self, name: str) -> None:
        await self.hire(name)
        await expect(self.page.get_by_text("The employee is a draft now.")).to_be_visible()

    async def is_not_hired(self, name: str, says: str) -> None:
        await self.hire(name)
        await expect(self.page.get_by_role("heading", name="Your plan does not allow that just now.")).to_be_visible()
        await expect(self.page.get_by_text(says)).to_be_visible()

    async def account(self) -> BillingAccount:
        assert self.tenant_id
        async with self.database.tenant_session(self.tenant_id) as session:
            return (await session.scalars(select(BillingAccount))).one()

    async def heard(self) -> BillingAccount:
        """What Stripe told of is looked at: its webhooks were answered, and the workflow that they woke has ended."""
        assert self.tenant_id
        await self.stripe.webhooks.settled()
        await self.client.get_workflow_handle(workflow_id(self.tenant_id)).result()
        return await self.account()

    async def past_period(self) -> BillingAccount:
        self.stripe.clock.advance_past_period((await self.account()).subscription_id or "")
        return await self.heard()


@pytest.fixture
async def journey(
    settings: Settings, browser: Browser, database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Journey]:
    # What other tests left in the queue is not its business.
    monkeypatch.setattr(temporal, "BILLING", f"billing-{uuid4()}")
    client = await temporal.connect(settings, lazy=False)
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(stocked_stripe(database))
        payments = await stack.enter_async_context(open_payments(stripe))
        ports = free_ports("portal_port")
        billed = settings.model_copy(
            update={
                "stripe_secret_key": SecretStr(stripe.key),
                "stripe_webhook_secret": (SecretStr(stripe.webhook_secret),),
                "stripe_api_url": stripe.url,
                "portal_port": ports["portal_port"],
                "sales_email": "sales@konstruct.example",
            }
        )
        stripe.webhook_url = f"{await stack.enter_async_context(serve(gateway_app.build(billed)))}/stripe/webhook"
        await stack.enter_async_context(polling(billing_worker(client, Billing(database, payments))))
        url = await stack.enter_async_context(serve(build(billed), port=ports["portal_port"]))
        context = await browser.new_context(
            base_url=url, viewport=DESK, reduced_motion="reduce", locale="en-GB", timezone_id="Europe/Paris"
        )
        stack.push_async_callback(context.close)
        context.set_default_timeout(30_000)
        page = await context.new_page()
        listen(page)
        yield Journey(page, stripe, client, database, vault)


async def test_a_business_from_its_founding_to_the_end_of_what_it_paid_for(journey: Journey) -> None:
    page, stripe = journey.page, journey.stripe
    plan, used, notice = page.locator("#plan"), page.locator("#used"), page.locator(".shell-notice")
    await journey.sign_up()

    # It begins for nothing, with room for one.
    await journey.open()
    await expect(plan).to_contain_text("Free")
    await expect(page.get_by_role("link", name="Talk to us about Enterprise")).to_have_attribute(
        "href", "mailto:sales@konstruct.example"
    )
    await check_page(page)
    await journey.is_hired("Ada")
    await journey.is_not_hired("Milo", "Your plan includes 1 employee")
    await check_page(page)
    await journey.click("See plans", "link")

    # A trial, for which a card is asked.
    await journey.click("Try it for 14 days: Starter", "link")
    await expect(page.get_by_role("heading", name="Try Starter for 14 days")).to_be_visible()
    await check_page(page)
    await journey.click("Go on to Stripe")
    await expect(page.get_by_role("heading", name="Subscribe")).to_be_visible()
    await journey.fill_in_card()
    await journey.click("Start trial")
    await expect(page.get_by_role("heading", name="Starter is yours")).to_be_visible()
    await expect(notice).to_contain_text("14 days are left of the trial of Starter.")
    await check_page(page)
    assert (await journey.heard()).status == "trialing"
    await journey.is_hired("Milo")
    await journey.is_hired("Juno")
    await journey.is_not_hired("Otis", "Your plan includes 3 employees")

    # It is paid once the trial is over, without anybody doing anything.
    assert (await journey.past_period()).status == "active"
    await journey.open()
    await expect(plan).to_contain_text("Active")
    await expect(notice).to_have_count(0)
    await expect(page.locator("#invoices")).to_contain_text("$49.00")
    await expect(page.locator("#next-invoice")).to_contain_text("$49.00 on")

    # The upgrade says what it costs before it is made, and what was known of it is what is paid.
    await journey.click("Upgrade to Pro", "link")
    due = page.locator(".invoice-sum data")
    await expect(due).to_be_visible()
    await expect(page.get_by_text("Unused time on Starter")).to_be_visible()
    said = int(await due.get_attribute("value") or 0)
    await check_page(page)
    await journey.click("Go on to Stripe")
    await expect(page.get_by_role("heading", name="Confirm your updates")).to_be_visible()
    await journey.click("Confirm")
    await expect(page.get_by_text("Pro holds from now on.")).to_be_visible()
    await journey.heard()
    customer = (await journey.account()).customer_id or ""
    paid = stripe.all("invoice", customer=customer)[-1]
    assert paid["status"] == "paid"
    assert abs(paid["amount_paid"] - said) <= 1
    await journey.is_hired("Otis")

    # A payment fails: everything goes on for a while.
    stripe.decline(customer)
    assert (await journey.past_period()).status == "past_due"
    await journey.open("/home")
    await expect(notice).to_contain_text("The last payment did not go through. Everything goes on until")
    await check_page(page)
    await journey.is_hired("Iris")

    # After a week nothing can be added, and still nothing is gone.
    assert journey.tenant_id
    async with journey.database.tenant_session(journey.tenant_id) as session:
        await session.execute(update(BillingAccount).values(past_due_since=utc_now() - timedelta(days=8)))
    await journey.is_not_hired("Remy", "A payment is overdue")
    await expect(notice).to_contain_text("An invoice has not been paid for too long.")
    await journey.open()
    await expect(plan).to_contain_text("Payment overdue")
    await expect(used).to_contain_text("5 of 1")
    await check_page(page)

    # Paid, and all is as before.
    stripe.accept(customer)
    await plan.get_by_role("button", name="Pay now").click()
    await page.get_by_role("row").get_by_role("button", name="Pay now").first.click()
    await page.get_by_role("link", name="Return to the shop").click()
    await expect(page.get_by_text("Thank you, it is paid.")).to_be_visible()
    await expect(notice).to_have_count(0)
    await expect(used).to_contain_text("5 of 20")

    # Cancelled, kept, and cancelled after all.
    for is_meant in (False, True):
        await journey.click("Cancel…", "link")
        await expect(page.get_by_text("AI employees: 5 now, 1 then.")).to_be_visible()
        await check_page(page)
        await journey.click("Go on to Stripe")
        await journey.click("Cancel subscription")
        await expect(page.get_by_text("Pro ends with its period.")).to_be_visible()
        await expect(notice).to_contain_text("Pro ends on")
        await check_page(page)
        if not is_meant:
            await journey.click("Keep Pro")
            await expect(page.get_by_text("The subscription goes on as it was.")).to_be_visible()
            await expect(notice).to_have_count(0)
    assert (await journey.past_period()).status == "canceled"
    await journey.open()
    await expect(page.get_by_text("Pro has ended")).to_be_visible()
    await expect(plan).to_contain_text("Free")
    await expect(used).to_contain_text("5 of 1")
    await check_page(page)
    await journey.is_not_hired("Remy", "Your plan includes 1 employee")

    # Whoever had a trial pays from the first day on.
    await journey.open()
    await journey.click("Choose Pro", "link")
    await expect(page.get_by_role("heading", name="Choose Pro")).to_be_visible()
