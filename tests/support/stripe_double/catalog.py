"""Products, prices and meters with their events.

- https://docs.stripe.com/api/products, https://docs.stripe.com/api/prices: amounts are whole minor units; what a price
  costs never changes; a lookup key is of one price, and moves to another only with `transfer_lookup_key`.
- https://docs.stripe.com/api/billing/meter and https://docs.stripe.com/api/billing/meter-event/create: an event's name
  is a meter's, its customer exists, its value is a whole number, its time is not older than 35 days nor more than 5
  minutes ahead; the same identifier again within 24 hours is refused.
"""

import re
from decimal import Decimal

from tests.support.stripe_double.endpoints import Call, collection, endpoint, retrieval
from tests.support.stripe_double.wire import Json, Refusal, listed, missing
from tests.support.stripe_double.world import World, merge_metadata

_DAY = 86_400


@endpoint("POST", "/v1/products", "ProductCreateParams")
def create_product(call: Call) -> Json:
    world, given = call.world, call.params
    wanted = given.get("id")
    if wanted in world.objects:
        raise Refusal(f"Product already exists: {wanted}", code="resource_already_exists", param="id")
    product = world.add(
        "prod",
        "product",
        is_long=False,
        active=given.get("active", True),
        default_price=None,
        description=given.get("description"),
        images=[],
        marketing_features=given.get("marketing_features") or [],
        metadata={},
        name=given["name"],
        package_dimensions=None,
        shippable=None,
        statement_descriptor=given.get("statement_descriptor"),
        tax_code=given.get("tax_code"),
        type="service",
        unit_label=given.get("unit_label"),
        updated=world.now(),
        url=given.get("url"),
    )
    if wanted:
        del world.objects[product["id"]]
        product["id"] = wanted
        world.objects[wanted] = product
    merge_metadata(product, given.get("metadata"))
    world.emit("product.created", product)
    if "default_price_data" in given:
        product["default_price"] = _add_price(world, product["id"], given["default_price_data"])["id"]
    return product


@endpoint("POST", "/v1/products/{product}", "ProductUpdateParams")
def update_product(call: Call) -> Json:
    product = call.named("product", "product")
    given = dict(call.params)
    if "default_price" in given:
        price = call.world.find("price", given["default_price"], param="default_price")
        if price["product"] != product["id"]:
            raise Refusal("The default price must belong to the product.", param="default_price")
    with call.world.changing(product):
        merge_metadata(product, given.pop("metadata", None))
        product.update({name: value if value != "" else None for name, value in given.items()})
        product["updated"] = call.world.now()
    return product


