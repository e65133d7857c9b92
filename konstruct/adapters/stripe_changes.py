"""Another price for a subscription, made by us: Stripe's portal changes none that has several prices, and puts what is
to come at the period's end behind what was arranged before instead of in its place.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import stripe
from stripe.params import SubscriptionScheduleUpdateParamsPhase as PhaseParams
from stripe.params import SubscriptionScheduleUpdateParamsPhaseItem as PhaseItem
from stripe.params import SubscriptionUpdateParamsItem as ItemParams

from konstruct.adapters import stripe_facts as facts
from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_facts import Json
from konstruct.errors import PaymentsRefused


def is_for_portal(subscription: Json, prices: Sequence[Json]) -> bool:
    """Whether Stripe's portal makes this change, and asks before it does. The schedule has to be expanded."""
    return len(subscription["items"]["data"]) == len(prices) == 1 and facts.arranged(subscription) is None


def items(subscription: Json, prices: Sequence[Json]) -> list[ItemParams]:
    """Its own price is changed. What was billed by use stays until that is billed, and costs nothing without use: but
    for what goes by the same meter, which would count twice, and what is billed for other times."""
    plan, *used = prices
    held = facts.licensed(subscription)
    changed: list[ItemParams] = [{"id": held["id"], "price": plan["id"]}]
    left = list(used)
    for item in subscription["items"]["data"]:
        if not facts.is_metered(item["price"]):
            continue
        follows = next((each for each in left if _meter(each) == _meter(item["price"])), None)
        if follows is not None:
            left.remove(follows)
            if follows["id"] != item["price"]["id"]:
                changed.append({"id": item["id"], "price": follows["id"]})
        elif facts.interval(item["price"]) != facts.interval(plan):
            changed.append({"id": item["id"], "deleted": True})
    changed += [{"price": each["id"]} for each in left]
    return changed


def _meter(price: Json) -> object:
    return price["recurring"].get("meter")


async def arrange(calls: StripeCalls, subscription: Json, prices: Sequence[Json], attempt: str) -> None:
    """At the period's end, in place of what was arranged before. A schedule without a second phase, which is left where
    this is cut off, changes nothing."""
    schedule = facts.arranged(subscription)
    if schedule is None:
        begun: stripe.params.SubscriptionScheduleCreateParams = {"from_subscription": subscription["id"]}
        made = await calls.made(
            f"{attempt}/begin", begun, lambda options: calls.v1.subscription_schedules.create_async(begun, options)
        )
        schedule = made.to_dict()
    current, plan = schedule["current_phase"], prices[0]
    now: PhaseParams = {
        "start_date": current["start_date"],
        "end_date": current["end_date"],
        "items": [_phase_item(item["price"]) for item in subscription["items"]["data"]],
    }
    then: PhaseParams = {
        "items": [_phase_item(price) for price in prices],
        "duration": {
            "interval": plan["recurring"]["interval"],
            "interval_count": plan["recurring"]["interval_count"],
        },
        "proration_behavior": "none",
    }
    change: stripe.params.SubscriptionScheduleUpdateParams = {"end_behavior": "release", "phases": [now, then]}
    schedule_id = str(schedule["id"])
    await calls.made(
        f"{attempt}/arrange",
        {"schedule": schedule_id, **change},
        lambda options: calls.v1.subscription_schedules.update_async(schedule_id, change, options),
    )


def _phase_item(price: Json) -> PhaseItem:
    # How much of what is billed by use is not known before.
    return {"price": price["id"]} if facts.is_metered(price) else {"price": price["id"], "quantity": 1}


async def release(calls: StripeCalls, subscription: Json, attempt: str) -> bool:
    """What was arranged for the period's end is not to come. Whether anything was."""
    schedule = facts.arranged(subscription)
    if schedule is None:
        return False
    schedule_id = str(schedule["id"])
    await calls.made(
        f"{attempt}/release",
        {"schedule": schedule_id},
        lambda options: calls.v1.subscription_schedules.release_async(schedule_id, {}, options),
    )
    return True


async def make(
    calls: StripeCalls, subscription: Json, prices: Sequence[Json], proration_date: int | None, attempt: str
) -> str | None:
    """At once, and only if it is paid. Where it is to be paid by hand: a page of Stripe's.

    What was arranged before is not to come, and what was to be paid for another change is not any more.
    """
    subscription_id = str(subscription["id"])
    await release(calls, subscription, attempt)
    latest = facts.id_of(subscription.get("latest_invoice"))
    if subscription.get("pending_update") and latest is not None:
        await _void(calls, latest, attempt)
    change: stripe.params.SubscriptionUpdateParams = {
        "items": items(subscription, prices),
        "payment_behavior": "pending_if_incomplete",
        "proration_behavior": "always_invoice",
        "expand": ["latest_invoice"],
    }
    if proration_date is not None:
        change["proration_date"] = proration_date
    changed: Mapping[str, Any] = (
        await calls.made(
            f"{attempt}/change",
            {"subscription": subscription_id, **change},
            lambda options: calls.v1.subscriptions.update_async(subscription_id, change, options),
        )
    ).to_dict()
    if not changed.get("pending_update"):
        return None
    page = facts.page_at(changed["latest_invoice"].get("hosted_invoice_url"))
    if page is None:
        raise PaymentsRefused("The payment failed, so nothing was changed. Update the card first.", "not_paid")
    return page


async def _void(calls: StripeCalls, invoice_id: str, attempt: str) -> None:
    """But never what is to be paid for a period that has begun: a change that was not paid must not make it free."""
    found = (await calls.asked(calls.v1.invoices.retrieve_async(invoice_id))).to_dict()
    if found.get("billing_reason") != "subscription_update" or found.get("status") != "open":
        return
    await calls.made(
        f"{attempt}/void",
        {"invoice": invoice_id},
        lambda options: calls.v1.invoices.void_invoice_async(invoice_id, {}, options),
    )
