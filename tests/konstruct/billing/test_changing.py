"""Changing a subscription: what is shown before is what is paid, and what waits for the period's end costs nothing."""

import pytest
from aiohttp import ClientSession

from konstruct.billing import changing
from konstruct.billing.plans import Every
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict
from konstruct.vault import Vault
from tests.support.office import open_office
from tests.support.till import HOME, Till, billed_tenant, press


async def test_what_an_upgrade_costs_is_known_before_and_paid_after(till: Till) -> None:
    account = await till.paying()
    # To the second, a fifth of the period is over.
    [item] = till.stripe.get(str(account.subscription_id))["items"]["data"]
    length = item["current_period_end"] - item["current_period_start"]
    till.stripe.clock.advance_to(item["current_period_start"] + length // 5)

    shown = await changing.preview(till.database, till.payments, till.tenant_id, "pro", "month")
    opened = await till.visit("change", "pro", "month")
    assert await press(opened.url) == HOME
    changed = await till.sync()

    assert [line.amount for line in shown.lines] == [-3_920, 15_920]
    assert (shown.due, shown.currency) == (12_000, "usd")
    assert (changed.plan, changed.billed_every, changed.period_end) == ("pro", "month", account.period_end)
    assert (changed.detail["invoice"]["status"], changed.detail["invoice"]["amount_paid"]) == ("paid", shown.due)


async def test_another_interval_begins_a_period_of_its_own(till: Till) -> None:
    await till.paying()
    shown = await changing.preview(till.database, till.payments, till.tenant_id, "starter", "year")
    await press((await till.visit("change", "starter", "year")).url)
    changed = await till.sync()
    assert (changed.billed_every, changed.detail["invoice"]["amount_paid"]) == ("year", shown.due)


@pytest.mark.parametrize(("plan", "every"), [("starter", "year"), ("pro", "month"), ("starter", "month")])
async def test_less_waits_for_the_end_of_the_period(till: Till, plan: str, every: Every) -> None:
    account = await till.paying("pro", "year")
    shown = await changing.preview(till.database, till.payments, till.tenant_id, plan, every)
    await press((await till.visit("change", plan, every)).url)
    waiting = await till.sync()

    assert (shown.due, list(shown.lines), shown.at) == (0, [], account.period_end)
    assert (waiting.plan, waiting.billed_every) == ("pro", "year")
    assert (waiting.next_plan, waiting.next_plan_at) == (plan, account.period_end)


async def test_a_change_within_the_trial_is_free_and_keeps_it(till: Till) -> None:
    account = await till.subscribe()
    shown = await changing.preview(till.database, till.payments, till.tenant_id, "pro", "month")
    await press((await till.visit("change", "pro", "month")).url)
    changed = await till.sync()
    assert shown.due == 0
    assert (changed.plan, changed.status, changed.trial_ends_at) == ("pro", "trialing", account.trial_ends_at)


@pytest.mark.parametrize("billing_mode", ["flexible", "classic"])
async def test_a_cancellation_can_be_taken_back(till: Till, billing_mode: str) -> None:
    till.stripe.rules.billing_mode = billing_mode
    account = await till.paying()
    assert await press((await till.visit("cancel")).url) == HOME
    ending = await till.sync()
    with pytest.raises(Conflict, match="to end already"):
        await till.visit("cancel")
    going_on = await changing.resume(till.database, till.payments, till.tenant_id, actor="user:ada")

    assert ending.ends_at == account.period_end
    assert going_on.ends_at is None
    with pytest.raises(Conflict, match="goes on anyway"):
        await changing.resume(till.database, till.payments, till.tenant_id, actor="user:ada")
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    assert (await till.sync()).status == "active"


async def test_a_downgrade_can_be_taken_back_with_a_cancellation(till: Till) -> None:
    account = await till.paying("pro")
    await press((await till.visit("change", "starter", "month")).url)
    waiting = await till.sync()
    following = await changing.next_invoice(till.database, till.payments, till.tenant_id)
    assert waiting.next_plan == "starter"
    assert following is not None
    assert (following.due, following.at) == (4_900, waiting.next_plan_at)
    going_on = await changing.resume(till.database, till.payments, till.tenant_id, actor="user:ada")
    assert (going_on.plan, going_on.next_plan) == ("pro", None)

    till.stripe.clock.advance_past_period(str(account.subscription_id))
    assert (await till.sync()).plan == "pro"


async def test_a_resumption_that_was_cut_off_is_done_again(till: Till) -> None:
    await till.paying()
    await press((await till.visit("cancel")).url)
    await till.sync()
    till.stripe.cut_next("/v1/subscriptions/.*", when="after")
    with pytest.raises(Exception, match="cannot be reached"):
        await changing.resume(till.database, till.payments, till.tenant_id, actor="user:ada")
    assert (await changing.resume(till.database, till.payments, till.tenant_id, actor="user:ada")).ends_at is None


async def test_the_home_and_the_card_of_the_portal(till: Till) -> None:
    await till.paying()
    for kind in ("home", "card"):
        opened = await till.visit(kind)
        async with ClientSession() as browser, browser.get(opened.url) as page:
            assert page.status == 200
            assert "Update payment method" in await page.text()


async def test_what_comes_next_and_what_was_paid(till: Till) -> None:
    account = await till.paying()
    following = await changing.next_invoice(till.database, till.payments, till.tenant_id)
    paid = await changing.invoices(till.database, till.payments, till.tenant_id)
    assert following is not None
    assert (following.due, following.at) == (4_900, account.period_end)
    assert [(each.status, each.amount_due) for each in paid] == [("paid", 4_900), ("paid", 0)]
    assert paid[0].page is not None

    await press((await till.visit("cancel")).url)
    await till.sync()
    assert await changing.next_invoice(till.database, till.payments, till.tenant_id) is None


async def test_what_is_no_change_is_told_before_stripe_is_asked(till: Till, database: Database, vault: Vault) -> None:
    with pytest.raises(Conflict, match="choose a plan first"):
        await changing.preview(database, till.payments, till.tenant_id, "pro", "month")
    for kind in ("home", "card", "cancel"):
        with pytest.raises(Conflict, match="choose a plan first"):
            await till.visit(kind)
    await till.subscribe()
    with pytest.raises(BadInput, match="has already"):
        await changing.preview(database, till.payments, till.tenant_id, "starter", "month")
    with pytest.raises(BadInput, match="no such plan"):
        await till.visit("change")
    with pytest.raises(BadInput, match="cannot be paid"):
        await till.visit("change", "enterprise", "month")
    office = await open_office(database, vault)
    other = Till(till.stripe, till.payments, database, office.tenant_id)
    with pytest.raises(Conflict, match="not billed here"):
        await other.visit("home")
    assert await changing.invoices(database, till.payments, await billed_tenant(database, vault)) == []
