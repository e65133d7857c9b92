"""A business that is billed, at a Stripe that knows the plans: who stands at the till, and what is done there."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiohttp import ClientSession
from pydantic import SecretStr

from konstruct.adapters.stripe import StripePayments
from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_catalog import StripeCatalog
from konstruct.billing import agreeing, changing, checking_out, plans, subscriptions
from konstruct.billing.changing import Visit
from konstruct.billing.checking_out import Buyer, Urls
from konstruct.billing.plans import Every
from konstruct.billing_ports import Hosted
from konstruct.db import Database
from konstruct.tables import BillingAccount
from konstruct.vault import Vault
from tests.support.office import open_office
from tests.support.stripe_double import StripeDouble, stripe_double

BUYER = Buyer("user:ada", "ada@example.com")
URLS = Urls(f"https://konstruct.example/done?session_id={checking_out.SESSION_ID}", "https://konstruct.example/billing")
HOME = URLS.cancel


@dataclass(frozen=True)
class Till:
    stripe: StripeDouble
    payments: StripePayments
    database: Database
    tenant_id: UUID

    async def account(self) -> BillingAccount:
        async with self.database.tenant_session(self.tenant_id) as session:
            return subscriptions.billed(await subscriptions.locked(session))

    async def open(self, plan: str = "starter", every: Every = "month") -> Hosted:
        return await checking_out.open(self.database, self.payments, self.tenant_id, plan, every, BUYER, URLS)

    async def subscribe(
        self, plan: str = "starter", every: Every = "month", *, card: str = "4242424242424242"
    ) -> BillingAccount:
        """Pays at Stripe and comes back."""
        opened = await self.open(plan, every)
        self.stripe.complete_checkout(opened.id, card=card)
        return await checking_out.done(self.database, self.payments, self.tenant_id, opened.id)

    async def sync(self) -> BillingAccount:
        return subscriptions.billed(await subscriptions.sync(self.database, self.payments, self.tenant_id))

    async def paying(self, plan: str = "starter", every: Every = "month") -> BillingAccount:
        """After its trial."""
        account = await self.subscribe(plan, every)
        self.stripe.clock.advance_past_period(str(account.subscription_id))
        return await self.sync()

    async def visit(
        self, kind: Visit, plan: str | None = None, every: Every | None = None, *, shown_at: datetime | None = None
    ) -> Hosted:
        return await changing.portal(
            *(self.database, self.payments, self.tenant_id, kind),
            actor="user:ada",
            return_url=HOME,
            plan_key=plan,
            every=every,
            shown_at=shown_at,
        )

    async def price(self, plan: str, every: Every = "month") -> str:
        """Its id at Stripe."""
        async with self.database.system_session() as session:
            found = await plans.by_key(session, plan)
        [price] = self.stripe.all("price", lookup_key=found.prices[every].lookup_key)
        return str(price["id"])


async def press(page: str) -> str:
    """What a browser does that goes where it is sent and presses the button there; where that leads."""
    async with ClientSession() as browser:
        async with browser.get(page) as form:
            assert form.status == 200
            place = str(form.url)
        async with browser.post(place, allow_redirects=False) as answer:
            return answer.headers["Location"]


@asynccontextmanager
async def open_payments(stripe: StripeDouble) -> AsyncIterator[StripePayments]:
    payments = StripePayments(StripeCalls(SecretStr(stripe.key), stripe.url))
    try:
        yield payments
    finally:
        await payments.close()


@asynccontextmanager
async def stocked_stripe(database: Database) -> AsyncIterator[StripeDouble]:
    """A double that knows the plans. Its time stands still, so that sums are exact."""
    async with stripe_double() as stripe:
        stripe.clock.freeze(int(time.time()))
        async with database.system_session() as session:
            offered = await plans.listed(session)
        calls = StripeCalls(SecretStr(stripe.key), stripe.url)
        await StripeCatalog(calls).sync(offered, is_check=False)
        await calls.close()
        yield stripe


async def billed_tenant(database: Database, vault: Vault) -> UUID:
    office = await open_office(database, vault)
    async with office.session() as session:
        await agreeing.enroll(session, office.tenant_id, actor="test")
    return office.tenant_id
