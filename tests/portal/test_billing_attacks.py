"""What is tried on the pages of billing: without the right, too often, and by what Stripe is made to say."""

from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from pydantic import SecretStr

from konstruct import pacing
from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.errors import TooMany
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.services import Services
from tests.portal.channels import sign_in
from tests.portal.conftest import browser
from tests.portal.test_billing import opened, words
from tests.support.members import enrolled
from tests.support.stripe_double import StripeDouble
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe

PAGES = ("", "/invoices", "/change?plan=pro&every=month", "/cancel", "/done?session_id=cs_test_1", "/back")
ACTS = ("/change", "/portal", "/cancel", "/resume", "/look")


@pytest.fixture
async def stripe(database: Database) -> AsyncIterator[StripeDouble]:
    async with stocked_stripe(database) as running:
        yield running


@pytest.fixture
async def till(stripe: StripeDouble, database: Database, vault: Vault) -> AsyncIterator[Till]:
    async with open_payments(stripe) as payments:
        yield Till(stripe, payments, database, await billed_tenant(database, vault))


@pytest.fixture
async def shop(settings: Settings, stripe: StripeDouble) -> AsyncIterator[httpx.AsyncClient]:
    paid = {"stripe_secret_key": SecretStr(stripe.key), "stripe_api_url": stripe.url}
    async with browser(settings.model_copy(update=paid)) as visitor:
        yield visitor


@pytest.mark.parametrize("role", ["agent", "viewer"])
async def test_who_does_not_manage_the_business_sees_nothing_of_it(
    shop: httpx.AsyncClient, till: Till, vault: Vault, role: Role
) -> None:
    who = await enrolled(till.database, vault, role, till.tenant_id)
    asked = len(till.stripe.calls_of("/v1/.*"))
    sign_in(shop, who)
    for path in PAGES:
        assert (await shop.get(f"/t/{who.slug}/billing{path}")).status_code == 403
    for path in ACTS:
        assert (await shop.post(f"/t/{who.slug}/billing{path}", data={"plan": "pro"})).status_code == 403
    assert len(till.stripe.calls_of("/v1/.*")) == asked


async def test_an_owner_of_another_business_finds_none_of_this_one(
    shop: httpx.AsyncClient, till: Till, vault: Vault, database: Database
) -> None:
    ours = await enrolled(till.database, vault, "owner", till.tenant_id)
    other = await enrolled(database, vault, "owner", await billed_tenant(database, vault))
    sign_in(shop, other)
    for path in PAGES:
        assert (await shop.get(f"/t/{ours.slug}/billing{path}")).status_code == 404
    for path in ACTS:
        assert (await shop.post(f"/t/{ours.slug}/billing{path}", data={"plan": "pro"})).status_code == 404


async def test_no_other_site_has_a_browser_act(shop: httpx.AsyncClient, till: Till, vault: Vault) -> None:
    owner = await enrolled(till.database, vault, "owner", till.tenant_id)
    sign_in(shop, owner)
    for path in ACTS:
        for site in ("cross-site", "same-site", "none, same-origin"):
            headers = {"sec-fetch-site": site, "origin": "https://evil.example"}
            answer = await shop.post(f"/t/{owner.slug}/billing{path}", data={"plan": "pro"}, headers=headers)
            assert answer.status_code == 403
    assert not till.stripe.all("checkout.session")


async def test_stripe_leads_back_to_the_portal_whatever_a_request_says_of_its_host(
    shop: httpx.AsyncClient, till: Till, vault: Vault, settings: Settings
) -> None:
    owner = await enrolled(till.database, vault, "owner", till.tenant_id)
    sign_in(shop, owner)
    headers = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    await shop.post(f"/t/{owner.slug}/billing/change", data={"plan": "pro", "every": "month"}, headers=headers)
    [session] = till.stripe.all("checkout.session")
    for name in ("success_url", "cancel_url"):
        assert session[name].startswith(f"{settings.portal_address}/t/{owner.slug}/billing")


async def test_whoever_looks_at_invoices_again_and_again_is_held_up_and_owners_are_not(
    shop: httpx.AsyncClient, till: Till, vault: Vault, settings: Settings
) -> None:
    owner = await enrolled(till.database, vault, "owner", till.tenant_id)
    await till.subscribe("pro")
    sign_in(shop, owner)
    here = Services(settings)
    with suppress(TooMany):
        while True:
            await pacing.count(here.limiter, till.tenant_id, pacing.INVOICES)
    answer = await shop.get(f"/t/{owner.slug}/billing/invoices")
    await here.close()
    assert "very often" in words(answer.text)
    assert not till.stripe.calls_of("/v1/invoices", "GET")
    assert (await shop.post(f"/t/{owner.slug}/billing/portal", data={"to": "card"})).status_code == 303


async def test_nobody_is_led_to_an_address_that_is_none_of_stripes(
    shop: httpx.AsyncClient, till: Till, vault: Vault
) -> None:
    owner = await enrolled(till.database, vault, "owner", till.tenant_id)
    await till.subscribe("starter")
    [invoice] = till.stripe.all("invoice")
    kept = till.stripe.world.objects[invoice["id"]]
    for page in ("javascript:alert(1)", "data:text/html,x", "http://stripe.example/i", "//evil.example"):
        kept |= {"hosted_invoice_url": page, "invoice_pdf": page, "number": '<b onx="1">'}
        shown = await opened(shop, owner, "billing/invoices")
        assert "<b onx" not in shown
        assert "&lt;b onx" in shown
        assert page not in shown


@pytest.mark.parametrize(
    "moment", ["2026-11-29T21:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"]
)
async def test_a_moment_that_somebody_made_up_breaks_nothing(
    shop: httpx.AsyncClient, till: Till, vault: Vault, moment: str
) -> None:
    owner = await enrolled(till.database, vault, "owner", till.tenant_id)
    await till.subscribe("starter")
    sign_in(shop, owner)
    form = {"plan": "pro", "every": "month", "shown_at": moment}
    answer = await shop.post(f"/t/{owner.slug}/billing/change", data=form)
    assert answer.status_code in (303, 422)
