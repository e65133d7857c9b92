"""Checkout Sessions for subscriptions: made by the API, completed by somebody on the hosted page.

https://docs.stripe.com/api/checkout/sessions: prices are recurring and active; a customer or an e-mail address, not
both; it expires after 24 hours, or between 30 minutes and that; the subscription exists once it was completed, its
card is the subscription's own, and `success_url` has `{CHECKOUT_SESSION_ID}` filled in.
"""

from typing import Final

from tests.support.stripe_double.customers import (
    DECLINES_AT_ONCE,
    DECLINES_LATER,
    add_card,
    attach,
    create_customer,
    customer_of,
    declined,
)
from tests.support.stripe_double.endpoints import Call, collection, endpoint
from tests.support.stripe_double.invoices import price_for, whole
from tests.support.stripe_double.renewing import expire
from tests.support.stripe_double.subscriptions import begin, recurring_price, trial_end_of
from tests.support.stripe_double.wire import Json, Refusal, check_url, listed, missing, sublist
from tests.support.stripe_double.world import World, merge_metadata

_DAY: Final = 86_400
_SHORTEST: Final = 1_800
_FOR_SUBSCRIPTION: Final = (
    "trial_period_days",
    "trial_end",
    "trial_settings",
    "metadata",
    "description",
    "billing_mode",
)


@endpoint("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams")
def create(call: Call) -> Json:
    world, given = call.world, call.params
    if given.get("mode") != "subscription":
        raise Refusal("The double has Checkout for subscriptions alone.", param="mode")
    if given.get("ui_mode", "hosted_page") not in ("hosted", "hosted_page"):
        raise Refusal("The double has hosted pages alone.", param="ui_mode")
    for name in ("success_url", "line_items"):
        if not given.get(name):
            raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
    for name in ("success_url", "cancel_url"):
        check_url(given.get(name), name)
    if "customer" in given and "customer_email" in given:
        raise Refusal("You may only specify one of these parameters: customer, customer_email.", param="customer")
    customer = customer_of(world, given["customer"]) if "customer" in given else None
    clock = customer["test_clock"] if customer else None
    lines = _lines(world, given["line_items"])
    wishes = dict(given.get("subscription_data", {}))
    for name in wishes:
        if name not in _FOR_SUBSCRIPTION:
            raise Refusal(f"The double does not know `subscription_data[{name}]`.", param=f"subscription_data[{name}]")
    trial_end = trial_end_of(world, clock, wishes)
    now = world.now(clock)
    expires = given.get("expires_at", now + _DAY)
    if not now + _SHORTEST <= expires <= now + _DAY:
        raise Refusal("The session must expire between 30 minutes and 24 hours from now.", param="expires_at")
    total = sum(whole(price_for(each["price"], each["quantity"])) for each in lines if each["quantity"])
    due = 0 if trial_end else total
    session = world.add(
        "cs_test",
        "checkout.session",
        clock,
        allow_promotion_codes=given.get("allow_promotion_codes"),
        amount_subtotal=due,
        amount_total=due,
        automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
        billing_address_collection=given.get("billing_address_collection"),
        cancel_url=given.get("cancel_url"),
        client_reference_id=given.get("client_reference_id"),
        client_secret=None,
        consent=None,
        currency=lines[0]["price"]["currency"],
        custom_fields=[],
        custom_text={"after_submit": None, "shipping_address": None, "submit": None},
        customer=customer["id"] if customer else None,
        customer_creation=None if customer else "always",
        customer_details=None,
        customer_email=given.get("customer_email"),
        expires_at=expires,
        invoice=None,
        locale=given.get("locale"),
        metadata={},
        mode="subscription",
        payment_intent=None,
        payment_link=None,
        payment_method_collection=given.get("payment_method_collection", "always"),
        payment_method_types=given.get("payment_method_types", ["card"]),
        payment_status="unpaid",
        setup_intent=None,
        shipping_options=[],
        status="open",
        submit_type=None,
        subscription=None,
        success_url=given["success_url"],
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        ui_mode="hosted_page",
        _lines=lines,
        _wishes=wishes,
    )
    session["url"] = f"{world.base_url}/c/pay/{session['id']}"
    merge_metadata(session, given.get("metadata"))
    return session


