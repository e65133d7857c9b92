"""A row says what Stripe says: after each thing that happens to a subscription, in whatever order it is looked at."""

import asyncio
from typing import Any

import pytest
from sqlmodel import col, select

from konstruct.billing import entitlements, plans, subscriptions
from konstruct.billing_ports import CustomerFacts
from konstruct.errors import PaymentsRefused, PaymentsUnavailable
from konstruct.tables import AuditEvent, BillingAccount
from tests.support.till import Till

DAY = 86_400


async def events(till: Till) -> list[str]:
    async with till.database.tenant_session(till.tenant_id) as session:
        found = await session.scalars(
            select(AuditEvent.action).where(col(AuditEvent.action).startswith("billing.")).order_by(col(AuditEvent.seq))
        )
        return list(found)


def told(account: BillingAccount) -> dict[str, Any]:
    """All of the row but when it was looked."""
    return {
        name: value for name, value in account.model_dump().items() if name not in ("asked", "applied", "synced_at")
    }


async def test_from_trial_to_paid_to_past_due_to_paid_again(till: Till) -> None:
    stripe = till.stripe
    account = await till.subscribe()
    subscription = str(account.subscription_id)
    stripe.clock.advance_past_period(subscription)
    paid = await till.sync()
    assert (paid.status, paid.detail["invoice"]["amount_paid"], paid.past_due_since) == ("active", 4_900, None)

    stripe.decline(str(account.customer_id))
    renewed = paid.period_end
    stripe.clock.advance_past_period(subscription)
    failed = await till.sync()
    assert (failed.status, failed.past_due_since) == ("past_due", renewed)
    assert failed.detail["invoice"]["status"] == "open"
    stripe.clock.advance(days=3)
    assert (await till.sync()).past_due_since == renewed

    stripe.accept(str(account.customer_id))
    await stripe.client().v1.invoices.pay_async(failed.detail["invoice"]["id"])
    healed = await till.sync()
    assert (healed.status, healed.past_due_since) == ("active", None)


async def test_what_is_not_paid_for_long_is_given_up(till: Till) -> None:
    account = await till.subscribe()
    till.stripe.rules.after_retries = "unpaid"
    till.stripe.decline(str(account.customer_id))
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    first = await till.sync()
    till.stripe.clock.advance(days=20)

    unpaid = await till.sync()
    assert (unpaid.status, unpaid.past_due_since) == ("unpaid", first.past_due_since)
    async with till.database.tenant_session(till.tenant_id) as session:
        assert (await entitlements.of(session)).standing.level == "restricted"


@pytest.mark.parametrize("changed", [{"attempted": False}, {"status": "uncollectible"}])
async def test_grace_begins_whatever_became_of_the_invoice(till: Till, changed: dict[str, Any]) -> None:
    account = await till.subscribe()
    till.stripe.decline(str(account.customer_id))
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    failed = await till.sync()
    till.stripe.world.objects[failed.detail["invoice"]["id"]].update(changed)
    again = await till.sync()
    assert (again.status, again.past_due_since) == ("past_due", account.period_end)


@pytest.mark.parametrize("billing_mode", ["flexible", "classic"])
async def test_a_cancellation_is_known_before_and_after_it_comes_true(till: Till, billing_mode: str) -> None:
    till.stripe.rules.billing_mode = billing_mode
    account = await till.subscribe()
    subscription = str(account.subscription_id)
    await till.stripe.client().v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})
    ending = await till.sync()
    assert (ending.status, ending.ends_at) == ("trialing", account.period_end)

    till.stripe.clock.advance(days=15)
    ended = await till.sync()
    assert (ended.status, ended.plan, ended.ends_at) == ("canceled", "starter", account.period_end)


async def test_a_downgrade_is_known_before_and_after_it_comes_true(till: Till) -> None:
    account = await till.subscribe("pro")
    client = till.stripe.client()
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    account = await till.sync()
    schedule = await client.v1.subscription_schedules.create_async({"from_subscription": str(account.subscription_id)})
    [phase] = till.stripe.get(schedule.id)["phases"]
    await client.v1.subscription_schedules.update_async(
        schedule.id,
        {
            "phases": [
                {
                    "start_date": phase["start_date"],
                    "end_date": phase["end_date"],
                    "items": [{"price": await till.price("pro"), "quantity": 1}],
                },
                {"items": [{"price": await till.price("starter"), "quantity": 1}]},
            ],
        },
    )
    waiting = await till.sync()
    assert (waiting.plan, waiting.next_plan, waiting.next_plan_at) == ("pro", "starter", account.period_end)

    till.stripe.clock.advance_past_period(str(account.subscription_id))
    changed = await till.sync()
    assert (changed.plan, changed.next_plan, changed.next_plan_at) == ("starter", None, None)


