"""What an invoice consists of: lines for periods to come, for metered use, and what a change in between is worth.

- https://docs.stripe.com/api/invoices/object: an invoice's subscription is in `parent.subscription_details`.
- https://docs.stripe.com/billing/subscriptions/prorations: to the second; the unused rest of the old price is given
  back, the rest of the period at the new price is charged.
- https://docs.stripe.com/billing/customer/balance: what is more given back than charged stays with the customer as
  credit, and the next invoices use it up.
"""

import calendar
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from tests.support.stripe_double.catalog import metered
from tests.support.stripe_double.wire import Json, sublist
from tests.support.stripe_double.world import World

_SECONDS: Final = {"day": 86_400, "week": 7 * 86_400}


def whole(amount: Fraction) -> int:
    """In the currency's smallest unit, halves away from zero."""
    exact = Decimal(amount.numerator) / Decimal(amount.denominator)
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def price_for(price: Json, quantity: int) -> Fraction:
    return Fraction(price["unit_amount_decimal"]) * quantity


def end_of_period(anchor: int, start: int, recurring: Json) -> int:
    """The first end after ``start`` of the periods that are counted from ``anchor`` on.

    Months keep the anchor's day, or take their last one where they have no such day:
    https://docs.stripe.com/billing/subscriptions/billing-cycle
    """
    count: int = recurring["interval_count"]
    if seconds := _SECONDS.get(recurring["interval"]):
        length = seconds * count
        return anchor + ((start - anchor) // length + 1) * length
    months = count * (12 if recurring["interval"] == "year" else 1)
    number = 1
    while (end := _months_later(anchor, number * months)) <= start:
        number += 1
    return end


def _months_later(moment: int, months: int) -> int:
    then = datetime.fromtimestamp(moment, UTC)
    year, month = divmod(then.year * 12 + then.month - 1 + months, 12)
    day = min(then.day, calendar.monthrange(year, month + 1)[1])
    return int(then.replace(year=year, month=month + 1, day=day).timestamp())


def line(
    world: World,
    subscription: Json,
    item: Json,
    amount: int,
    period: tuple[int, int],
    description: str,
    *,
    price: Json | None = None,
    quantity: int | None = None,
    is_proration: bool = False,
) -> Json:
    priced = price or item["price"]
    return {
        "id": world.line_id(),
        "object": "line_item",
        "amount": amount,
        "currency": priced["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": not is_proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": is_proration,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": priced["id"], "product": priced["product"]},
            "type": "price_details",
            "unit_amount_decimal": priced["unit_amount_decimal"],
        },
        "quantity": quantity if quantity is not None else item.get("quantity"),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def _name(world: World, price: Json) -> str:
    return str(world.objects[price["product"]]["name"])


def lines_for_period(world: World, subscription: Json, items: list[Json], *, is_free: bool = False) -> list[Json]:
    """Of the period that the items are in; free while a trial lasts."""
    made = []
    for item in items:
        price = item["price"]
        if price["recurring"]["usage_type"] == "metered":
            continue
        period = (item["current_period_start"], item["current_period_end"])
        quantity = item["quantity"]
        told = f"Trial period for {_name(world, price)}" if is_free else f"{quantity} × {_name(world, price)}"
        amount = 0 if is_free else whole(price_for(price, quantity))
        made.append(line(world, subscription, item, amount, period, told))
    return made


def lines_for_use(world: World, subscription: Json, items: list[Json], *, until: int | None = None) -> list[Json]:
    """Of the period that ends, before the items go on to the next."""
    made = []
    for item in items:
        price = item["price"]
        if price["recurring"]["usage_type"] != "metered":
            continue
        period = (item["current_period_start"], until or item["current_period_end"])
        meter = world.objects[price["recurring"]["meter"]]
        used = metered(world, meter, subscription["customer"], *period)
        amount = whole(price_for(price, used))
        made.append(line(world, subscription, item, amount, period, f"{used} × {_name(world, price)}", quantity=used))
    return made


def prorations(world: World, subscription: Json, item: Json, price: Json, quantity: int, at: int) -> list[Json]:
    """What a change of an item is worth for the rest of its period."""
    start, end = item["current_period_start"], item["current_period_end"]
    rest = Fraction(end - at, end - start)
    old = item["price"]
    made = []
    for part, sign, many, told in (
        (old, -1, item["quantity"], "Unused time on"),
        (price, 1, quantity, "Remaining time on"),
    ):
        amount = whole(price_for(part, many) * rest) * sign
        described = f"{told} {_name(world, part)}"
        made.append(
            line(world, subscription, item, amount, (at, end), described, price=part, quantity=many, is_proration=True)
        )
    return made


def unused(world: World, subscription: Json, item: Json, at: int) -> Json:
    return prorations(world, subscription, item, item["price"], item["quantity"], at)[0]


def build(world: World, subscription: Json, lines: list[Json], reason: str, *, is_preview: bool = False) -> Json:
    """A draft, not yet told to anybody."""
    customer = world.objects[subscription["customer"]]
    clock = subscription["test_clock"]
    now = world.now(clock)
    total = sum(each["amount"] for each in lines)
    starting = customer["balance"]
    # Credit is a negative balance; a negative total becomes some.
    applied = max(0, min(total, -starting)) if starting < 0 else 0
    due = max(0, total - applied)
    ending = starting + applied if total >= 0 else starting + total
    invoice = world.add(
        "upcoming_in" if is_preview else "in",
        "invoice",
        clock,
        account_country="US",
        account_name="Stripe double",
        amount_due=due,
        amount_overpaid=0,
        amount_paid=0,
        amount_remaining=due,
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None},
        automatically_finalizes_at=None,
        billing_reason=reason,
        collection_method="charge_automatically",
        currency=subscription["currency"],
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        default_payment_method=None,
        description=None,
        discounts=[],
        due_date=None,
        effective_at=None,
        ending_balance=ending if is_preview else None,
        hosted_invoice_url=None,
        invoice_pdf=None,
        issuer={"type": "self"},
        last_finalization_error=None,
        lines=sublist(lines, "/v1/invoices/upcoming/lines"),
        metadata={},
        next_payment_attempt=None,
        number=None,
        parent={
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        payment_settings={
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        period_end=now,
        period_start=subscription.get("_last_invoiced", now),
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        receipt_number=None,
        starting_balance=starting,
        status="draft",
        status_transitions={
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        subtotal=total,
        subtotal_excluding_tax=total,
        test_clock=clock,
        total=total,
        total_discount_amounts=[],
        total_excluding_tax=total,
        total_pretax_credit_amounts=[],
        total_taxes=[],
        webhooks_delivered_at=None,
        _ending=ending,
    )
    if is_preview:
        del world.objects[invoice["id"]]
        return invoice
    invoice["lines"]["url"] = f"/v1/invoices/{invoice['id']}/lines"
    for each in lines:
        each["invoice"] = invoice["id"]
    subscription["_last_invoiced"] = now
    return invoice