def _lines(world: World, given: list[Json]) -> list[Json]:
    lines = []
    for number, each in enumerate(given):
        if "price" not in each:
            raise Refusal("The double takes the ids of prices alone.", param=f"line_items[{number}]")
        price = recurring_price(world, each["price"], f"line_items[{number}][price]")
        is_metered = price["recurring"]["usage_type"] == "metered"
        if not is_metered and "quantity" not in each:
            param = f"line_items[{number}][quantity]"
            raise Refusal("Quantity is required. Add `quantity` to `line_items`", code="parameter_missing", param=param)
        if is_metered and "quantity" in each:
            raise Refusal("Quantity should not be specified where usage_type is metered.", param="line_items")
        lines.append({"id": world.line_id(), "price": price, "quantity": each.get("quantity")})
    return lines


def _shown_lines(session: Json) -> list[Json]:
    return [
        {
            "object": "item",
            "amount_total": whole(price_for(each["price"], each["quantity"] or 0)),
            "currency": each["price"]["currency"],
            **each,
        }
        for each in session["_lines"]
    ]


@endpoint("GET", "/v1/checkout/sessions/{session}", "checkout.SessionRetrieveParams")
def retrieve(call: Call) -> Json:
    """Its lines are in the answer only when it is asked for them."""
    session = call.named("session", "checkout.session")
    if not any(path.startswith("line_items") for path in call.params.get("expand", [])):
        return session
    lines = _shown_lines(session)
    return {**session, "line_items": sublist(lines, f"/v1/checkout/sessions/{session['id']}/line_items")}


@endpoint("GET", "/v1/checkout/sessions/{session}/line_items", "checkout.SessionListLineItemsParams")
def list_line_items(call: Call) -> Json:
    session = call.named("session", "checkout.session")
    return listed(_shown_lines(session)[::-1], call.params, f"/v1/checkout/sessions/{session['id']}/line_items")


@endpoint("POST", "/v1/checkout/sessions/{session}/expire", "checkout.SessionExpireParams")
def expire_session(call: Call) -> Json:
    session = call.named("session", "checkout.session")
    if session["status"] != "open":
        raise Refusal(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.'
        )
    expire(call.world, session)
    return session


def needs_card(session: Json) -> bool:
    return bool(session["payment_method_collection"] == "always" or session["amount_total"] > 0)


def complete(world: World, session: Json, email: str, number: str | None, name: str | None) -> Json:
    """What pressing the button does. A card that is declined leaves everything as it was.

    Raises:
        Refusal: the card was declined.
    """
    if session["status"] != "open":
        raise Refusal(f"This Checkout Session is {session['status']}.")
    customer = world.objects.get(session["customer"] or "")
    if customer and customer.get("deleted"):
        raise missing("customer", customer["id"], param="customer")
    clock = customer["test_clock"] if customer else None
    card = add_card(world, number, clock, name=name) if number else None
    if card is not None:
        _must_work(world, session, card)
    if customer is None:
        customer = create_customer(Call(world, {"email": email} | ({"name": name} if name else {})))
    wishes = dict(session["_wishes"])
    if card is not None:
        attach(world, card, customer["id"])
        wishes["default_payment_method"] = card["id"]
    trial_end = trial_end_of(world, clock, wishes)
    wanted = [(each["price"], each["quantity"]) for each in session["_lines"]]
    subscription = begin(world, customer, wanted, given=wishes, trial_end=trial_end)
    session.update(
        customer=customer["id"],
        customer_details={
            "address": None,
            "email": customer["email"] or email,
            "name": name,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        invoice=subscription["latest_invoice"],
        payment_status="paid" if session["amount_total"] else "no_payment_required",
        status="complete",
        subscription=subscription["id"],
        url=None,
    )
    world.emit("checkout.session.completed", session)
    return subscription


def _must_work(world: World, session: Json, card: Json) -> None:
    code = DECLINES_AT_ONCE.get(card["_number"])
    if session["amount_total"] and code is None:
        code = "card_declined" if card["_number"] == DECLINES_LATER else world.declined.get(session["customer"] or "")
    if code is not None:
        del world.objects[card["id"]]
        raise declined(code)


collection(
    "/v1/checkout/sessions", "checkout.session", "checkout.SessionListParams", "customer", "subscription", "status"
)
