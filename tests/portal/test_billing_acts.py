"""What owners do about the plan, at a Stripe that checks what Stripe checks; and what nobody can do."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.portal.channels import sign_in
from tests.portal.conftest import browser
from tests.portal.test_billing import opened, part, words
from tests.support.billed import bill
from tests.support.members import Enrolled, enrolled, let_time_pass
from tests.support.stripe_double import StripeDouble
from tests.support.till import Till, billed_tenant, open_payments, press, stocked_stripe

_SESSION = re.compile(r"cs_\w+")


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
    """A visitor of a portal that bills."""
    paid = {"stripe_secret_key": SecretStr(stripe.key), "stripe_api_url": stripe.url}
    async with browser(settings.model_copy(update=paid)) as visitor:
        yield visitor


@pytest.fixture
async def owner(till: Till, vault: Vault) -> Enrolled:
    return await member(till, vault)


async def member(till: Till, vault: Vault, role: Role = "owner") -> Enrolled:
    return await enrolled(till.database, vault, role, till.tenant_id)


async def posted(shop: httpx.AsyncClient, who: Enrolled, path: str, **form: str) -> httpx.Response:
    sign_in(shop, who)
    return await shop.post(f"/t/{who.slug}/billing{path}", data=form)


async def test_the_first_plan_is_tried_paid_at_stripe_and_known_on_coming_back(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled
) -> None:
    review = await opened(shop, owner, "billing/change?plan=pro&every=year")
    assert "Try Pro for 14 days" in review
    assert "$1,990 a year" in words(review)
    answer = await posted(shop, owner, "/change", plan="pro", every="year")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(till.stripe.url)
    [session] = _SESSION.findall(answer.headers["location"])
    assert till.stripe.get(session)["customer"] == till.stripe.all("customer")[-1]["id"]
    assert till.stripe.get((await till.account()).customer_id or "")["email"] == owner.email

    # Whoever comes back without having paid is told so.
    assert "Nothing was paid yet" in await opened(shop, owner, f"billing/done?session_id={session}")
    till.stripe.complete_checkout(session)
    page = await opened(shop, owner, f"billing/done?session_id={session}")
    assert "Pro is yours" in page
    assert "14 days are left of the trial of Pro." in page
    assert "Visa ending in 4242" in await opened(shop, owner, "billing")


async def test_an_upgrade_shows_what_is_due_today_to_the_last_cent(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled
) -> None:
    account = await till.subscribe("starter")
    till.stripe.clock.advance_past_period(account.subscription_id or "")
    await till.sync()
    review = await opened(shop, owner, "billing/change?plan=pro&every=month")
    assert "What is left of what you paid is taken off." in review
    [due] = re.findall(r'<data class="nums" value="(\d+)">', review)
    # Starter was paid an hour ago or so, so nearly all of it is taken off.
    assert 14_900 < int(due) < 15_100
    answer = await posted(shop, owner, "/change", plan="pro", every="month")
    assert answer.headers["location"].startswith(till.stripe.url)


async def test_a_downgrade_waits_and_says_what_will_rest(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled, vault: Vault
) -> None:
    await till.subscribe("pro")
    for _ in range(5):
        await member(till, vault, "viewer")
    review = await opened(shop, owner, "billing/change?plan=starter&every=month")
    assert "Nothing is due today." in review
    assert "People in the team: 6 now, 5 then." in review
    assert "Your own model keys, REST API, Export of the audit trail." in review
    assert "What is due today" not in review


async def test_what_stripes_portal_cannot_change_is_changed_by_the_page(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled
) -> None:
    """A second downgrade, in place of the first; and an upgrade whose card is declined leads to its invoice."""
    await till.paying("pro", "year")
    await press((await till.visit("change", "pro", "month")).url)
    await till.sync()
    review = await opened(shop, owner, "billing/change?plan=starter&every=month")
    assert "Go on to Stripe" not in review
    [shown_at] = re.findall(r'name="shown_at" value="([^"]+)"', review)
    answer = await posted(shop, owner, "/change", plan="starter", every="month", shown_at=shown_at)
    assert "/billing/back" in answer.headers["location"]
    assert (await till.sync()).next_plan == "starter"
    assert (await posted(shop, owner, "/change", plan="starter", every="month", shown_at="now")).status_code == 422


async def test_what_was_cancelled_can_be_kept(shop: httpx.AsyncClient, till: Till, owner: Enrolled) -> None:
    account = await till.subscribe("pro")
    assert "Pro ends on" in words(await opened(shop, owner, "billing/cancel"))
    answer = await posted(shop, owner, "/cancel")
    assert answer.headers["location"].startswith(till.stripe.url)
    await till.stripe.client().v1.subscriptions.update_async(
        account.subscription_id or "", {"cancel_at_period_end": True}
    )
    sign_in(shop, owner)
    # Whether or not Stripe's own word of it came first.
    await till.sync()
    [visit] = till.stripe.calls_of("/v1/billing_portal/sessions")
    _, _, path = visit.params["return_url"].partition("/t/")
    back = await shop.get(f"/t/{path}", follow_redirects=True)
    assert "Pro ends with its period. Until then everything stays." in back.text
    assert "Keep Pro" in part(back.text, "plan")
    assert "There is nothing to cancel." in await opened(shop, owner, "billing/cancel")
    assert (await posted(shop, owner, "/resume")).status_code == 303
    assert "Ends with the period" not in await opened(shop, owner, "billing")
    assert (await posted(shop, owner, "/resume")).status_code == 409


async def test_invoices_and_the_next_one_come_from_stripe(shop: httpx.AsyncClient, till: Till, owner: Enrolled) -> None:
    account = await till.subscribe("starter")
    till.stripe.clock.advance_past_period(account.subscription_id or "")
    await till.sync()
    page = await opened(shop, owner, "billing/invoices")
    assert "$49.00 on" in part(page, "next-invoice")
    assert re.search(r"\$49\.00 .*Paid", words(page))
    sign_in(shop, owner)
    fragment = await shop.get(f"/t/{owner.slug}/billing/invoices", headers={"hx-request": "true"})
    assert fragment.text.lstrip().startswith('<div id="invoices"')
    till.stripe.fail_next("/v1/invoices", 500, method="GET", times=9)
    assert "Invoices cannot be shown just now" in await opened(shop, owner, "billing/invoices")


async def test_while_stripe_is_away_what_was_known_holds_and_acts_say_so(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled
) -> None:
    await till.subscribe("pro")
    till.stripe.fail_next("/v1/.*", 503, method="GET", times=99)
    till.stripe.fail_next("/v1/.*", 503, times=99)
    assert "Pro Trial" in part(await opened(shop, owner, "billing"), "plan")
    answer = await posted(shop, owner, "/portal", to="card")
    assert answer.status_code == 503
    assert "Stripe" in words(answer.text)
    sign_in(shop, owner)
    back = await shop.get(f"/t/{owner.slug}/billing/back", follow_redirects=True)
    assert "Stripe does not answer just now." in back.text
    assert "What was known before holds." in back.text


async def test_nobody_but_owners_who_were_just_confirmed_does_any_of_it(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled, vault: Vault
) -> None:
    await till.subscribe("pro")
    admin = await member(till, vault, "admin")
    page = await opened(shop, admin, "billing")
    assert "Owners of the business change its plan and how it is paid." in page
    assert "/billing/portal" not in page
    await let_time_pass(till.database, owner)
    for path in ("/change", "/portal", "/cancel", "/resume"):
        assert (await posted(shop, admin, path, plan="pro", every="month")).status_code == 403
        answer = await posted(shop, owner, path, plan="pro", every="month")
        assert answer.headers["location"].startswith("/account/confirm")
    assert not till.stripe.calls_of("/v1/billing_portal/sessions")


async def test_a_payment_of_another_business_is_none_of_ours(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled, database: Database, vault: Vault
) -> None:
    other = Till(till.stripe, till.payments, database, await billed_tenant(database, vault))
    theirs = await other.open("pro")
    till.stripe.complete_checkout(theirs.id)
    await till.open("starter")
    for session in (theirs.id, "cs_nothing", "../v1/customers", ""):
        await opened(shop, owner, f"billing/done?session_id={session}", status=404)
    assert (await till.account()).status == "none"


@pytest.mark.parametrize("asked", ["plan=free&every=month", "plan=enterprise&every=year", "plan=gold", "every=week"])
async def test_what_is_not_for_sale_is_not_sold(
    shop: httpx.AsyncClient, till: Till, owner: Enrolled, asked: str
) -> None:
    await opened(shop, owner, f"billing/change?{asked}", status=422)


async def test_the_plan_one_has_is_not_bought_again(shop: httpx.AsyncClient, till: Till, owner: Enrolled) -> None:
    await till.subscribe("pro")
    await opened(shop, owner, "billing/change?plan=pro&every=month", status=422)
    assert "Pay yearly" in await opened(shop, owner, "billing?every=year")


async def test_where_stripe_is_not_connected_nothing_is_offered(
    portal: httpx.AsyncClient, till: Till, owner: Enrolled
) -> None:
    await bill(till.database, till.tenant_id, "pro", billed_every="month", period_end=utc_now() + timedelta(days=3))
    page = await opened(portal, owner, "billing")
    assert "Plans are changed by whoever runs this Konstruct." in page
    assert "/billing/change" not in page
    await opened(portal, owner, "billing/change?plan=starter&every=month", status=422)


async def test_forms_may_lead_to_stripe_and_nowhere_else(shop: httpx.AsyncClient, till: Till, owner: Enrolled) -> None:
    await till.subscribe("pro")
    for path in ("billing", "billing/change?plan=starter&every=month", "billing/cancel"):
        sign_in(shop, owner)
        answer = await shop.get(f"/t/{owner.slug}/{path}")
        assert f"form-action 'self' {till.stripe.url};" in answer.headers["content-security-policy"]
