"""The Billing Portal's configurations and sessions, and what somebody may do there.

- https://docs.stripe.com/api/customer_portal/configurations: plans are products with prices of theirs; a change that is
  less, or of a shorter interval, can wait for the period's end; without a configuration of its own a session takes the
  default one, which is the first that is made here.
- https://docs.stripe.com/api/customer_portal/sessions and
  https://docs.stripe.com/customer-management/portal-deep-links: a flow is for a subscription of that customer, and for
  what the configuration allows.
- https://docs.stripe.com/customer-management/configure-portal: a subscription of several products (a metered one beside
  the plan, say) can only be canceled here, not changed; plans can be changed only where cards can.
- A flow to another plan while a change is to come already is put behind that, it does not replace it.
- https://docs.stripe.com/billing/subscriptions/billing-mode/compare: a cancellation here in flexible mode sets
  `cancel_at` alone. In classic mode it sets `cancel_at_period_end` too.
"""

from typing import Any

from tests.support.stripe_double import changes
from tests.support.stripe_double.customers import customer_of
from tests.support.stripe_double.endpoints import Call, endpoint, retrieval
from tests.support.stripe_double.invoices import price_for
from tests.support.stripe_double.paying import end
from tests.support.stripe_double.schedules import current, from_subscription, release, then
from tests.support.stripe_double.wire import Json, Refusal, check_url, listed
from tests.support.stripe_double.world import World, merge_metadata

_SECTIONS: dict[str, Json] = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}


