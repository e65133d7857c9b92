"""Customers, their cards, and the test clocks that they live by.

- https://docs.stripe.com/api/customers: a customer that was deleted keeps its id, and nothing can be done with it.
- https://docs.stripe.com/api/payment_methods and the cards of https://docs.stripe.com/testing: a number is taken by the
  hosted pages alone; the API takes the tokens `pm_card_…`.
- https://docs.stripe.com/api/test_clocks: a customer is attached when it is created, at most three to a clock.
"""

from typing import Final

from tests.support.stripe_double.endpoints import Call, collection, endpoint, retrieval
from tests.support.stripe_double.wire import Json, Refusal, listed, missing, sublist
from tests.support.stripe_double.world import World, merge_metadata

DECLINES_AT_ONCE: Final = {
    "4000000000000002": "card_declined",
    "4000000000009995": "insufficient_funds",
    "4000000000000069": "expired_card",
    "4000000000000127": "incorrect_cvc",
}
DECLINES_LATER: Final = "4000000000000341"
TOKENS: Final = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeCustomerFail": DECLINES_LATER,
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
}
_MOST_CUSTOMERS: Final = 3


def declined(code: str, **more: object) -> Refusal:
    """https://docs.stripe.com/declines/codes"""
    reasons = {
        "expired_card": "Your card has expired.",
        "incorrect_cvc": "Your card's security code is incorrect.",
        "insufficient_funds": "Your card has insufficient funds.",
    }
    is_own = code in ("expired_card", "incorrect_cvc")
    details = {} if is_own else {"decline_code": code if code != "card_declined" else "generic_decline"}
    return Refusal(
        reasons.get(code, "Your card was declined."),
        status=402,
        type="card_error",
        code=code if is_own else "card_declined",
        more={**details, **more},
    )


def customer_of(world: World, given: object, *, status: int = 400) -> Json:
    customer = world.find("customer", given, param="customer" if status == 400 else "id", status=status)
    if customer.get("deleted"):
        raise missing("customer", given, param="customer" if status == 400 else "id", status=status)
    return customer


@endpoint("POST", "/v1/customers", "CustomerCreateParams")
def create_customer(call: Call) -> Json:
    world, given = call.world, dict(call.params)
    clock = given.pop("test_clock", None)
    if clock is not None:
        world.find("test_helpers.test_clock", clock, param="test_clock")
        if len(world.all_of("customer", test_clock=clock)) >= _MOST_CUSTOMERS:
            raise Refusal(f"A test clock can have at most {_MOST_CUSTOMERS} customers.", param="test_clock")
    method = given.pop("payment_method", None)
    if method is not None:
        _resolved(world, method)
    customer = world.add(
        "cus",
        "customer",
        clock,
        is_long=False,
        address=None,
        balance=0,
        currency=None,
        default_source=None,
        delinquent=False,
        description=None,
        discount=None,
        email=None,
        invoice_prefix=None,
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata={},
        name=None,
        next_invoice_sequence=1,
        phone=None,
        preferred_locales=[],
        shipping=None,
        tax_exempt="none",
        test_clock=clock,
    )
    customer["invoice_prefix"] = customer["id"][-8:].upper()
    _write(world, customer, given)
    world.emit("customer.created", customer)
    if method is not None:
        attach(world, _resolved(world, method), customer["id"])
    return customer


def _write(world: World, customer: Json, given: Json) -> None:
    merge_metadata(customer, given.pop("metadata", None))
    settings = given.pop("invoice_settings", {})
    if settings.get("default_payment_method"):
        method = world.find("payment_method", settings["default_payment_method"], param="invoice_settings")
        if method["customer"] != customer["id"]:
            raise Refusal(
                f"The customer does not have a payment method with the ID {method['id']}. The payment method must be"
                " attached to the customer.",
                code="resource_missing",
                param="invoice_settings[default_payment_method]",
            )
    customer["invoice_settings"] |= {name: value if value != "" else None for name, value in settings.items()}
    customer.update({name: value if value != "" else None for name, value in given.items()})


@endpoint("POST", "/v1/customers/{customer}", "CustomerUpdateParams")
def update_customer(call: Call) -> Json:
    customer = customer_of(call.world, call.ids["customer"], status=404)
    with call.world.changing(customer):
        _write(call.world, customer, dict(call.params))
    return customer


@endpoint("GET", "/v1/customers/{customer}", "CustomerRetrieveParams")
def retrieve_customer(call: Call) -> Json:
    customer = call.named("customer", "customer")
    if customer.get("deleted"):
        return customer
    if any(path.startswith("subscriptions") for path in call.params.get("expand", ())):
        running = [
            each
            for each in call.world.all_of("subscription", customer=customer["id"])
            if each["status"] not in ("canceled", "incomplete_expired")
        ]
        return {**customer, "subscriptions": sublist(running[::-1], f"/v1/customers/{customer['id']}/subscriptions")}
    return customer


