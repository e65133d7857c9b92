"""Subscriptions: begun, looked at, changed and ended.

- https://docs.stripe.com/api/subscriptions: periods belong to the items; `status=all` also lists those that ended.
- https://docs.stripe.com/billing/subscriptions/change-price: another price for an item, by the item's id.
- https://docs.stripe.com/billing/subscriptions/pending-updates-reference: what `pending_if_incomplete` goes with.
- https://docs.stripe.com/billing/subscriptions/trials
"""

from typing import Any, Final

from tests.support.stripe_double import changes
from tests.support.stripe_double.customers import customer_of
from tests.support.stripe_double.endpoints import Call, endpoint, retrieval
from tests.support.stripe_double.invoices import end_of_period, lines_for_period, lines_for_use, unused
from tests.support.stripe_double.paying import bill, end
from tests.support.stripe_double.wire import Json, Refusal, listed, sublist
from tests.support.stripe_double.world import World, merge_metadata

_ENDED: Final = ("canceled", "incomplete_expired")
_OF_BEGINNING: Final = ("billing_mode", "default_payment_method", "description", "metadata", "trial_settings")
_SETTABLE: Final = ("default_payment_method", "description", "pause_collection", "payment_settings", "trial_settings")
_MOST_ON_A_CLOCK: Final = 3


def recurring_price(world: World, given: str, param: str) -> Json:
    price = world.find("price", given, param=param)
    if not price["active"]:
        raise Refusal("The price specified is inactive. This field only accepts active prices.", param=param)
    if price["recurring"] is None:
        raise Refusal(f"The price {given} is one time, and this field takes recurring ones.", param=param)
    return price


def make_item(world: World, clock: str | None, price: Json, quantity: int | None, subscription: str = "") -> Json:
    is_metered = price["recurring"]["usage_type"] == "metered"
    if is_metered and quantity is not None:
        raise Refusal("You cannot set the quantity of an item whose price is metered.", param="items")
    item = world.add(
        "si",
        "subscription_item",
        clock,
        is_long=False,
        billing_thresholds=None,
        current_period_end=0,
        current_period_start=0,
        discounts=[],
        metadata={},
        price=price,
        subscription=subscription,
        tax_rates=[],
    )
    if not is_metered:
        item["quantity"] = quantity if quantity is not None else 1
    return item