@endpoint("POST", "/v1/billing_portal/configurations", "billing_portal.ConfigurationCreateParams")
def create_configuration(call: Call) -> Json:
    world, given = call.world, dict(call.params)
    configuration = world.add(
        "bpc",
        "billing_portal.configuration",
        active=True,
        application=None,
        business_profile={"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        default_return_url=None,
        features={name: dict(section) for name, section in _SECTIONS.items()},
        is_default=not world.all_of("billing_portal.configuration"),
        login_page={"enabled": False, "url": None},
        metadata={},
        name=None,
        updated=world.now(),
    )
    try:
        _write(world, configuration, given)
    except Refusal:
        del world.objects[configuration["id"]]
        raise
    world.emit("billing_portal.configuration.created", configuration)
    return configuration


@endpoint("POST", "/v1/billing_portal/configurations/{configuration}", "billing_portal.ConfigurationUpdateParams")
def update_configuration(call: Call) -> Json:
    configuration = call.named("configuration", "billing_portal.configuration")
    if configuration["is_default"] and call.params.get("active") is False:
        raise Refusal("The default configuration cannot be deactivated.", param="active")
    with call.world.changing(configuration):
        _write(call.world, configuration, dict(call.params))
        configuration["updated"] = call.world.now()
    return configuration


def _write(world: World, configuration: Json, given: Json) -> None:
    features = {name: dict(section) for name, section in configuration["features"].items()}
    for name, section in given.pop("features", {}).items():
        features[name] = features.get(name, {}) | {key: _read(value) for key, value in section.items()}
    if features["subscription_update"]["enabled"] and not features["payment_method_update"]["enabled"]:
        raise Refusal("Cannot enable subscription updates while payment method update is disabled.", param="features")
    _check_plans(world, features["subscription_update"])
    configuration["features"] = features
    merge_metadata(configuration, given.pop("metadata", None))
    profile = given.pop("business_profile", {})
    configuration["business_profile"] = configuration["business_profile"] | profile
    given.pop("expand", None)
    configuration.update({name: value if value != "" else None for name, value in given.items()})


def _read(value: Any) -> Any:
    return [] if value == "" else value


def _check_plans(world: World, section: Json) -> None:
    if not section["enabled"]:
        return
    for name in ("default_allowed_updates", "products"):
        if not section[name]:
            param = f"features[subscription_update][{name}]"
            raise Refusal(f"Missing required param: {param}.", code="parameter_missing", param=param)
    seen: dict[tuple[str, str, int], str] = {}
    for number, plan in enumerate(section["products"]):
        param = f"features[subscription_update][products][{number}]"
        product = world.find("product", plan["product"], param=f"{param}[product]")
        if not plan["prices"]:
            raise Refusal("Each product needs at least one price.", param=f"{param}[prices]")
        for given in plan["prices"]:
            price = world.find("price", given, param=f"{param}[prices]")
            if price["product"] != product["id"]:
                raise Refusal(f"The price {given} is not one of the product {product['id']}.", param=f"{param}[prices]")
            if not price["active"] or price["recurring"] is None or price["recurring"]["usage_type"] == "metered":
                raise Refusal(
                    f"The price {given} cannot be chosen in the portal: it must be active, recurring and licensed.",
                    param=f"{param}[prices]",
                )
            # Prices of a product differ in their interval: https://docs.stripe.com/customer-management/configure-portal
            kind = (product["id"], price["recurring"]["interval"], price["recurring"]["interval_count"])
            if kind in seen and seen[kind] != given:
                raise Refusal("Prices of one product must have different billing intervals.", param=f"{param}[prices]")
            seen[kind] = given


@endpoint("GET", "/v1/billing_portal/configurations", "billing_portal.ConfigurationListParams")
def list_configurations(call: Call) -> Json:
    wanted = {name: call.params[name] for name in ("active", "is_default") if name in call.params}
    found = call.world.all_of("billing_portal.configuration", **wanted)
    return listed(found, call.params, "/v1/billing_portal/configurations")


@endpoint("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams")
def create_session(call: Call) -> Json:
    world, given = call.world, call.params
    if "customer" not in given:
        raise Refusal("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = customer_of(world, given["customer"])
    configuration = _configuration(world, given.get("configuration"))
    return_url = given.get("return_url", configuration["default_return_url"])
    check_url(return_url, "return_url")
    session = world.add(
        "bps",
        "billing_portal.session",
        customer["test_clock"],
        configuration=configuration["id"],
        customer=customer["id"],
        flow=_flow(world, customer, configuration, given["flow_data"]) if "flow_data" in given else None,
        locale=given.get("locale"),
        on_behalf_of=None,
        return_url=return_url,
    )
    session["url"] = f"{world.base_url}/p/session/{session['id'].removeprefix('bps_')}"
    world.emit("billing_portal.session.created", session)
    return session


def _configuration(world: World, given: str | None) -> Json:
    if given is not None:
        found = world.find("billing_portal.configuration", given, param="configuration")
        if not found["active"]:
            raise Refusal("The configuration is not active.", param="configuration")
        return found
    default = world.all_of("billing_portal.configuration", is_default=True)
    if not default:
        raise Refusal(
            "No configuration provided and your test mode default configuration has not been created. Provide a"
            " configuration or create your default by saving your customer portal settings in test mode."
        )
    return default[0]


def _flow(world: World, customer: Json, configuration: Json, given: Json) -> Json:
    kind = given["type"]
    feature = {
        "payment_method_update": "payment_method_update",
        "subscription_cancel": "subscription_cancel",
        "subscription_update": "subscription_update",
        "subscription_update_confirm": "subscription_update",
    }.get(kind)
    if feature is None:
        raise Refusal(f"The double has no flow {kind}.", param="flow_data[type]")
    if not configuration["features"][feature]["enabled"]:
        raise Refusal(
            f"This flow needs the feature `{feature}`, which is disabled in your portal configuration.",
            param="flow_data[type]",
        )
    names = ("subscription_cancel", "subscription_update", "subscription_update_confirm")
    flow = {"type": kind, "after_completion": _completion(given), **{name: given.get(name) for name in names}}
    for name in names:
        if (name == kind) != (flow[name] is not None):
            param = f"flow_data[{name}]"
            raise Refusal(f"`{param}` goes with the flow of that type, and is needed by it.", param=param)
    if kind != "payment_method_update":
        _check_subscription(world, customer, configuration, flow[kind], kind)
    return flow


def _completion(given: Json) -> Json:
    completion: Json = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    completion |= given.get("after_completion", {})
    if completion["type"] == "redirect" and completion["redirect"] is None:
        param = "flow_data[after_completion][redirect]"
        raise Refusal(f"Missing required param: {param}.", code="parameter_missing", param=param)
    if completion["redirect"] is not None:
        check_url(completion["redirect"]["return_url"], "flow_data[after_completion][redirect][return_url]")
    return completion


def _check_subscription(world: World, customer: Json, configuration: Json, wanted: Json, kind: str) -> None:
    param = f"flow_data[{kind}][subscription]"
    subscription = world.find("subscription", wanted["subscription"], param=param)
    if subscription["customer"] != customer["id"]:
        raise Refusal(
            f"The subscription {subscription['id']} does not belong to the customer {customer['id']}.", param=param
        )
    if subscription["status"] in ("canceled", "incomplete", "incomplete_expired"):
        raise Refusal(f"The subscription cannot be changed while it is {subscription['status']}.", param=param)
    if kind != "subscription_cancel" and not can_change(subscription):
        raise Refusal(
            "The subscription update flow cannot be used when a subscription contains multiple products.", param=param
        )
    if kind == "subscription_cancel" and subscription["cancel_at"]:
        raise Refusal("The subscription is already set to be canceled.", param=param)
    if kind != "subscription_update_confirm":
        return
    if len(wanted["items"]) != 1:
        raise Refusal("Exactly one item is expected.", param=f"flow_data[{kind}][items]")
    [item] = wanted["items"]
    if item["id"] not in {each["id"] for each in subscription["items"]["data"]}:
        param = f"flow_data[{kind}][items][0][id]"
        raise Refusal(f"No such subscription item: '{item['id']}'", code="resource_missing", param=param)
    if "price" in item:
        world.find("price", item["price"], param=f"flow_data[{kind}][items][0][price]")
    check_allowed(configuration, subscription, item)


def can_change(subscription: Json) -> bool:
    return len(subscription["items"]["data"]) == 1


def check_allowed(configuration: Json, subscription: Json, item: Json) -> None:
    """Whether the configuration lets somebody change to this."""
    section = configuration["features"]["subscription_update"]
    if not section["enabled"] or not can_change(subscription):
        raise Refusal("This subscription cannot be changed in this portal.")
    held = next(each for each in subscription["items"]["data"] if each["id"] == item["id"])
    if item.get("price", held["price"]["id"]) != held["price"]["id"]:
        offered = {price for plan in section["products"] for price in plan["prices"]}
        if "price" not in section["default_allowed_updates"] or item["price"] not in offered:
            raise Refusal(
                f"The price {item['price']} cannot be chosen: the portal configuration's `features[subscription_update]"
                "[products]` does not have it.",
                param="flow_data[subscription_update_confirm][items][0][price]",
            )
    elif item.get("quantity", held["quantity"]) == held["quantity"]:
        raise Refusal(
            "The subscription update is the same as the current subscription.",
            param="flow_data[subscription_update_confirm][items]",
        )
    is_another_quantity = item.get("quantity", held["quantity"]) != held["quantity"]
    if is_another_quantity and "quantity" not in section["default_allowed_updates"]:
        raise Refusal("The quantity cannot be changed in this portal.")


def waits_for_period_end(world: World, configuration: Json, subscription: Json, item: Json) -> bool:
    held = next(each for each in subscription["items"]["data"] if each["id"] == item["id"])
    price = world.objects[item.get("price", held["price"]["id"])]
    kinds = {
        each["type"]
        for each in configuration["features"]["subscription_update"]["schedule_at_period_end"]["conditions"]
    }
    lengths = {"day": 1, "week": 7, "month": 30, "year": 365}

    def length(one: Json) -> int:
        return lengths[one["recurring"]["interval"]] * int(one["recurring"]["interval_count"])

    new, old = price_for(price, item.get("quantity", held["quantity"])), price_for(held["price"], held["quantity"])
    if length(price) < length(held["price"]):
        return "shortening_interval" in kinds
    return "decreasing_item_amount" in kinds and new < old and length(price) == length(held["price"])


def asked_change(configuration: Json, subscription: Json, item: Json) -> Json:
    """A change as the portal asks for it: made only when it was paid, and without prorations where those are off."""
    section = configuration["features"]["subscription_update"]
    asked = {
        "items": [item],
        "proration_behavior": section["proration_behavior"],
        "payment_behavior": "error_if_incomplete",
    }
    if subscription["status"] == "trialing" and section["trial_update_behavior"] == "end_trial":
        asked["trial_end"] = "now"
    return asked


def change_plan(world: World, configuration: Json, subscription: Json, item: Json) -> None:
    check_allowed(configuration, subscription, item)
    if waits_for_period_end(world, configuration, subscription, item):
        schedule = world.objects.get(subscription["schedule"] or "") or from_subscription(world, subscription)
        held = next(each for each in subscription["items"]["data"] if each["id"] == item["id"])
        wanted = {"price": held["price"]["id"], "quantity": held["quantity"], "metadata": {}} | item
        then(world, schedule, [{name: wanted[name] for name in ("price", "quantity", "metadata")}])
        return
    if subscription["schedule"]:
        release(world, world.objects[subscription["schedule"]])
    changes.change_items(world, subscription, asked_change(configuration, subscription, item))


def coming_change(world: World, subscription: Json) -> Json | None:
    """The phase that is still to come, if one is."""
    schedule = world.objects.get(subscription["schedule"] or "")
    if schedule is None:
        return None
    later = [phase for phase in schedule["phases"] if phase["start_date"] > current(schedule)["start_date"]]
    return later[0] if later else None


def cancel(world: World, configuration: Json, subscription: Json) -> None:
    if subscription["schedule"]:
        release(world, world.objects[subscription["schedule"]])
    if configuration["features"]["subscription_cancel"]["mode"] == "immediately":
        end(world, subscription, "cancellation_requested")
        return
    with world.changing(subscription):
        changes.cancel_at_period_end(world, subscription, is_meant=True)
        if subscription["billing_mode"]["type"] == "flexible":
            subscription["cancel_at_period_end"] = False


def renew(world: World, subscription: Json) -> None:
    """Takes a cancellation back that is still to come."""
    with world.changing(subscription):
        changes.cancel_at(world, subscription, "")


retrieval(
    "/v1/billing_portal/configurations/{configuration}",
    "billing_portal.configuration",
    "billing_portal.ConfigurationRetrieveParams",
)
