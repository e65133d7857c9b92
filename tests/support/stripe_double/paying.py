"""From a draft to paid: an invoice is made final, its payment tried and tried again, and its subscription follows.

- https://docs.stripe.com/billing/invoices/subscription: the first invoice is final at once, a renewal's after an hour.
- https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
- https://docs.stripe.com/billing/revenue-recovery/smart-retries: what comes after the last attempt is the account's
  choice.
- https://docs.stripe.com/billing/subscriptions/pending-updates: a change that waits for its payment, for 23 hours.
"""

from typing import Final

from tests.support.stripe_double.customers import DECLINES_LATER, declined, default_card
from tests.support.stripe_double.endpoints import Call, endpoint, retrieval
from tests.support.stripe_double.invoices import build
from tests.support.stripe_double.wire import Json, Refusal, listed
from tests.support.stripe_double.world import World, merge_metadata

DAY: Final = 86_400
UNTIL_FINAL: Final = 3_600
PATIENCE: Final = 23 * 3_600
"""For a first payment, and for the payment of a change."""


def subscription_of(world: World, invoice: Json) -> Json:
    found: Json = world.objects[invoice["parent"]["subscription_details"]["subscription"]]
    return found


def bill(world: World, subscription: Json, lines: list[Json], reason: str) -> tuple[Json, Refusal | None]:
    """Final at once, and charged. With it comes why the payment failed."""
    invoice = draft(world, subscription, lines, reason)
    finalize(world, invoice)
    return invoice, None if invoice["status"] == "paid" else attempt(world, invoice)


def draft(world: World, subscription: Json, lines: list[Json], reason: str) -> Json:
    invoice = build(world, subscription, [*subscription["_pending_lines"], *lines], reason)
    subscription["_pending_lines"] = []
    with world.changing(subscription):
        subscription["latest_invoice"] = invoice["id"]
    world.emit("invoice.created", invoice)
    return invoice


def finalize(world: World, invoice: Json) -> None:
    now = world.now(invoice["test_clock"])
    customer = world.objects[invoice["customer"]]
    with world.changing(invoice, "invoice.finalized"):
        invoice.update(
            automatically_finalizes_at=None,
            effective_at=now,
            ending_balance=invoice["_ending"],
            hosted_invoice_url=f"{world.base_url}/i/{invoice['id']}",
            invoice_pdf=f"{world.base_url}/i/{invoice['id']}/pdf",
            number=f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}",
            status="open",
            status_transitions=invoice["status_transitions"] | {"finalized_at": now},
        )
    with world.changing(customer):
        customer.update(balance=invoice["_ending"], next_invoice_sequence=customer["next_invoice_sequence"] + 1)
        customer["currency"] = invoice["currency"]
    if invoice["amount_due"] == 0:
        _paid(world, invoice)


def problem(world: World, invoice: Json, card: Json | None) -> Refusal | None:
    """Why this payment does not go through, if it does not."""
    if card is None:
        return Refusal(
            "This customer has no attached payment source or default payment method. Please consider adding a default"
            " payment method.",
            code="resource_missing",
        )
    code = world.declined.get(invoice["customer"])
    if code is None and card["_number"] == DECLINES_LATER:
        code = "card_declined"
    return declined(code, payment_method={"id": card["id"], "object": "payment_method"}) if code else None


def attempt(world: World, invoice: Json, card: Json | None = None) -> Refusal | None:
    """One charge. Returns why it failed."""
    subscription = subscription_of(world, invoice)
    card = card or default_card(world, world.objects[invoice["customer"]], subscription)
    failure = problem(world, invoice, card)
    count = invoice["attempt_count"] + 1
    if failure is None:
        invoice.update(attempt_count=count, attempted=True)
        _paid(world, invoice)
        return None
    days = world.rules.retry_days
    is_last = count > len(days)
    is_pending = subscription.get("_pending", {}).get("invoice") == invoice["id"]
    waits = invoice["billing_reason"] != "subscription_create" and not is_pending and not is_last
    with world.changing(invoice):
        invoice.update(attempt_count=count, attempted=True)
        invoice["next_payment_attempt"] = world.now(invoice["test_clock"]) + days[count - 1] * DAY if waits else None
    world.emit("invoice.payment_failed", invoice)
    _follow_failure(world, subscription, invoice, is_last=is_last)
    return failure


def _paid(world: World, invoice: Json) -> None:
    now = world.now(invoice["test_clock"])
    with world.changing(invoice):
        invoice.update(
            amount_paid=invoice["amount_due"],
            amount_remaining=0,
            attempted=True,
            next_payment_attempt=None,
            status="paid",
            status_transitions=invoice["status_transitions"] | {"paid_at": now},
        )
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    customer, subscription = world.objects[invoice["customer"]], subscription_of(world, invoice)
    if not world.all_of("invoice", customer=customer["id"], status="open") and customer["delinquent"]:
        with world.changing(customer):
            customer["delinquent"] = False
    if subscription.get("_pending", {}).get("invoice") == invoice["id"]:
        change = subscription.pop("_pending")["apply"]
        with world.changing(subscription, "customer.subscription.pending_update_applied"):
            subscription["pending_update"] = None
        with world.changing(subscription):
            change()
    is_newest = subscription["latest_invoice"] == invoice["id"]
    if subscription["status"] in ("incomplete", "past_due", "unpaid") and is_newest:
        with world.changing(subscription):
            subscription["status"] = "active"