def begin(
    world: World,
    customer: Json,
    wanted: list[tuple[Json, int | None]],
    *,
    given: Json,
    trial_end: int | None = None,
) -> Json:
    """Its first invoice is made, paid or not; then what the status says."""
    clock = customer["test_clock"]
    now = world.now(clock)
    if clock and len(world.all_of("subscription", customer=customer["id"])) >= _MOST_ON_A_CLOCK:
        raise Refusal(
            f"A customer of a test clock can have at most {_MOST_ON_A_CLOCK} subscriptions.", param="customer"
        )
    if len({price["currency"] for price, _ in wanted}) != 1:
        raise Refusal("All prices of a subscription must be in one currency.", param="items")
    anchor = trial_end or now
    items = [make_item(world, clock, price, quantity) for price, quantity in wanted]
    settings = given.get("trial_settings", {"end_behavior": {"missing_payment_method": "create_invoice"}})
    subscription = world.add(
        "sub",
        "subscription",
        clock,
        application=None,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=anchor,
        billing_mode=_billing_mode(given.get("billing_mode", {}).get("type", world.rules.billing_mode)),
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        currency=wanted[0][0]["currency"],
        customer=customer["id"],
        days_until_due=None,
        default_payment_method=given.get("default_payment_method"),
        default_source=None,
        default_tax_rates=[],
        description=given.get("description"),
        discounts=[],
        ended_at=None,
        invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
        items={},
        latest_invoice=None,
        metadata={},
        next_pending_invoice_item_invoice=None,
        pause_collection=None,
        payment_settings={
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        pending_invoice_item_interval=None,
        pending_setup_intent=None,
        pending_update=None,
        schedule=None,
        start_date=now,
        status="trialing" if trial_end else "incomplete",
        test_clock=clock,
        transfer_data=None,
        trial_end=trial_end,
        trial_settings=settings,
        trial_start=now if trial_end else None,
        _pending_lines=[],
        _is_warned=bool(trial_end and trial_end - now <= 3 * changes.DAY),
    )
    merge_metadata(subscription, given.get("metadata"))
    for item in items:
        item["subscription"] = subscription["id"]
        item["current_period_start"] = now
        item["current_period_end"] = trial_end or end_of_period(anchor, now, item["price"]["recurring"])
    subscription["items"] = sublist(items, f"/v1/subscription_items?subscription={subscription['id']}")
    world.emit("customer.subscription.created", subscription)
    bill(
        world,
        subscription,
        lines_for_period(world, subscription, items, is_free=bool(trial_end)),
        "subscription_create",
    )
    if trial_end and subscription["_is_warned"]:
        world.emit("customer.subscription.trial_will_end", subscription)
    return subscription


def _billing_mode(kind: str) -> Json:
    if kind == "classic":
        return {"flexible": None, "type": "classic"}
    return {"flexible": {"proration_discounts": "included"}, "type": "flexible"}


def trial_end_of(world: World, clock: str | None, given: Json) -> int | None:
    """`trial_end` is a moment or `now`, `trial_period_days` a number of whole days; not both."""
    now = world.now(clock)
    if "trial_end" in given and "trial_period_days" in given:
        raise Refusal("You cannot set both `trial_end` and `trial_period_days`.", param="trial_end")
    if "trial_period_days" in given:
        if not 1 <= given["trial_period_days"] <= 730:
            raise Refusal("The trial must be between 1 and 730 days long.", param="trial_period_days")
        return now + int(given["trial_period_days"]) * changes.DAY
    moment = given.get("trial_end")
    if moment in (None, "now"):
        return None
    if moment <= now:
        raise Refusal("The trial's end must be in the future.", param="trial_end")
    return int(moment)


@endpoint("POST", "/v1/subscriptions", "SubscriptionCreateParams")
def create(call: Call) -> Json:
    world, given = call.world, call.params
    customer = customer_of(world, given.get("customer"))
    if not given.get("items"):
        raise Refusal("Missing required param: items.", code="parameter_missing", param="items")
    wanted = [
        (recurring_price(world, each.get("price", ""), f"items[{number}][price]"), each.get("quantity"))
        for number, each in enumerate(given["items"])
    ]
    if method := given.get("default_payment_method"):
        world.find("payment_method", method, param="default_payment_method")
    trial_end = trial_end_of(world, customer["test_clock"], given)
    told: Json = {name: given[name] for name in _OF_BEGINNING if name in given}
    subscription = begin(world, customer, wanted, given=told, trial_end=trial_end)
    behavior = given.get("payment_behavior", "allow_incomplete")
    if behavior == "default_incomplete":
        raise NotImplementedError("a first payment that is confirmed by a script")
    if subscription["status"] == "incomplete" and behavior == "error_if_incomplete":
        failure = changes.first_failure(world, subscription)
        end(world, subscription, "payment_failed")
        raise failure
    return subscription


@endpoint("GET", "/v1/subscriptions", "SubscriptionListParams")
def list_subscriptions(call: Call) -> Json:
    given = call.params
    if "customer" in given:
        call.world.find("customer", given["customer"], param="customer")
    status = given.get("status")
    found = [each for each in call.world.all_of("subscription") if _is_listed(each, status)]
    if "customer" in given:
        found = [each for each in found if each["customer"] == given["customer"]]
    elif "test_clock" not in given:
        found = [each for each in found if each["test_clock"] is None]
    if "test_clock" in given:
        found = [each for each in found if each["test_clock"] == given["test_clock"]]
    if "price" in given:
        found = [each for each in found if any(item["price"]["id"] == given["price"] for item in each["items"]["data"])]
    return listed(found, given, "/v1/subscriptions")


def _is_listed(subscription: Json, status: str | None) -> bool:
    match status:
        case "all":
            return True
        case None:
            return bool(subscription["status"] != "canceled")
        case "ended":
            return subscription["status"] in _ENDED
    return bool(subscription["status"] == status)


def living(call: Call) -> Json:
    subscription = call.named("subscription", "subscription")
    if subscription["status"] in _ENDED:
        raise Refusal(f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing", param="id")
    return subscription


@endpoint("POST", "/v1/subscriptions/{subscription}", "SubscriptionUpdateParams")
def update(call: Call) -> Json:
    world, given = call.world, dict(call.params)
    subscription = call.named("subscription", "subscription")
    if subscription["status"] in _ENDED:
        # https://docs.stripe.com/billing/subscriptions/cancel: only its metadata can still be changed.
        if set(given) - {"metadata", "cancellation_details", "expand"}:
            raise Refusal(
                "A canceled subscription can only update its cancellation_details and metadata.",
            )
        with world.changing(subscription):
            merge_metadata(subscription, given.get("metadata"))
        return subscription
    given.pop("expand", None)
    if given.get("payment_behavior") == "pending_if_incomplete":
        changes.check_pending(given)
    _check_cancellation(world, subscription, given)
    if "items" in given or "trial_end" in given:
        asked: Json = {name: given.pop(name) for name in changes.OF_ITEMS if name in given}
        changes.change_items(world, subscription, asked)
    for name in ("proration_behavior", "proration_date", "payment_behavior"):
        given.pop(name, None)
    with world.changing(subscription):
        _set_fields(world, subscription, given)
    return subscription


def _check_cancellation(world: World, subscription: Json, given: Json) -> None:
    if {"cancel_at", "cancel_at_period_end"} <= set(given):
        raise Refusal("You can only set one of `cancel_at` and `cancel_at_period_end`.", param="cancel_at")
    if subscription["schedule"] and {"cancel_at", "cancel_at_period_end"} & set(given):
        raise Refusal(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any"
            " cancelation behavior directly is not allowed. Please update the schedule instead."
        )
    moment = given.get("cancel_at")
    if isinstance(moment, int) and moment <= world.now(subscription["test_clock"]):
        raise Refusal("`cancel_at` must be in the future.", param="cancel_at")
    if given.get("default_payment_method"):
        method = world.find("payment_method", given["default_payment_method"], param="default_payment_method")
        if method["customer"] != subscription["customer"]:
            raise Refusal("The payment method must be attached to the customer.", param="default_payment_method")


def _set_fields(world: World, subscription: Json, given: Json) -> None:
    merge_metadata(subscription, given.pop("metadata", None))
    if "cancel_at_period_end" in given:
        changes.cancel_at_period_end(world, subscription, is_meant=given.pop("cancel_at_period_end"))
    if "cancel_at" in given:
        changes.cancel_at(world, subscription, given.pop("cancel_at"))
    if "cancellation_details" in given:
        details = {name: value or None for name, value in given.pop("cancellation_details").items()}
        subscription["cancellation_details"] = subscription["cancellation_details"] | details
    for name in given:
        if name not in _SETTABLE:
            raise NotImplementedError(f"{name} of a subscription cannot be changed here")
    settled: dict[str, Any] = {name: value if value != "" else None for name, value in given.items()}
    if settled.get("pause_collection"):
        settled["pause_collection"] = {"resumes_at": None, **settled["pause_collection"]}
    subscription.update(settled)


@endpoint("DELETE", "/v1/subscriptions/{subscription}", "SubscriptionCancelParams")
def cancel(call: Call) -> Json:
    world, given, subscription = call.world, call.params, living(call)
    items = subscription["items"]["data"]
    now = world.now(subscription["test_clock"])
    details = {name: value or None for name, value in given.get("cancellation_details", {}).items()}
    subscription["cancellation_details"] = subscription["cancellation_details"] | details
    lines = []
    if given.get("invoice_now"):
        lines += lines_for_use(world, subscription, items, until=now)
    if given.get("prorate") and subscription["status"] == "active":
        lines += [unused(world, subscription, item, now) for item in items if "quantity" in item]
    if lines:
        bill(world, subscription, lines, "subscription_update")
    end(world, subscription, "cancellation_requested")
    return subscription


def end_all_of(world: World, customer: Json) -> None:
    for subscription in world.all_of("subscription", customer=customer["id"]):
        if subscription["status"] not in _ENDED:
            end(world, subscription, "cancellation_requested")


retrieval("/v1/subscriptions/{subscription}", "subscription", "SubscriptionRetrieveParams")