@endpoint("DELETE", "/v1/products/{product}", "ProductDeleteParams")
def delete_product(call: Call) -> Json:
    product = call.named("product", "product")
    if call.world.all_of("price", product=product["id"]):
        raise Refusal("This product cannot be deleted because it has one or more user-created prices.")
    del call.world.objects[product["id"]]
    call.world.emit("product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


@endpoint("POST", "/v1/prices", "PriceCreateParams")
def create_price(call: Call) -> Json:
    world, given = call.world, call.params
    if ("product" in given) == ("product_data" in given):
        raise Refusal("You must specify either `product` or `product_data` when creating a price.", param="product")
    if "product" in given:
        product = world.find("product", given["product"], param="product")
    else:
        data = given["product_data"]
        product = create_product(Call(world, {name: data[name] for name in ("name", "metadata") if name in data}))
    return _add_price(world, product["id"], given)


def _add_price(world: World, product: str, given: Json) -> Json:
    if not re.fullmatch("[a-z]{3}", given["currency"]):
        raise Refusal(f"Invalid currency: {given['currency']}", param="currency")
    amount, exact = given.get("unit_amount"), given.get("unit_amount_decimal")
    if (amount is None) == (exact is None):
        raise Refusal(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.", param="unit_amount"
        )
    exact = Decimal(str(exact if amount is None else amount))
    if exact < 0:
        raise Refusal("This value must be greater than or equal to 0.", param="unit_amount")
    recurring = given.get("recurring")
    if recurring:
        recurring = {
            "interval_count": 1,
            "meter": None,
            "usage_type": "licensed",
            "trial_period_days": None,
            **recurring,
        }
        if recurring["usage_type"] == "metered" and not recurring["meter"]:
            raise Refusal("Metered prices must be backed by a meter.", param="recurring[meter]")
        if recurring["meter"]:
            world.find("billing.meter", recurring["meter"], param="recurring[meter]")
    _take_lookup_key(world, given)
    price = world.add(
        "price",
        "price",
        active=given.get("active", True),
        billing_scheme="per_unit",
        currency=given["currency"],
        custom_unit_amount=None,
        lookup_key=given.get("lookup_key"),
        metadata={},
        nickname=given.get("nickname"),
        product=product,
        recurring=recurring,
        tax_behavior=given.get("tax_behavior", "unspecified"),
        tiers_mode=None,
        transform_quantity=None,
        type="recurring" if recurring else "one_time",
        unit_amount=int(exact) if exact == exact.to_integral_value() else None,
        unit_amount_decimal=str(exact),
    )
    merge_metadata(price, given.get("metadata"))
    world.emit("price.created", price)
    return price


def _take_lookup_key(world: World, given: Json, taker: Json | None = None) -> None:
    is_transfer = given.get("transfer_lookup_key")
    for holder in world.all_of("price", lookup_key=given.get("lookup_key")) if given.get("lookup_key") else []:
        if holder is taker:
            continue
        if not is_transfer:
            raise Refusal(
                f"A price (`{holder['id']}`) already uses that lookup key. Use `transfer_lookup_key` to move it.",
                code="resource_already_exists",
                param="lookup_key",
            )
        with world.changing(holder):
            holder["lookup_key"] = None


@endpoint("POST", "/v1/prices/{price}", "PriceUpdateParams")
def update_price(call: Call) -> Json:
    price = call.named("price", "price")
    given = dict(call.params)
    _take_lookup_key(call.world, given, price)
    given.pop("transfer_lookup_key", None)
    with call.world.changing(price):
        merge_metadata(price, given.pop("metadata", None))
        price.update({name: value if value != "" else None for name, value in given.items()})
    return price


@endpoint("GET", "/v1/prices", "PriceListParams")
def list_prices(call: Call) -> Json:
    given = call.params
    found = [
        price for price in call.world.all_of("price") if _matches(price, given, "active", "product", "type", "currency")
    ]
    if "lookup_keys" in given:
        if len(given["lookup_keys"]) > 10:
            raise Refusal("You may only specify up to 10 lookup keys.", param="lookup_keys")
        found = [price for price in found if price["lookup_key"] in given["lookup_keys"]]
    return listed(found, given, "/v1/prices")


@endpoint("GET", "/v1/products", "ProductListParams")
def list_products(call: Call) -> Json:
    found = [product for product in call.world.all_of("product") if _matches(product, call.params, "active")]
    if "ids" in call.params:
        found = [product for product in found if product["id"] in call.params["ids"]]
    return listed(found, call.params, "/v1/products")


def _matches(held: Json, given: Json, *names: str) -> bool:
    return all(held[name] == given[name] for name in names if name in given)


@endpoint("POST", "/v1/billing/meters", "billing.MeterCreateParams")
def create_meter(call: Call) -> Json:
    world, given = call.world, call.params
    if world.all_of("billing.meter", event_name=given["event_name"], status="active"):
        raise Refusal(
            f"A meter with event_name {given['event_name']} already exists.",
            code="resource_already_exists",
            param="event_name",
        )
    meter = world.add(
        "mtr",
        "billing.meter",
        customer_mapping=given.get("customer_mapping", {"event_payload_key": "stripe_customer_id", "type": "by_id"}),
        default_aggregation=given["default_aggregation"],
        display_name=given["display_name"],
        event_name=given["event_name"],
        event_time_window=given.get("event_time_window"),
        status="active",
        status_transitions={"deactivated_at": None},
        updated=world.now(),
        value_settings=given.get("value_settings", {"event_payload_key": "value"}),
    )
    world.emit("billing.meter.created", meter)
    return meter


@endpoint("POST", "/v1/billing/meters/{meter}", "billing.MeterUpdateParams")
def update_meter(call: Call) -> Json:
    meter = call.named("meter", "billing.meter")
    with call.world.changing(meter):
        meter.update(call.params)
    return meter


@endpoint("POST", "/v1/billing/meters/{meter}/deactivate", "billing.MeterDeactivateParams")
def deactivate_meter(call: Call) -> Json:
    meter = call.named("meter", "billing.meter")
    with call.world.changing(meter, "billing.meter.deactivated"):
        meter.update(status="inactive", status_transitions={"deactivated_at": call.world.now()})
    return meter


@endpoint("POST", "/v1/billing/meters/{meter}/reactivate", "billing.MeterReactivateParams")
def reactivate_meter(call: Call) -> Json:
    meter = call.named("meter", "billing.meter")
    with call.world.changing(meter, "billing.meter.reactivated"):
        meter.update(status="active", status_transitions={"deactivated_at": None})
    return meter


@endpoint("POST", "/v1/billing/meter_events", "billing.MeterEventCreateParams")
def create_meter_event(call: Call) -> Json:
    world, given = call.world, call.params
    meters = world.all_of("billing.meter", event_name=given["event_name"], status="active")
    if not meters:
        raise Refusal(f"No active meter found for event name {given['event_name']}.", param="event_name")
    [meter] = meters
    payload = given["payload"]
    keys = (meter["customer_mapping"]["event_payload_key"], meter["value_settings"]["event_payload_key"])
    for key in keys:
        if key not in payload:
            raise Refusal(f"The payload is missing `{key}`.", param=f"payload[{key}]")
    customer, value = (payload[key] for key in keys)
    held = world.objects.get(customer)
    if held is None or held["object"] != "customer" or held.get("deleted"):
        raise missing("customer", customer, param=f"payload[{keys[0]}]")
    if not re.fullmatch(r"\d{1,15}", value):
        raise Refusal(f"The value must be a whole number, not {value!r}.", param=f"payload[{keys[1]}]")
    now = world.now_of(customer)
    moment = given.get("timestamp", now)
    if not now - 35 * _DAY <= moment <= now + 300:
        raise Refusal(
            "The timestamp must be within the past 35 days or up to 5 minutes in the future.", param="timestamp"
        )
    identifier = given.get("identifier")
    if identifier and len(identifier) > 100:
        raise Refusal("Invalid string: it must be at most 100 characters long.", param="identifier")
    for earlier in world.all_of("billing.meter_event", identifier=identifier) if identifier else []:
        if earlier["_taken"] > world.now() - _DAY:
            raise Refusal(f"An event already exists with identifier {identifier}.")
    event = world.add(
        "mev",
        "billing.meter_event",
        event_name=given["event_name"],
        identifier=identifier,
        payload=dict(payload),
        timestamp=moment,
        _taken=world.now(),
        _customer=customer,
        _value=int(value),
    )
    event["identifier"] = identifier or event["id"]
    return {name: value for name, value in event.items() if name != "id"}


def metered(world: World, meter: Json, customer: str, start: int, end: int) -> int:
    """The sum of a customer's events from a moment until before another."""
    counted = [
        event
        for event in world.all_of("billing.meter_event", event_name=meter["event_name"], _customer=customer)
        if start <= event["timestamp"] < end
    ]
    values = [event["_value"] for event in counted]
    match meter["default_aggregation"]["formula"]:
        case "count":
            return len(values)
        case "last":
            return int(values[-1]) if values else 0
    return sum(values)


@endpoint("GET", "/v1/billing/meters/{meter}/event_summaries", "billing.MeterListEventSummariesParams")
def list_summaries(call: Call) -> Json:
    given = call.params
    meter = call.named("meter", "billing.meter")
    call.world.find("customer", given["customer"], param="customer")
    for name in ("start_time", "end_time"):
        if given[name] % 60:
            raise Refusal(f"`{name}` must be aligned with minute boundaries.", param=name)
    total = metered(call.world, meter, given["customer"], given["start_time"], given["end_time"])
    summary = {
        "id": f"mtrsum_{meter['id']}",
        "object": "billing.meter_event_summary",
        "aggregated_value": total,
        "start_time": given["start_time"],
        "end_time": given["end_time"],
        "livemode": False,
        "meter": meter["id"],
    }
    return listed([summary] if total else [], given, f"/v1/billing/meters/{meter['id']}/event_summaries")


collection("/v1/billing/meters", "billing.meter", "billing.MeterListParams", "status")
retrieval("/v1/billing/meters/{meter}", "billing.meter", "billing.MeterRetrieveParams")
retrieval("/v1/products/{product}", "product", "ProductRetrieveParams")
retrieval("/v1/prices/{price}", "price", "PriceRetrieveParams")
