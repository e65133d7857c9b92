"""Changing what a running subscription is for: prices, quantities, its trial's end, and when it ends.

- https://docs.stripe.com/billing/subscriptions/prorations: `create_prorations` puts them on the next invoice,
  `always_invoice` on one of their own, `none` makes none. Another interval, or a paid price after a free one, begins a
  new period and is invoiced at once.
- https://docs.stripe.com/billing/subscriptions/pending-updates: with `pending_if_incomplete` nothing changes before the
  payment went through. With `error_if_incomplete` nothing changes and the answer is the card's error.
- https://docs.stripe.com/billing/subscriptions/cancel: at the end of the period, or at a moment.
"""

import copy
from dataclasses import dataclass
from typing import Final

from tests.support.stripe_double.customers import default_card
from tests.support.stripe_double.invoices import (
    build,
    end_of_period,
    lines_for_period,
    lines_for_use,
    price_for,
    prorations,
    unused,
)
from tests.support.stripe_double.paying import DAY, PATIENCE, attempt, bill, draft, finalize, problem
from tests.support.stripe_double.schedules import current
from tests.support.stripe_double.wire import Json, Refusal
from tests.support.stripe_double.world import World

__all__ = ["DAY", "OF_ITEMS", "cancel_at", "cancel_at_period_end", "change_items", "check_pending", "first_failure"]

OF_ITEMS: Final[tuple[str, ...]] = ("items", "proration_behavior", "proration_date", "payment_behavior", "trial_end")
_WITH_PENDING: Final = frozenset(OF_ITEMS) | {"expand", "billing_cycle_anchor", "add_invoice_items", "trial_from_plan"}


@dataclass
class Change:
    """Items as they will be, and what that costs."""

    items: list[Json]
    lines: list[Json]
    begins_period: bool
    behavior: str
    trial_end: int | None


def check_pending(given: Json) -> None:
    for name in given:
        if name not in _WITH_PENDING:
            raise Refusal(
                f"You passed `{name}` with `payment_behavior=pending_if_incomplete`, which does not support it.",
                param=name,
            )


def plan(world: World, subscription: Json, given: Json) -> Change:
    """What a change would do. Nothing is done yet."""
    now = world.now(subscription["test_clock"])
    behavior = given.get("proration_behavior", "create_prorations")
    at = _proration_date(subscription, given, now)
    before = subscription["items"]["data"]
    after = _items_after(world, subscription, given.get("items", []))
    trial_end = subscription["trial_end"] if subscription["status"] == "trialing" else None
    if "trial_end" in given:
        trial_end = None if given["trial_end"] == "now" else given["trial_end"]
    if trial_end is not None and trial_end <= now:
        raise Refusal("The trial's end must be in the future.", param="trial_end")
    is_free = subscription["status"] == "trialing"
    if is_free and trial_end is not None:
        for item in after:
            item["current_period_end"] = trial_end
        return Change(after, [], begins_period=False, behavior=behavior, trial_end=trial_end)
    begins = (is_free and trial_end is None) or _begins_period(before, after)
    lines: list[Json] = []
    if behavior != "none" and not is_free:
        for item in before:
            lines += _lines_of(world, subscription, item, after, at, begins_period=begins)
    if begins:
        if not is_free:
            lines += lines_for_use(world, subscription, before, until=now)
        for item in after:
            item["current_period_start"] = now
            item["current_period_end"] = end_of_period(now, now, item["price"]["recurring"])
        lines += lines_for_period(world, subscription, after)
    return Change(after, lines, begins_period=begins, behavior=behavior, trial_end=trial_end)


def _proration_date(subscription: Json, given: Json, now: int) -> int:
    at = given.get("proration_date", now)
    start, end = _period(subscription)
    if not start <= at <= end:
        raise Refusal(
            "Cannot specify a proration date outside of the subscription's current period.", param="proration_date"
        )
    return int(at)


def _period(subscription: Json) -> tuple[int, int]:
    items = subscription["items"]["data"]
    return min(each["current_period_start"] for each in items), max(each["current_period_end"] for each in items)


def _items_after(world: World, subscription: Json, asked: list[Json]) -> list[Json]:
    after = [copy.copy(item) for item in subscription["items"]["data"]]
    for number, each in enumerate(asked):
        if "id" not in each:
            _add_item(world, subscription, after, each, number)
            continue
        held = next((item for item in after if item["id"] == each["id"]), None)
        if held is None:
            raise Refusal(
                f"No such subscription item: '{each['id']}'",
                code="resource_missing",
                param=f"items[{number}][id]",
            )
        if each.get("deleted"):
            after.remove(held)
            continue
        if "price" in each:
            held["price"] = _same_currency(world, subscription, each["price"], f"items[{number}][price]")
        if "quantity" in each:
            held["quantity"] = each["quantity"]
        if held["price"]["recurring"]["usage_type"] == "metered":
            held.pop("quantity", None)
    if not after:
        raise Refusal("A subscription must have at least one item.", param="items")
    if len({item["price"]["id"] for item in after}) < len(after):
        raise Refusal(
            "Cannot add multiple subscription items with the same price. Update the quantity of the existing item.",
            param="items",
        )
    return after


def _add_item(world: World, subscription: Json, after: list[Json], each: Json, number: int) -> None:
    price = _same_currency(world, subscription, each.get("price", ""), f"items[{number}][price]")
    start, end = _period(subscription)
    item = {
        **after[0],
        "id": f"si_{world.line_id()[3:17]}",
        "created": world.now(subscription["test_clock"]),
        "current_period_end": end,
        "current_period_start": start,
        "metadata": {},
        "price": price,
        "quantity": each.get("quantity", 1),
    }
    if price["recurring"]["usage_type"] == "metered":
        del item["quantity"]
    after.append(item)