@endpoint("DELETE", "/v1/customers/{customer}", "CustomerDeleteParams")
def delete_customer(call: Call) -> Json:
    customer = customer_of(call.world, call.ids["customer"], status=404)
    for stop in call.world.on_deleted_customer:
        stop(call.world, customer)
    call.world.emit("customer.deleted", customer)
    customer_id = customer["id"]
    customer.clear()
    customer.update(id=customer_id, object="customer", deleted=True)
    return customer


@endpoint("GET", "/v1/customers", "CustomerListParams")
def list_customers(call: Call) -> Json:
    given = call.params
    # Those of test clocks are in no list but that of their clock.
    found = [
        each
        for each in call.world.all_of("customer")
        if not each.get("deleted") and each.get("test_clock") == given.get("test_clock")
    ]
    if "email" in given:
        found = [each for each in found if each["email"] == given["email"]]
    return listed(found, given, "/v1/customers")


def add_card(world: World, number: str, clock: str | None = None, *, name: str | None = None) -> Json:
    return world.add(
        "pm",
        "payment_method",
        clock,
        allow_redisplay="unspecified",
        billing_details={"address": None, "email": None, "name": name, "phone": None},
        card={
            "brand": "mastercard" if number.startswith("5") else "visa",
            "checks": {"cvc_check": "pass"},
            "country": "US",
            "exp_month": 12,
            "exp_year": 2040,
            "fingerprint": f"double{number[-6:]}",
            "funding": "credit",
            "last4": number[-4:],
            "networks": {"available": ["visa"], "preferred": None},
        },
        customer=None,
        metadata={},
        type="card",
        _number=number,
    )


def attach(world: World, method: Json, customer: str) -> Json:
    """A card that is declined at once is not attached at all."""
    if code := DECLINES_AT_ONCE.get(method["_number"]):
        raise declined(code)
    if method["customer"] not in (None, customer):
        raise Refusal(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    if method["customer"] is None:
        method["customer"] = customer
        world.emit("payment_method.attached", method)
    return method


def _resolved(world: World, given: str) -> Json:
    if given in TOKENS:
        return add_card(world, TOKENS[given])
    return world.find("payment_method", given, param="payment_method")


@endpoint("POST", "/v1/payment_methods/{method}/attach", "PaymentMethodAttachParams")
def attach_method(call: Call) -> Json:
    if "customer" not in call.params:
        raise Refusal("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = customer_of(call.world, call.params["customer"])
    method = _resolved(call.world, call.ids["method"])
    return attach(call.world, method, customer["id"])


@endpoint("POST", "/v1/payment_methods/{method}/detach", "PaymentMethodDetachParams")
def detach_method(call: Call) -> Json:
    world, method = call.world, call.named("method", "payment_method")
    if method["customer"] is None:
        raise Refusal("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = world.find("customer", method["customer"])
    with world.changing(method, "payment_method.detached"):
        method["customer"] = None
    if customer.get("invoice_settings", {}).get("default_payment_method") == method["id"]:
        with world.changing(customer):
            customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": None}
    for subscription in world.all_of("subscription", default_payment_method=method["id"]):
        with world.changing(subscription):
            subscription["default_payment_method"] = None
    return method


@endpoint("GET", "/v1/payment_methods", "PaymentMethodListParams")
def list_methods(call: Call) -> Json:
    wanted = {name: call.params[name] for name in ("customer", "type") if name in call.params}
    if "customer" in wanted:
        customer_of(call.world, wanted["customer"])
    return listed(call.world.all_of("payment_method", **wanted), call.params, "/v1/payment_methods")


@endpoint("GET", "/v1/customers/{customer}/payment_methods", "CustomerListPaymentMethodsParams")
def list_customer_methods(call: Call) -> Json:
    customer = customer_of(call.world, call.ids["customer"], status=404)
    found = call.world.all_of("payment_method", customer=customer["id"])
    return listed(found, call.params, f"/v1/customers/{customer['id']}/payment_methods")


def default_card(world: World, customer: Json, subscription: Json | None = None) -> Json | None:
    """What is charged: the subscription's own card before the customer's.

    https://docs.stripe.com/billing/subscriptions/payment-methods-setting
    """
    named = (subscription or {}).get("default_payment_method")
    named = named or customer.get("invoice_settings", {}).get("default_payment_method")
    return world.objects.get(named or "")


@endpoint("POST", "/v1/test_helpers/test_clocks", "test_helpers.TestClockCreateParams")
def create_clock(call: Call) -> Json:
    world, given = call.world, call.params
    return world.add(
        "clock",
        "test_helpers.test_clock",
        deletes_after=world.now() + 30 * 86_400,
        frozen_time=given["frozen_time"],
        name=given.get("name"),
        status="ready",
        status_details={},
    )


collection("/v1/test_helpers/test_clocks", "test_helpers.test_clock", "test_helpers.TestClockListParams")
retrieval("/v1/test_helpers/test_clocks/{clock}", "test_helpers.test_clock", "test_helpers.TestClockRetrieveParams")
retrieval("/v1/payment_methods/{method}", "payment_method", "PaymentMethodRetrieveParams")