async def test_who_pays_an_old_price_keeps_the_plan(till: Till) -> None:
    account = await till.subscribe()
    client = till.stripe.client()
    old = till.stripe.get(await till.price("starter"))
    await client.v1.prices.create_async(
        {
            "product": old["product"],
            "currency": "usd",
            "unit_amount": 5_900,
            "recurring": {"interval": "month"},
            "lookup_key": old["lookup_key"],
            "transfer_lookup_key": True,
        }
    )
    again = await till.sync()
    assert told(again) == told(account)


async def test_a_price_of_no_plan_takes_nothing_away(till: Till) -> None:
    account = await till.subscribe("pro")
    product = await till.stripe.client().v1.products.create_async({"name": "Something else"})
    price = await till.stripe.client().v1.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount": 1, "recurring": {"interval": "month"}}
    )
    [item] = till.stripe.get(str(account.subscription_id))["items"]["data"]
    await till.stripe.client().v1.subscriptions.update_async(
        str(account.subscription_id), {"items": [{"id": item["id"], "price": price.id}]}
    )
    strange = await till.sync()
    assert (strange.plan, strange.status) == ("pro", "trialing")
    assert "No plan has the price" in (strange.problem or "")


async def test_who_pays_twice_is_found(till: Till) -> None:
    account = await till.subscribe()
    second = await till.stripe.client().v1.subscriptions.create_async(
        {"customer": str(account.customer_id), "items": [{"price": await till.price("pro")}], "trial_period_days": 5}
    )
    await till.stripe.client().v1.subscriptions.cancel_async(str(account.subscription_id))
    third = await till.stripe.client().v1.subscriptions.create_async(
        {"customer": str(account.customer_id), "items": [{"price": await till.price("pro")}], "trial_period_days": 5}
    )
    found = await till.sync()
    assert {str(found.subscription_id), *found.detail["others"]} == {second.id, third.id}
    assert (found.plan, found.status) == ("pro", "trialing")


async def test_looking_again_changes_nothing_and_is_not_told(till: Till) -> None:
    first = await till.subscribe()
    before = await events(till)
    assert before == ["billing.enrolled", "billing.customer_made", "billing.checkout_opened", "billing.changed"]
    assert told(await till.sync()) == told(first)
    assert await events(till) == before


async def test_an_earlier_look_never_replaces_a_later_one(till: Till) -> None:
    account = await till.subscribe()
    subscription = str(account.subscription_id)
    # It has seen the customer, and waits for the subscriptions' list, which is as it was then.
    fault = till.stripe.hang_next("/v1/subscriptions", method="GET", when="after")
    early = asyncio.create_task(till.sync())
    await fault.reached.wait()
    await till.stripe.client().v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})
    later = await till.sync()
    assert later.ends_at is not None
    fault.released.set()
    await early

    now = await till.account()
    assert told(now) == told(later)
    assert (now.asked, now.applied) == (later.asked, later.applied)


async def test_many_looks_at_once_leave_what_one_leaves(till: Till) -> None:
    account = await till.subscribe()
    await till.stripe.client().v1.subscriptions.update_async(
        str(account.subscription_id), {"cancel_at_period_end": True}
    )
    await asyncio.gather(*(till.sync() for _ in range(10)))
    many = await till.account()
    assert told(many) == told(await till.sync())
    assert many.applied == many.asked
    assert (await events(till)).count("billing.changed") == 2


@pytest.mark.parametrize("how", ["cut", "500", "429", "401"])
async def test_what_was_known_holds_while_stripe_is_away(till: Till, how: str) -> None:
    account = await till.subscribe()
    if how == "cut":
        till.stripe.cut_next("/v1/customers/.*", method="GET", when="before")
    else:
        till.stripe.fail_next("/v1/customers/.*", int(how), method="GET")
    with pytest.raises(PaymentsUnavailable) as away:
        await till.sync()

    kept = await till.account()
    assert told(kept) | {"problem": None} == told(account)
    assert kept.problem == str(away.value)
    async with till.database.tenant_session(till.tenant_id) as session:
        assert (await entitlements.of(session)).limits.employees == 3
    assert (await till.sync()).problem is None


async def test_a_customer_of_another_account_takes_nothing_away(till: Till) -> None:
    account = await till.subscribe()
    del till.stripe.world.objects[str(account.customer_id)]
    with pytest.raises(PaymentsRefused, match="No such customer"):
        await till.sync()
    assert (await till.account()).plan == "starter"


async def test_a_row_is_made_of_the_look_alone(till: Till) -> None:
    """Whatever it was before: only that there was a trial, and a plan whose price is gone, are remembered."""
    async with till.database.system_session() as session:
        offered = await plans.listed(session)
    await till.subscribe()
    found = await till.payments.look(str((await till.account()).customer_id))
    new = BillingAccount(tenant_id=till.tenant_id)
    other = BillingAccount(tenant_id=till.tenant_id, plan="pro", status="past_due", problem="x", next_plan="free")
    assert subscriptions._row(new, offered, found) == subscriptions._row(other, offered, found)
    nothing = CustomerFacts(is_deleted=False, subscription=None, others=(), had_trial=False)
    assert subscriptions._row(new, offered, nothing)["status"] == "none"