def _same_currency(world: World, subscription: Json, given: str, param: str) -> Json:
    price = world.find("price", given, param=param)
    if not price["active"]:
        raise Refusal("The price specified is inactive. This field only accepts active prices.", param=param)
    if price["recurring"] is None or price["currency"] != subscription["currency"]:
        raise Refusal(
            f"The price {given} cannot be combined with the currency or type of this subscription.", param=param
        )
    return price


def _begins_period(before: list[Json], after: list[Json]) -> bool:
    def interval(items: list[Json]) -> set[tuple[str, int]]:
        return {
            (each["price"]["recurring"]["interval"], each["price"]["recurring"]["interval_count"]) for each in items
        }

    def costs(items: list[Json]) -> bool:
        return any(price_for(each["price"], each.get("quantity", 1)) for each in items)

    return interval(before) != interval(after) or (not costs(before) and costs(after))


def _lines_of(
    world: World, subscription: Json, item: Json, after: list[Json], at: int, *, begins_period: bool
) -> list[Json]:
    if "quantity" not in item:
        return []
    new = next((each for each in after if each["id"] == item["id"]), None)
    if new is None or (begins_period and "quantity" in item):
        return [unused(world, subscription, item, at)]
    if new["price"] is item["price"] and new.get("quantity") == item["quantity"]:
        return []
    return prorations(world, subscription, item, new["price"], new.get("quantity", 0), at)


def change_items(world: World, subscription: Json, given: Json) -> None:
    change = plan(world, subscription, given)
    if subscription.get("_pending"):
        raise Refusal("This subscription already has a pending update. Cancel it or wait until it was applied.")
    payment = given.get("payment_behavior", "allow_incomplete")
    is_invoiced = bool(change.lines) and (change.begins_period or change.behavior == "always_invoice")
    if is_invoiced and payment == "error_if_incomplete":
        _must_be_payable(world, subscription, change)
    if not is_invoiced or payment in ("allow_incomplete", "error_if_incomplete", "default_incomplete"):
        apply(world, subscription, change)
        if is_invoiced:
            bill(world, subscription, change.lines, "subscription_update")
        else:
            subscription["_pending_lines"] += change.lines
        return
    invoice = draft(world, subscription, change.lines, "subscription_update")
    subscription["_pending"] = {
        "apply": lambda: _write(world, subscription, change),
        "invoice": invoice["id"],
        "behavior": change.behavior,
    }
    finalize(world, invoice)
    if invoice["status"] == "paid" or attempt(world, invoice) is None:
        return
    now = world.now(subscription["test_clock"])
    ends = min(each["current_period_end"] for each in subscription["items"]["data"])
    with world.changing(subscription):
        subscription["pending_update"] = {
            "billing_cycle_anchor": None,
            "expires_at": min(now + PATIENCE, ends),
            "prior": None,
            "subscription_items": change.items,
            "trial_end": change.trial_end,
            "trial_from_plan": None,
        }


def _must_be_payable(world: World, subscription: Json, change: Change) -> None:
    preview = build(world, subscription, change.lines, "subscription_update", is_preview=True)
    card = default_card(world, world.objects[subscription["customer"]], subscription)
    failure = problem(world, preview, card) if preview["amount_due"] else None
    if failure is not None:
        raise failure


def first_failure(world: World, subscription: Json) -> Refusal:
    invoice = world.objects[subscription["latest_invoice"]]
    card = default_card(world, world.objects[subscription["customer"]], subscription)
    return problem(world, invoice, card) or Refusal("The first payment failed.", status=402, type="card_error")


def apply(world: World, subscription: Json, change: Change) -> None:
    with world.changing(subscription):
        _write(world, subscription, change)


def _write(world: World, subscription: Json, change: Change) -> None:
    for item in change.items:
        world.objects[item["id"]] = item
    now = world.now(subscription["test_clock"])
    subscription["items"] = subscription["items"] | {"data": change.items, "total_count": len(change.items)}
    if change.begins_period:
        subscription["billing_cycle_anchor"] = now
    if subscription["status"] == "trialing":
        subscription["trial_end"] = change.trial_end or now
        subscription["billing_cycle_anchor"] = subscription["trial_end"]
        if change.trial_end is None:
            subscription["status"] = "active"
    schedule = world.objects.get(subscription["schedule"] or "")
    if schedule is not None and schedule["status"] == "active":
        current(schedule)["items"] = [
            {"price": item["price"]["id"], "quantity": item.get("quantity")} for item in change.items
        ]


def cancel_at_period_end(world: World, subscription: Json, *, is_meant: bool) -> None:
    subscription["cancel_at_period_end"] = is_meant
    cancel_at(world, subscription, _period(subscription)[1] if is_meant else "")


def cancel_at(world: World, subscription: Json, moment: int | str) -> None:
    """A moment, the word for a period's end, or nothing: it goes on."""
    if moment == "max_period_end":
        moment = _period(subscription)[1]
    elif moment == "min_period_end":
        moment = min(each["current_period_end"] for each in subscription["items"]["data"])
    now = world.now(subscription["test_clock"])
    if moment == "":
        subscription["cancel_at_period_end"] = False
    subscription["cancel_at"] = moment or None
    subscription["canceled_at"] = now if moment else None
    reason = "cancellation_requested" if moment else None
    subscription["cancellation_details"] = subscription["cancellation_details"] | {"reason": reason}
