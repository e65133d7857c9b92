"""Changes that Stripe's portal does not make: of what is billed by use as well, and in place of what was arranged."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from pydantic import SecretStr

from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_catalog import StripeCatalog
from konstruct.billing import changing, offering, plans, subscriptions
from konstruct.billing.plans import Metered
from konstruct.billing_ports import Preview
from konstruct.errors import PaymentsRefused, PaymentsUnavailable
from tests.support.till import HOME, Till, press


@pytest.fixture
async def by_use(till: Till) -> AsyncIterator[Till]:
    """Pro bills models by use, as does Team, which costs more; Starter does not."""
    async with till.database.system_session() as session:
        before = await plans.listed(session)
    more = Metered(event_name="konstruct_models", lookup_key="konstruct_pro_models", unit_amount="0.00012")
    pro = next(plan for plan in before if plan.key == "pro").model_copy(update={"metered": more})
    dearer = {"month": plans.Price(lookup_key="konstruct_team_month", amount=39_900)}
    team = pro.model_copy(update={"key": "team", "name": "Team", "prices": dearer})
    try:
        offered = [*(pro if plan.key == "pro" else plan for plan in before), team]
        await offering.replace(till.database, offered)
        calls = StripeCalls(SecretStr(till.stripe.key), till.stripe.url)
        await StripeCatalog(calls).sync(offered, is_check=False)
        await calls.close()
        yield till
    finally:
        # A plan that a business has stays.
        async with till.database.tenant_session(till.tenant_id) as session:
            account = await subscriptions.locked(session)
            assert account is not None
            account.plan, account.next_plan = "free", None
        await offering.replace(till.database, before)


async def shown(till: Till, plan: str) -> Preview:
    return await changing.preview(till.database, till.payments, till.tenant_id, plan, "month")


def keys(till: Till) -> list[str]:
    [subscription] = till.stripe.all("subscription")
    return [item["price"]["lookup_key"] for item in subscription["items"]["data"]]


async def test_an_upgrade_costs_what_was_shown(by_use: Till) -> None:
    account = await by_use.paying("pro")
    started = by_use.stripe.get(str(account.subscription_id))["items"]["data"][0]["current_period_start"]
    by_use.stripe.clock.advance_to(started + 86_400)
    preview = await changing.preview(
        *(by_use.database, by_use.payments, by_use.tenant_id, "team", "month"),
        now=datetime.fromtimestamp(started + 86_400, UTC),
    )
    assert preview.due > 0
    assert not preview.is_asked_there
    assert (await by_use.visit("change", "team", "month")).url == HOME
    changed = await by_use.sync()
    assert (changed.plan, changed.detail["invoice"]["amount_paid"]) == ("team", preview.due)
    assert keys(by_use) == ["konstruct_team_month", "konstruct_pro_models"]


async def test_nobody_chooses_the_moment_by_which_they_pay(by_use: Till) -> None:
    account = await by_use.paying("pro")
    assert account.period_end is not None
    await by_use.visit("change", "team", "month", shown_at=account.period_end - timedelta(seconds=1))
    changed = await by_use.sync()
    assert changed.detail["invoice"]["amount_paid"] > 19_000


async def test_an_upgrade_that_is_not_paid_changes_nothing_and_leads_to_its_invoice(by_use: Till) -> None:
    account = await by_use.paying("pro")
    by_use.stripe.decline(str(account.customer_id))
    opened = await by_use.visit("change", "team", "month")
    assert opened.url.startswith(f"{by_use.stripe.url}/i/")
    assert (await by_use.sync()).plan == "pro"
    # Whoever tries again pays once.
    by_use.stripe.accept(str(account.customer_id))
    assert (await by_use.visit("change", "team", "month")).url == HOME
    assert (await by_use.sync()).plan == "team"
    assert [each["status"] for each in by_use.stripe.all("invoice") if each["amount_due"] > 15_000].count("open") == 0


async def test_less_waits_for_the_end_and_use_is_billed_until_then(by_use: Till) -> None:
    account = await by_use.paying("pro")
    preview = await shown(by_use, "starter")
    assert (preview.due, preview.at, preview.is_asked_there) == (0, account.period_end, False)
    assert (await by_use.visit("change", "starter", "month")).url == HOME
    waiting = await by_use.sync()
    assert (waiting.plan, waiting.next_plan, waiting.next_plan_at) == ("pro", "starter", account.period_end)
    by_use.stripe.clock.advance_past_period(str(account.subscription_id))
    assert (await by_use.sync()).plan == "starter"
    assert keys(by_use) == ["konstruct_starter_month"]


async def test_more_with_use_takes_the_place_of_less_without(by_use: Till) -> None:
    await by_use.subscribe("starter")
    assert not (await shown(by_use, "pro")).is_asked_there
    await by_use.visit("change", "pro", "month")
    assert (await by_use.sync()).plan == "pro"
    assert keys(by_use) == ["konstruct_pro_month", "konstruct_pro_models"]


async def test_a_second_downgrade_takes_the_place_of_the_first(till: Till) -> None:
    account = await till.paying("pro", "year")
    await press((await till.visit("change", "pro", "month")).url)
    assert (await till.sync()).next_plan == "pro"
    assert (await till.visit("change", "starter", "month")).url == HOME
    assert (await till.sync()).next_plan == "starter"
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    assert (await till.sync()).plan == "starter"
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    going_on = await till.sync()
    assert (going_on.plan, going_on.billed_every, going_on.next_plan) == ("starter", "month", None)


async def test_an_upgrade_takes_the_place_of_a_downgrade(till: Till) -> None:
    account = await till.paying("pro")
    await press((await till.visit("change", "starter", "month")).url)
    await till.sync()
    assert (await till.visit("change", "pro", "year")).url == HOME
    changed = await till.sync()
    assert (changed.plan, changed.billed_every, changed.next_plan) == ("pro", "year", None)
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    assert (await till.sync()).billed_every == "year"


async def test_what_is_to_end_does_not_go_on_because_of_a_downgrade(by_use: Till) -> None:
    await by_use.paying("pro")
    await press((await by_use.visit("cancel")).url)
    ending = await by_use.sync()
    with pytest.raises(PaymentsRefused, match="is to end"):
        await shown(by_use, "starter")
    with pytest.raises(PaymentsRefused, match="is to end"):
        await by_use.visit("change", "starter", "month")
    # What holds at once ends with it.
    await by_use.visit("change", "team", "month")
    changed = await by_use.sync()
    assert (changed.plan, changed.ends_at) == ("team", ending.ends_at)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_change_that_is_cut_off_is_made_by_trying_again(till: Till, when: Literal["before", "after"]) -> None:
    account = await till.paying("pro", "year")
    await press((await till.visit("change", "pro", "month")).url)
    till.stripe.cut_next("/v1/subscription_schedules/.*", when=when)
    with pytest.raises(PaymentsUnavailable):
        await till.visit("change", "starter", "month")
    assert (await till.sync()).next_plan == ("pro" if when == "before" else "starter")
    await till.visit("change", "starter", "month")
    assert (await till.sync()).next_plan == "starter"
    assert account.subscription_id == (await till.account()).subscription_id