def _follow_failure(world: World, subscription: Json, invoice: Json, *, is_last: bool) -> None:
    if subscription.get("_pending", {}).get("invoice") == invoice["id"]:
        return
    customer = world.objects[invoice["customer"]]
    with world.changing(customer):
        customer["delinquent"] = True
    if subscription["status"] in ("active", "trialing"):
        with world.changing(subscription):
            subscription["status"] = "past_due"
    if subscription["status"] == "past_due" and is_last:
        give_up(world, subscription)


def give_up(world: World, subscription: Json) -> None:
    if world.rules.after_retries == "unpaid":
        with world.changing(subscription):
            subscription["status"] = "unpaid"
    elif world.rules.after_retries == "canceled":
        end(world, subscription, "payment_failed")


def end(world: World, subscription: Json, reason: str, *, at: int | None = None) -> None:
    """Canceled for good: https://docs.stripe.com/billing/subscriptions/cancel"""
    now = at if at is not None else world.now(subscription["test_clock"])
    with_schedule = world.objects.get(subscription["schedule"] or "")
    if with_schedule is not None and with_schedule["status"] == "active":
        with_schedule.update(status="canceled", canceled_at=now, current_phase=None)
        world.emit("subscription_schedule.canceled", with_schedule)
    subscription.update(
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        cancellation_details=subscription["cancellation_details"] | {"reason": reason},
        schedule=None,
        _pending_lines=[],
    )
    for invoice in world.all_of("invoice", customer=subscription["customer"]):
        if subscription_of(world, invoice) is subscription and invoice["status"] in ("draft", "open"):
            # What is open stays so, but nobody tries to collect it any more.
            invoice.update(auto_advance=False, next_payment_attempt=None, automatically_finalizes_at=None)
    world.emit("customer.subscription.deleted", subscription)


def void(world: World, invoice: Json) -> None:
    now = world.now(invoice["test_clock"])
    with world.changing(invoice, "invoice.voided"):
        invoice.update(
            status="void",
            next_payment_attempt=None,
            status_transitions=invoice["status_transitions"] | {"voided_at": now},
        )
    subscription = subscription_of(world, invoice)
    if subscription.get("_pending", {}).get("invoice") == invoice["id"]:
        drop_pending(world, subscription)


def drop_pending(world: World, subscription: Json) -> None:
    del subscription["_pending"]
    with world.changing(subscription, "customer.subscription.pending_update_expired"):
        subscription["pending_update"] = None


@endpoint("POST", "/v1/invoices/{invoice}/pay", "InvoicePayParams")
def pay(call: Call) -> Json:
    world, invoice = call.world, call.named("invoice", "invoice")
    if invoice["status"] == "paid":
        raise Refusal("Invoice is already paid")
    if invoice["status"] == "draft":
        finalize(world, invoice)
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise Refusal(f"You cannot pay an invoice that is {invoice['status']}.")
    card = None
    if "payment_method" in call.params:
        card = world.find("payment_method", call.params["payment_method"], param="payment_method")
    if invoice["status"] != "paid" and (failure := attempt(world, invoice, card)):
        raise failure
    return invoice


@endpoint("POST", "/v1/invoices/{invoice}/void", "InvoiceVoidInvoiceParams")
def void_invoice(call: Call) -> Json:
    invoice = call.named("invoice", "invoice")
    if invoice["status"] not in ("open", "uncollectible"):
        raise Refusal(f"You can only void an invoice that is open, and this one is {invoice['status']}.")
    void(call.world, invoice)
    return invoice


@endpoint("POST", "/v1/invoices/{invoice}/finalize", "InvoiceFinalizeInvoiceParams")
def finalize_invoice(call: Call) -> Json:
    invoice = call.named("invoice", "invoice")
    if invoice["status"] != "draft":
        raise Refusal("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    finalize(call.world, invoice)
    return invoice


@endpoint("POST", "/v1/invoices/{invoice}", "InvoiceUpdateParams")
def update_invoice(call: Call) -> Json:
    invoice = call.named("invoice", "invoice")
    with call.world.changing(invoice):
        given = dict(call.params)
        merge_metadata(invoice, given.pop("metadata", None))
        invoice.update(given)
    return invoice


@endpoint("GET", "/v1/invoices/{invoice}/lines", "InvoiceListLinesParams")
def list_lines(call: Call) -> Json:
    invoice = call.named("invoice", "invoice")
    return listed(invoice["lines"]["data"][::-1], call.params, f"/v1/invoices/{invoice['id']}/lines")


@endpoint("GET", "/v1/invoices", "InvoiceListParams")
def list_invoices(call: Call) -> Json:
    given = call.params
    wanted = {name: given[name] for name in ("customer", "status", "collection_method") if name in given}
    if "customer" in wanted:
        call.world.find("customer", wanted["customer"], param="customer")
    found = call.world.all_of("invoice", **wanted)
    if "subscription" in given:
        call.world.find("subscription", given["subscription"], param="subscription")
        found = [each for each in found if subscription_of(call.world, each)["id"] == given["subscription"]]
    return listed(found, given, "/v1/invoices")


retrieval("/v1/invoices/{invoice}", "invoice", "InvoiceRetrieveParams")
